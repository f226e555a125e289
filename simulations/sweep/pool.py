"""Worker processes that measure points, one PyTorch thread each. A worker keeps what its points share.

A worker that dies is started again and its point is tried once more; if that fails too, the point is given up and the
others go on.
"""

import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from torch.multiprocessing import get_context

from fl_server.plan.utility import Measured
from shared_models.errors import AttuneError
from shared_models.resources import use_one_core
from simulations.sweep.point import Ground, Point

Outcome = Measured | str
"""A line of the table, or why there is none."""
Done = Callable[[Point, Outcome], None]
_LIVES = 2
_spawn = get_context("spawn")


def measure_all(points: Sequence[Point], workers: int, done: Done) -> None:
    """Calls `done` with each point as it is finished, in any order; its processes end with the call."""
    pending = _Pending(points)
    crew = [_Worker(pending.most) for _ in range(min(workers, len(points)))]
    try:
        for worker in crew:
            worker.begin(pending)
        while busy := [worker for worker in crew if worker.point]:
            ready = wait([worker.pipe for worker in busy])
            for worker in busy:
                if worker.pipe in ready:
                    worker.finish(pending, done)
    finally:
        for worker in crew:
            worker.close()


class _Pending:
    """Points that no worker has taken yet. A worker stays with the group whose population it has."""

    def __init__(self, points: Sequence[Point]) -> None:
        self._groups: dict[str, list[Point]] = {}
        for point in points:
            self._groups.setdefault(point.group, []).append(point)
        self._untouched = set(self._groups)
        self.most = {name: _most(group) for name, group in self._groups.items()}
        """By group, the most clients that a point has, where they are rendered."""

    def next(self, group: str) -> Point | None:
        """A point of `group`, or of one that nobody has begun, or of the one with the most left."""
        left = [name for name, points in self._groups.items() if points]
        if not left:
            return None
        if group not in left:
            group = max(left, key=lambda name: (name in self._untouched, len(self._groups[name])))
        self._untouched.discard(group)
        return self._groups[group].pop(0)


@dataclass
class _Worker:
    """One process, seen from the sweep. It has one point at a time."""

    most: dict[str, int | None]
    point: Point | None = None
    _group: str = ""
    _lives: int = _LIVES

    def __post_init__(self) -> None:
        self.pipe, self._process = _start(self.most)

    def begin(self, pending: _Pending) -> None:
        self.point, self._lives = pending.next(self._group), _LIVES
        if self.point:
            self._group = self.point.group
            self._send(self.point)

    def finish(self, pending: _Pending, done: Done) -> None:
        """Takes what the process says, or sees that it has died, and gives it something to do."""
        if self.point is None:
            return
        try:
            outcome: Outcome = self.pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            self.close()
            self._lives -= 1
            if self._lives:
                self._send(self.point)
                return
            outcome = f"its worker died {_LIVES} times, with exit code {code}; -9 often means that memory ran out"
        done(self.point, outcome)
        self.begin(pending)

    def close(self) -> None:
        self.pipe.close()
        self._process.kill()  # if it has not died: it has nothing to tidy up
        self._process.join()

    def _send(self, point: Point) -> None:
        if not self._process.is_alive():
            self.pipe, self._process = _start(self.most)
        with suppress(OSError):  # `finish` finds out
            self.pipe.send(point)


def _start(most: dict[str, int | None]) -> tuple[Connection, BaseProcess]:
    """A process that measures what comes through the pipe."""
    ours, theirs = _spawn.Pipe()
    process = _spawn.Process(target=_work, args=(theirs, most), daemon=True)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # which it inherits: the sweep decides when to end
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, before)
    theirs.close()
    return ours, process


def _work(pipe: Connection, most: dict[str, int | None]) -> None:
    """A worker's life: until the sweep's end of `pipe` is closed."""
    use_one_core()
    measure = Measurer(most)
    with suppress(EOFError, OSError):
        while True:
            pipe.send(measure(pipe.recv()))


class Measurer:
    """Measures points, and keeps the ground of the last one's group."""

    def __init__(self, most: dict[str, int | None]) -> None:
        self._most, self._group = most, ""

    def __call__(self, point: Point) -> Outcome:
        try:
            if point.group != self._group:
                self._ground, self._group = Ground(point, self._most[point.group]), point.group
            return self._ground.measure(point)
        except AttuneError as error:
            return str(error)
        except Exception as error:  # the other points go on
            return f"{type(error).__name__}: {error}"


def _most(group: Sequence[Point]) -> int | None:
    if group[0].options.data != "synthetic":
        return None
    return max(point.options.plan.count for point in group)
