"""Cross-validation over people: in each fold some are held out, and all others are clients of a federation."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from shared_models.data.films import Progress
from shared_models.data.labels import LabelScheme
from shared_models.data.partition import by_subject
from shared_models.data.people_sets import PEOPLE_SETS, everybody
from shared_models.data.sequences import Sequences, joined
from shared_models.data.sources import DataSpec
from shared_models.errors import DataError, UsageError
from shared_models.evaluation.scores import class_scores
from simulations.populations import BY_SUBJECT, Plan, Population, deal, populate

SUMMARY = ("accuracy", "uar", "macro_f1")


def fold_populations(
    spec: DataSpec, scheme: LabelScheme, plan: Plan, folds: int, progress: Progress
) -> Iterator[Population]:
    """One population a fold. Everybody is held out once, and nobody is both on a client and held out.

    No fold has fewer clients than the first, which holds the most people out.

    Raises DataError where the data names no people, UsageError where there are fewer people than folds.
    """
    data, plan = _everybody(spec, scheme, plan, progress)
    people = by_subject(data)
    if folds > len(people):
        raise UsageError(f"There cannot be {folds} folds", why=f"the data has {len(people)} people")
    order = np.random.default_rng(plan.seed).permutation(len(people))
    for fold in range(folds):
        held_out, trained = order[fold::folds], np.concatenate([order[f::folds] for f in range(folds) if f != fold])
        yield Population(
            deal(data.take(_rows(people, trained)), plan),
            data.take(_rows(people, held_out)),
            f"{folds} folds of {len(people)} people, each fold a federation of its own",
        )


def over_folds(scores: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The means of accuracy, uar and macro_f1, counts of the confusion added up, and what each fold scored."""
    if len(scores) == 1:
        return scores[0]
    pooled: dict[str, Any] = {name: float(np.mean([score[name] for score in scores])) for name in SUMMARY}
    if "confusion" in scores[0]:
        pooled["confusion"] = np.sum([score["confusion"] for score in scores], axis=0).tolist()
        by_class = class_scores(pooled["confusion"], tuple(scores[0]["per_class"]))
        pooled["per_class"] = {name: score.model_dump() for name, score in by_class.items()}
    return pooled | {"folds": list(scores)}


def _everybody(spec: DataSpec, scheme: LabelScheme, plan: Plan, progress: Progress) -> tuple[Sequences, Plan]:
    if spec.kind == "synthetic":
        return joined(populate(spec, scheme, plan).clients), replace(plan, clients=BY_SUBJECT)
    if spec.kind in PEOPLE_SETS:
        return everybody(spec, scheme, progress), plan
    raise DataError(f"The data source '{spec.kind}' cannot be parted into folds of people", why="it names no people")


def _rows(people: Sequence[np.ndarray], chosen: np.ndarray) -> np.ndarray:
    return np.sort(np.concatenate([people[i] for i in chosen]))
