"""What a thousand devices cost one server: the real process, under light devices that speak the real protocol.

Devices and server share this machine, but not the bill: CPU and memory are those of the server's process. Latencies
are seen from the devices, from before a call to its answer. A check-in is a question for a task that gets none. It
falls into the burst while any device of a round still has its task to answer; idle is the pause between two rounds.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from fl_server.folder import FederationFolder
from fl_server.round_summary import read_rounds
from shared_models.errors import RoundError, UsageError
from shared_models.networks.registry import build_model
from simulations.bench.light_devices import Call, Load, Member, drive
from simulations.bench.scratch_federation import ScratchFederation
from simulations.bench.server_meter import ServerMeter
from simulations.demo.processes import Processes

BY_SIZE = (
    ("cnn-lstm", "classifier"),
    ("cnn-lstm", "head"),
    ("cnn-lstm", "all"),
    ("mobilenet-lstm", "all"),
)
"""Models and their trained parts, by the size of an update."""
_CLASSES, _MB, _MS = 7, 1_000_000, 1000
_DEADLINE_SECONDS = 600.0
_WATCH_SECONDS = 0.1
Progress = Callable[[str, int, int], None]
Span = tuple[float, float]


@dataclass(frozen=True)
class TransportOptions:
    devices: int = 1000
    cohort: int = 200
    rounds: int = 3
    update_mb: float = 1.0
    """The model is the one with the smallest update of at least so many MB."""
    poll_seconds: float = 20.0
    reply_seconds: float = 5.0
    """The policy's: from a task to its answer."""

    def check(self) -> None:
        """Raises UsageError for numbers that do not fit together."""
        if not 2 <= self.cohort <= self.devices:
            raise UsageError("The cohort does not fit", why="it is at least 2 and at most the number of devices")
        if self.rounds < 2:
            raise UsageError("Two rounds are the fewest", why="idle check-ins are counted between rounds")

    @property
    def processes(self) -> int:
        """How many drive the devices: one to 500 of them, so that the devices' own work does not count as waiting."""
        return -(-self.devices // 500)

    @property
    def pause_seconds(self) -> float:
        """Between two rounds: every device checks in about twice."""
        return 2 * self.poll_seconds


def bench_transport(options: TransportOptions, progress: Progress) -> dict[str, Any]:
    """One federation from its making to its last round; what its server spent, and how long its devices waited.

    Raises UsageError for options that do not fit together, RoundError where a round fails.
    """
    options.check()
    model, part, size = model_for(options.update_mb)
    with tempfile.TemporaryDirectory(prefix="attune-bench-") as scratch:
        root = Path(scratch)
        (root / "logs").mkdir()
        with Processes(root / "logs", {}) as processes:
            progress("starting", 0, 1)
            federation = ScratchFederation(root / "server", processes, _settings(options, model, part))
            server, members = federation.start(options.devices)
            progress("starting", 1, 1)
            with ServerMeter(server) as meter, _driving(options, members, root / "devices") as finish:
                closed = _watch(federation.folder, processes, options.rounds, progress)
                calls = finish()
    return {"model": model, "trainable": part, "update_mb": round(size, 3)} | figures(options, calls, closed, meter)


def model_for(update_mb: float) -> tuple[str, str, float]:
    """The model and trained part with the smallest update of at least `update_mb` MB, and its size in MB.

    Raises UsageError where every update is smaller.
    """
    for name, part in BY_SIZE:
        size = 4 * sum(value.numel() for value in build_model(name, _CLASSES).trainable(part).values()) / _MB
        if size >= update_mb:
            return name, part, size
    raise UsageError(f"No model has an update of {update_mb:g} MB", fix=f"Ask for at most {size:.1f}")


def figures(
    options: TransportOptions, calls: Sequence[Call], closed: Sequence[float], meter: ServerMeter
) -> dict[str, Any]:
    """What is printed. `closed`: when each round was over, by the monotonic clock."""
    answered = [call for call in calls if call.kind in ("task", "push")]
    bursts = [_span([call for call in answered if call.round == number + 1]) for number in range(len(closed))]
    pauses = [(end, end + options.pause_seconds) for end in closed[:-1]]
    checkins = [call for call in calls if call.kind == "checkin"]
    burst = [call for call in checkins if any(_within(call, span) for span in bursts)]
    idle = [call for call in checkins if any(_within(call, span) for span in pauses)]
    outside = [call for call in checkins if not any(_within(call, span) for span in bursts)]
    begun, ended = meter.began, closed[-1]
    idle_cpu = sum(meter.cpu_seconds(*span) for span in pauses)
    idle_wall = len(pauses) * options.pause_seconds
    busy = list(zip([begun, *(end for _, end in pauses)], closed, strict=True))
    return {
        "devices": options.devices,
        "cohort": options.cohort,
        "rounds": len(closed),
        "poll_seconds": options.poll_seconds,
        "checkin_p50_ms": _percentile(outside, 50),
        "checkin_p99_ms": _percentile(outside, 99),
        "checkins": len(outside),
        "burst_checkin_p50_ms": _percentile(burst, 50),
        "burst_checkin_p99_ms": _percentile(burst, 99),
        "connect_p99_ms": _percentile([call for call in calls if call.kind == "connect"], 99),
        "task_p99_ms": _percentile([call for call in calls if call.kind == "task"], 99),
        "push_p99_ms": _percentile([call for call in calls if call.kind == "push"], 99),
        "late_p99_ms": round(float(np.percentile([call.began - call.due for call in calls], 99)) * _MS, 1),
        "failed_calls": sum(call.kind == "failed" and call.began < ended for call in calls),
        "round_s": [round(until - since, 1) for since, until in busy],
        "round_cpu_s": [round(meter.cpu_seconds(*span), 1) for span in busy],
        "idle_cores": round(idle_cpu / idle_wall, 3),
        "idle_cpu_ms_per_checkin": round(idle_cpu / max(len(idle), 1) * _MS, 2),
        "cpu_s": round(meter.cpu_seconds(begun, ended), 1),
        "rss_mb": round(meter.peak_mb(begun, ended), 1),
        "start_rss_mb": round(meter.peak_mb(begun, begun), 1),
        "wall_s": round(ended - begun, 1),
    }


def _settings(options: TransportOptions, model: str, part: str) -> dict[str, object]:
    return {
        "study.id": "bench",
        "model.name": model,
        "model.trainable": part,
        "model.initial": "random",
        "policy.participations": 2 * options.rounds,  # a device may be in every round, and in one that is tried again
        "policy.reply_seconds": options.reply_seconds,
        "rounds.rounds": options.rounds + 1,  # the server is there for as long as is measured, and is then ended
        "rounds.min_devices": options.cohort,
        "rounds.cohort": options.cohort,
        "rounds.deadline_seconds": _DEADLINE_SECONDS,
        "rounds.pause_seconds": options.pause_seconds,
        "server.max_connections": 4 * options.devices,  # all come from one address, which may hold half of them
    }


@contextmanager
def _driving(options: TransportOptions, members: Sequence[Member], folder: Path) -> Iterator[Callable[[], list[Call]]]:
    """Processes that drive the devices inside the block; calling what this yields ends them and gives their calls."""
    context = get_context("spawn")
    stop, pipes = context.Event(), [context.Pipe(duplex=False) for _ in range(options.processes)]
    shares = [tuple(members[n :: options.processes]) for n in range(options.processes)]
    drivers = [
        context.Process(
            target=drive, args=(Load(share, folder, options.poll_seconds, options.poll_seconds), stop, results)
        )
        for share, (_, results) in zip(shares, pipes, strict=True)
    ]

    def finish() -> list[Call]:
        stop.set()
        return [call for calls, _ in pipes for call in calls.recv()]

    for driver in drivers:
        driver.start()
    for _, results in pipes:
        results.close()  # the driver has its own end; a driver that dies is then the end of its pipe
    try:
        yield finish
    finally:
        stop.set()
        for calls, _ in pipes:
            calls.close()  # where nobody has asked for the calls, nobody is held up by sending them
        for driver in drivers:
            driver.join()


def _watch(folder: FederationFolder, processes: Processes, rounds: int, progress: Progress) -> list[float]:
    """When each of the first rounds was closed. Raises RoundError where one fails, DemoError where the server does."""
    closed: list[float] = []
    while len(closed) < rounds:
        processes.check()
        done = [summary for summary in read_rounds(folder) if summary.state != "start"]
        if any(summary.state == "failed" for summary in done):
            raise RoundError(f"Round {done[-1].round} failed", why=f"refused: {done[-1].rejected}")
        closed += [time.monotonic()] * (len(done) - len(closed))
        progress("rounds", len(closed), rounds)
        time.sleep(_WATCH_SECONDS)
    return closed


def _span(calls: Sequence[Call]) -> Span:
    return min(call.began for call in calls), max(call.ended for call in calls)


def _within(call: Call, span: Span) -> bool:
    return span[0] <= call.began <= span[1]


def _percentile(calls: Sequence[Call], percent: int) -> float | None:
    """In milliseconds; None where there were no such calls."""
    return round(float(np.percentile([call.ended - call.began for call in calls], percent)) * _MS, 1) if calls else None
