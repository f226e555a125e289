"""How long a device's whole life takes to account, and what the other accountants say and take."""

import time
from collections.abc import Callable
from typing import TypeVar

from shared_models.privacy.accounting import Spend, epsilon_of, without_amplification
from shared_models.privacy.second_opinions import disagreement, second_opinions

_DELTA, _ROUNDS = 1e-5, 200
HISTORIES = {
    "full-batches": [Spend(11.0, 1.0, 4)] * _ROUNDS,
    "sampled": [Spend(1.1, 0.1, 20)] * _ROUNDS,
    "four-policies": [Spend(1.5 + 0.5 * (r % 4), 0.05 * (1 + r % 4), 10) for r in range(_ROUNDS)],
}
Progress = Callable[[str, int, int], None]
_Result = TypeVar("_Result")


def bench_accounting(progress: Progress) -> dict[str, list[dict[str, object]]]:
    """`{"cases": [...]}`: seconds for the epsilon of 200 rounds, for the guard before one more, for each opinion."""
    rows = []
    for number, (name, history) in enumerate(HISTORIES.items()):
        progress("accounting", number, len(HISTORIES))
        rows.append(_measure(name, history))
    progress("accounting", len(HISTORIES), len(HISTORIES))
    return {"cases": rows}


def _measure(name: str, history: list[Spend]) -> dict[str, object]:
    epsilon_of(history[:1], _DELTA)  # what is imported on first use is not accounting
    epsilon, seconds = _timed(lambda: epsilon_of(history, _DELTA))
    _, guard_seconds = _timed(lambda: epsilon_of([*history, history[0]], _DELTA))
    opinions, opinion_seconds = _timed(lambda: second_opinions(history, _DELTA))
    return {
        "name": name,
        "rounds": len(history),
        "epsilon": epsilon,
        "epsilon_without_amplification": without_amplification(history, _DELTA),
        "seconds": seconds,
        "guard_seconds": guard_seconds,
        "second_opinions": opinions,
        "second_opinions_seconds": opinion_seconds,
        "disagreement": disagreement(history, _DELTA),
    }


def _timed(work: Callable[[], _Result]) -> tuple[_Result, float]:
    began = time.perf_counter()
    result = work()
    return result, round(time.perf_counter() - began, 3)
