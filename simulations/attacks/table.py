"""`fl-sim attack table`: every attack, small, under every defence: one table of harm."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from shared_models.data.sources import parse_spec
from shared_models.errors import UsageError
from shared_models.files import atomic_write
from shared_models.privacy.noise import NoiseSource
from shared_models.resources import use_one_core
from simulations.attacks.defences import DEFENCES
from simulations.attacks.free_riders import FREE_RIDERS
from simulations.attacks.harm import Cell, HarmOptions, described, harm_cells
from simulations.attacks.inversion import overheard_gradient
from simulations.attacks.layout import INVERSION, MEMBERSHIP, as_csv, as_markdown
from simulations.attacks.poisoning import poisoning_attacks
from simulations.attacks.pool import MEMORISING, MembershipOptions, Pool
from simulations.attacks.reconstruction import label_of
from simulations.attacks.roc import auc
from simulations.populations import Plan, populate
from simulations.result import Stopwatch, write_result

_MEMBERS, _SEQUENCES, _MODELS, _VICTIMS = 3, 8, 8, 20
_OWN = {"min_survivors": 2, "colluders": 1, "lifetime_steps": None, "noise_multiplier": None}
"""Policy entries of the small federation in which membership is sought: others might not fit its people and steps."""
Progress = Callable[[str, int, int], None]


def run_table(options: HarmOptions, out: Path, progress: Progress) -> dict[str, Any]:
    """Runs everything and writes `out/table.json`, `.csv` and `.md`, see docs/attacks.md; returns the first.

    The attacks and defences of `options` are not looked at: all are run. Raises UsageError for a unit other than the
    sequence; otherwise what `run_harm` raises.
    """
    if options.scenario.policy.unit != "sequence":
        raise UsageError(
            "The table is about the unit `sequence` only",
            why="robust rules void the claim of the unit `participant`",
            fix="Use `fl-sim attack poisoning --defence ...` for other units",
        )
    use_one_core()
    watch = Stopwatch()
    attacks = poisoning_attacks(options.scenario.target) | FREE_RIDERS
    cells = [
        *harm_cells(options, attacks, partial(progress, "poisoning and free riders")),
        *_per_seed(MEMBERSHIP, _membership_aucs, options, partial(progress, MEMBERSHIP)),
        *_per_seed(INVERSION, _labels_found, options, partial(progress, INVERSION)),
    ]
    result = {"cells": [cell.to_dict() for cell in cells], **described(options, watch)}
    out.mkdir(parents=True, exist_ok=True)
    write_result(out / "table.json", result)
    atomic_write(out / "table.csv", as_csv(result["cells"]).encode(), 0o644)
    atomic_write(out / "table.md", as_markdown(result["cells"]).encode(), 0o644)
    return result


def _per_seed(
    attack: str,
    measure: Callable[[HarmOptions, int], tuple[str, dict[str, float]]],
    options: HarmOptions,
    progress: Callable[[int, int], None],
) -> list[Cell]:
    """Cells of an attack without attackers among the devices, from what `measure` finds for each seed and defence."""
    found: dict[str, list[float]] = {name: [] for name in DEFENCES}
    for done, seed in enumerate(range(options.seed, options.seed + options.seeds), start=1):
        name, by_defence = measure(options, seed)
        for defence, value in by_defence.items():
            found[defence].append(100 * value)
        progress(done, options.seeds)
    return [Cell(attack, 0.0, defence, {name: tuple(values)}) for defence, values in found.items()]


def _membership_aucs(options: HarmOptions, seed: int) -> tuple[str, dict[str, float]]:
    """By defence: the area under the curve of the attack on a small federation that memorises; half is chance."""
    scenario = options.scenario
    small = MembershipOptions(
        data=scenario.data,
        people=_MEMBERS,
        per_person=_SEQUENCES,
        models=_MODELS,
        pools=1,
        rounds=scenario.rounds,
        epsilons=(scenario.policy.epsilon,),
        policy=scenario.policy.model_copy(update=_OWN | MEMORISING),
        trainable=scenario.trainable,
        initial=scenario.initial,
        seed=seed,
    )
    pool, policy = Pool(small, seed), small.calibrated(scenario.policy.epsilon)
    found: dict[tuple[bool, str], float] = {}
    for defence in DEFENCES.values():  # honest updates are within the norm bound, which changes nothing
        if (defence.noise, defence.rule) not in found:
            rule = defence.aggregation(scenario.aggregation)
            scores = pool.scores(defence.policy(policy), aggregation=rule)
            found[defence.noise, defence.rule] = auc(scores.ravel(), pool.included.ravel())
    return "auc", {name: found[defence.noise, defence.rule] for name, defence in DEFENCES.items()}


def _labels_found(options: HarmOptions, seed: int) -> tuple[str, dict[str, float]]:
    """By defence: of how many devices with one sequence a curious server reads the label from one upload.

    It sees uploads before it checks or combines them: of all defences only the noise is in its way.
    """
    scenario = options.scenario
    one_step = scenario.policy.model_copy(update={"steps": 1, "lifetime_steps": None})
    policy = replace(scenario, policy=one_step).calibrated()
    plan = Plan(str(_VICTIMS), len(scenario.scheme.classes), alpha=1.0, holdout=0.2, seed=seed)
    people = populate(parse_spec(scenario.data), scenario.scheme, plan).clients
    victims = [client.take([number % len(client)]) for number, client in enumerate(people)]
    model, shares = scenario.model(seed), dict[bool, float]()
    for noised, chosen in ((False, policy.without_noise()), (True, policy)):
        found = []
        for number, victim in enumerate(victims):
            gradient = overheard_gradient(model, chosen, victim, NoiseSource.from_seed(seed, number))
            found.append(int(label_of(gradient)) == int(victim.labels[0]))
        shares[noised] = float(np.mean(found))
    return "labels_found", {name: shares[defence.noise] for name, defence in DEFENCES.items()}
