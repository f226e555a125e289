"""How much malicious devices harm a federation under each defence, over several seeds."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl_server.aggregation import rule_by_settings
from shared_models.errors import UsageError
from shared_models.networks.describe import describe_model
from shared_models.resources import use_one_core
from simulations.attacks.arena import TARGET, Arena, Outcome, Scenario
from simulations.attacks.defences import DEFENCES, named
from simulations.attacks.free_riders import FREE_RIDERS
from simulations.attacks.malice import Attack
from simulations.attacks.poisoning import poisoning_attacks
from simulations.result import Stopwatch, versions, write_result

NOBODY = "nobody"
POISONING, FREE_RIDING = "poisoning", "free-riders"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class HarmOptions:
    """What was asked for. Names that are left empty stand for all. Seeds are `seed` and those after it."""

    scenario: Scenario
    attacks: tuple[str, ...]
    shares: tuple[float, ...]
    defences: tuple[str, ...]
    seeds: int
    seed: int


@dataclass(frozen=True)
class Cell:
    """What one attack by a share of the devices came to under one defence: in percent, one value a seed."""

    attack: str
    share: float
    defence: str
    measures: Mapping[str, tuple[float, ...]]

    def to_dict(self) -> dict[str, Any]:
        found = {name: spread(values) | {"values": list(values)} for name, values in self.measures.items()}
        return {"attack": self.attack, "share": self.share, "defence": self.defence, **found}


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean and standard deviation; None for the latter where there is one value."""
    return {
        "mean": round(statistics.fmean(values), 2),
        "sd": round(statistics.stdev(values), 2) if len(values) > 1 else None,
    }


def run_harm(kind: str, options: HarmOptions, out: Path, progress: Progress) -> dict[str, Any]:
    """Runs the attacks of `kind`, POISONING or FREE_RIDING, and writes `out/KIND.json`, see docs/attacks.md.

    Raises UsageError for names or shares that are none; DataError, ModelError or PolicyError where the options do not
    fit.
    """
    use_one_core()
    watch = Stopwatch()
    known = poisoning_attacks(options.scenario.target) if kind == POISONING else FREE_RIDERS
    attacks = {name: known[name] for name in named("attack", options.attacks, tuple(known))}
    cells = harm_cells(options, attacks, progress)
    result = {"cells": [cell.to_dict() for cell in cells], **described(options, watch)}
    out.mkdir(parents=True, exist_ok=True)
    write_result(out / f"{kind}.json", result)
    return result


def harm_cells(options: HarmOptions, attacks: Mapping[str, Attack], progress: Progress) -> list[Cell]:
    """First NOBODY, then every attack by every share, each under every defence. Raises what `run_harm` raises."""
    defences = check_harm(options)
    found: dict[tuple[str, float, str], list[dict[str, float]]] = {}
    done, total = 0, options.seeds * len(defences) * (1 + len(attacks) * len(options.shares))
    for seed in range(options.seed, options.seed + options.seeds):
        arena = Arena(options.scenario, seed)
        for defence in defences:
            alone = arena.run(DEFENCES[defence])
            found.setdefault((NOBODY, 0.0, defence), []).append(_unharmed(alone))
            for name, attack in attacks.items():
                for share in options.shares:
                    attackers = options.scenario.attackers(share)
                    outcome = arena.run(DEFENCES[defence], name, attack, attackers)
                    found.setdefault((name, share, defence), []).append(_harm(alone, outcome))
            done += 1 + len(attacks) * len(options.shares)
            progress(done, total)
    return [
        Cell(*key, {measure: tuple(row[measure] for row in rows) for measure in rows[0]}) for key, rows in found.items()
    ]


def check_harm(options: HarmOptions) -> tuple[str, ...]:
    """The names of the defences that are wanted; raises what `run_harm` raises, before anything takes long."""
    defences = named("defence", options.defences, tuple(DEFENCES))
    for share in options.shares:
        options.scenario.attackers(share)
    policy, clients = options.scenario.calibrated(), options.scenario.clients
    if clients < policy.min_survivors:
        raise UsageError(
            f"No round with {clients} clients would count",
            why=f"the policy asks for min_survivors = {policy.min_survivors}",
        )
    for name in defences:
        defence = DEFENCES[name]
        rule_by_settings(defence.aggregation(options.scenario.aggregation), defence.policy(policy))
    return defences


def described(options: HarmOptions, watch: Stopwatch) -> dict[str, Any]:
    """What every result says of the federation that was attacked, and what the attacks took since `watch` began."""
    scenario = options.scenario
    model = scenario.model(options.seed)
    return {
        "data": scenario.data,
        "model": describe_model(model, scenario.trainable) | {"initial": scenario.initial},
        "federation": {
            "clients": scenario.clients,
            "sequences_per_client": scenario.per_client,
            "rounds": scenario.rounds,
            "policy": scenario.calibrated().model_dump(mode="json"),
            "trim": scenario.aggregation.trim,
            "target": TARGET,
        },
        "cost": watch.cost(4 * sum(p.numel() for p in model.trainable(scenario.trainable).values())),
        "versions": versions(),
        "seeds": list(range(options.seed, options.seed + options.seeds)),
    }


def _unharmed(outcome: Outcome) -> dict[str, float]:
    return {
        "accuracy": 100 * outcome.accuracy,
        "macro_f1": 100 * outcome.macro_f1,
        "trigger_success": 100 * outcome.trigger,
    }


def _harm(alone: Outcome, outcome: Outcome) -> dict[str, float]:
    return {
        "accuracy_lost": 100 * (alone.accuracy - outcome.accuracy),
        "macro_f1_lost": 100 * (alone.macro_f1 - outcome.macro_f1),
        "trigger_success": 100 * outcome.trigger,
        "refused": 100 * outcome.refused,
    }
