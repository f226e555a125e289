"""Evaluates one model: the same code that scores every round, on the part of a data source that is reported on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fl_server.evaluation.choosing import Chosen, choose
from fl_server.evaluation.explaining import explain_surest
from fl_server.evaluation.facts import Baselines, BaselineScores, Data, Evaluation, Model, OutputEvaluation, Selection
from fl_server.folder import FederationFolder
from fl_server.settings import load_settings
from shared_models.data.labels import scheme_by_name
from shared_models.data.remembered import shares_nobody
from shared_models.data.sequences import Sequences
from shared_models.data.sources import DataSpec, parse_spec
from shared_models.data.splits import HeldOut, load_held_out
from shared_models.data.still_sets import STILL_SETS
from shared_models.errors import DataError, UsageError
from shared_models.evaluation.baselines import per_person_baseline
from shared_models.evaluation.benchmark import Benchmark
from shared_models.evaluation.bootstrap import intervals
from shared_models.evaluation.calibration import reliability
from shared_models.evaluation.groups import measure_groups
from shared_models.evaluation.metrics import majority_baseline, score
from shared_models.evaluation.output_intervals import output_intervals
from shared_models.evaluation.outputs import score_output
from shared_models.evaluation.robustness import Robustness, measure_robustness
from shared_models.evaluation.scores import in_full
from shared_models.networks.describe import describe_model
from shared_models.networks.weights import weights_hash

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Order:
    """What to evaluate.

    data:          a data source; that of the settings where it is None
    round, weights: see `choose`
    robustness:    whether to score the model on each corrupted form of the data too
    explain:       in how many sequences to show what it looked at
    """

    data: str | None = None
    round: str | None = None
    weights: Path | None = None
    robustness: bool = False
    explain: int = 0


@dataclass(frozen=True)
class Scored:
    """What every section of an evaluation is made from: the model's answers (N, K) to the sequences."""

    chosen: Chosen
    sequences: Sequences
    probabilities: np.ndarray


def evaluate(folder: FederationFolder, order: Order, progress: Progress) -> Evaluation | OutputEvaluation:
    """Reads the folder and the data, and changes nothing. Sequences that the weights were trained on are left out.

    Raises SettingsError where there is no federation, DataError where nothing can be scored, UsageError where more is
    asked for than the model's output allows, and what `choose` raises.
    """
    settings = load_settings(folder.settings)
    chosen = choose(folder, settings, order.round, order.weights)
    rounds_on = parse_spec(settings.benchmark.data)
    spec = rounds_on if order.data is None else parse_spec(order.data)
    scheme = scheme_by_name(chosen.header.scheme)
    if scheme.output != "categorical" and (order.robustness or order.explain):
        raise UsageError(
            f"Robustness and explanations are of one class a sequence, and {scheme.name} has another output"
        )
    held = load_held_out(spec, scheme, "report", progress)
    benchmark = Benchmark(_not_trained_on(held.sequences, chosen.seen, spec), settings.model.trainable)
    probabilities = benchmark.probabilities(chosen.model, progress=lambda done, all_: progress("scoring", done, all_))
    scored = Scored(chosen, benchmark.sequences, probabilities)
    about: dict[str, Any] = {
        "study": settings.study.title,
        "data": _data(spec, held, scored),
        "model": _model(chosen, settings.model.trainable),
        "selection": Selection(
            how=chosen.how,
            by_scores=chosen.by_scores,
            data=str(rounds_on),
            same_data=held.one_for_both or _one_manifest(spec, rounds_on),
        ),
    }
    if scheme.output != "categorical":
        return OutputEvaluation(
            **about,
            scores=score_output(probabilities, scored.sequences),
            intervals=output_intervals(probabilities, scored.sequences),
        )
    return _of_classes(scored, order, spec, progress, about)


def _of_classes(scored: Scored, order: Order, spec: DataSpec, progress: Progress, about: dict[str, Any]) -> Evaluation:
    model, sequences, probabilities = scored.chosen.model, scored.sequences, scored.probabilities
    targets, classes, subjects = sequences.labels, sequences.scheme.classes, sequences.subjects
    return Evaluation(
        **about,
        metrics=in_full(score(probabilities, targets, classes, subjects)),
        intervals=intervals(probabilities, targets, classes, subjects),
        baselines=_baselines(sequences),
        reliability=reliability(probabilities, targets),
        traits=measure_groups(probabilities, sequences),
        robustness=_robustness(spec, scored, progress) if order.robustness else None,
        explained=explain_surest(model, sequences, probabilities, order.explain) if order.explain else None,
    )


def _robustness(spec: DataSpec, scored: Scored, progress: Progress) -> Robustness:
    stills = spec.kind in STILL_SETS
    return measure_robustness(
        scored.chosen.model, scored.sequences, scored.probabilities, stills=stills, progress=progress
    )


def _not_trained_on(sequences: Sequences, seen: frozenset[str] | None, spec: DataSpec) -> Sequences:
    fresh = [i for i, digest in enumerate(sequences.digests) if digest not in (seen or ())]
    if len(sequences) and not fresh:
        raise DataError(
            f"There is nothing in {spec} to score the model on",
            why=f"its weights were trained on all of the {len(sequences)} sequences",
            fix="Name data that the weights were not trained on",
        )
    return sequences if len(fresh) == len(sequences) else sequences.take(fresh)


def _data(spec: DataSpec, held: HeldOut, scored: Scored) -> Data:
    subjects, seen = set(scored.sequences.subjects), scored.chosen.seen
    left_out = len(held.sequences) - len(scored.sequences)
    return Data(
        spec=str(spec),
        split=held.split,
        scheme=scored.sequences.scheme.name,
        subject_disjoint=_subject_disjoint(spec, held, scored.chosen),
        sequences=len(scored.sequences),
        subjects=None if None in subjects else len(subjects),
        trained_on=None if seen is None else left_out,
    )


def _subject_disjoint(spec: DataSpec, held: HeldOut, chosen: Chosen) -> bool | None:
    """What the weights remember of people; of those before whose devices rounds were trained, nothing is known here."""
    if chosen.seen is None:
        return None
    apart = shares_nobody(chosen.seen, spec.kind, held.sequences)
    return None if apart and chosen.round else apart


def _model(chosen: Chosen, part: str) -> Model:
    return Model(
        **describe_model(chosen.model, part),
        source=chosen.source,
        round=chosen.round,
        hash=weights_hash(chosen.model.state_dict()),
        training_data=chosen.header.training_data,
    )


def _baselines(sequences: Sequences) -> Baselines:
    labels, classes = sequences.labels, sequences.scheme.classes
    per_person = per_person_baseline(labels, classes, sequences.subjects)
    return Baselines(
        majority=BaselineScores(**majority_baseline(labels, classes)),
        per_person=None if per_person is None else BaselineScores(**per_person),
    )


def _one_manifest(spec: DataSpec, other: DataSpec) -> bool:
    """Whether both are the same manifest: it is one part, and its author says which."""
    return spec.kind == other.kind == "manifest" and spec.required_path.resolve() == other.required_path.resolve()
