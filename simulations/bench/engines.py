"""What the engines cost beside a plain loop that does only their arithmetic: CPU time and memory, in one run.

100 clients of 20 sequences, 10 a round, 10 rounds, and one pass over a client's sequences each time, through all of
the CNN-LSTM. Every case is a process of its own, start and imports included; `process_tree` says what is counted.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

from shared_models.errors import RoundError, UsageError

CASES = ("floor", "local", "flower")
SEQUENCES = 20
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Size:
    """How much is trained: clients, those of a round, rounds."""

    clients: int = 100
    cohort: int = 10
    rounds: int = 10


def bench_engines(progress: Progress, size: Size = Size()) -> dict[str, float]:
    """`{"floor_cpu_s", "floor_rss_mb", "local_cpu_s", ...}` for SGD, and the same with `private_` before each.

    Raises UsageError where the cohort is larger than the population, or the system has no /proc, RoundError where a
    case does not end well.
    """
    if size.cohort > size.clients:
        raise UsageError(f"A cohort of {size.cohort} is larger than the population of {size.clients}")
    if sys.platform != "linux":
        raise UsageError("This benchmark reads /proc, which only Linux has")
    policies = _policies(size)
    cases = [(prefix, case) for prefix in policies for case in CASES]
    figures: dict[str, float] = {}
    for number, (prefix, case) in enumerate(cases):
        progress("measuring", number, len(cases))
        measured = _measure(case, size, policies[prefix])
        figures |= {f"{prefix}{case}_{name}": value for name, value in measured.items()}
    progress("measuring", len(cases), len(cases))
    return figures


def _policies(size: Size) -> dict[str, str]:
    """As JSON, by the prefix of its figures. The noise is calibrated here, before anything is measured."""
    from fl_server.settings import PolicySettings

    settings = PolicySettings(
        participations=size.rounds, steps=1, denominator=SEQUENCES, max_sequences=SEQUENCES, learning_rate=0.1,
        reply_seconds=0,
    )  # fmt: skip
    policy = settings.calibrated("cnn-lstm", "basic-7", "all")
    return {"": policy.without_noise().model_dump_json(), "private_": policy.model_dump_json()}


def _measure(case: str, size: Size, policy: str) -> dict[str, float]:
    run = [sys.executable, "-m", "simulations.bench.engine_cases", case, json.dumps(asdict(size)), policy]
    measured = subprocess.run(
        [sys.executable, "-m", "simulations.bench.process_tree", *run], capture_output=True, text=True
    )
    if measured.returncode:
        raise RoundError(f"The case {case} could not be measured", why=measured.stderr.strip()[-500:])
    figures: dict[str, float] = json.loads(measured.stdout)
    return figures
