"""Workers that measure points: the same lines as one process, and what happens when one dies."""

import os
import signal
from dataclasses import replace
from pathlib import Path

from fl_server.plan.utility import Measured
from simulations.sweep.point import Point
from simulations.sweep.pool import Measurer, _Pending, measure_all


class Deadly(Point):
    """A point that kills the process that takes it from the pipe, once where `settings` names a file, else always."""

    def __reduce__(self):
        return _kill, (self.options, self.algorithm, self.settings)


def _kill(options, algorithm, settings):
    if not settings or not Path(settings).exists():
        if settings:
            Path(settings).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return Point(options, algorithm, settings)


def measured(points, workers=1):
    outcomes = {}
    measure_all(points, workers, lambda point, outcome: outcomes.update({point.key: outcome}))
    return [outcomes[point.key] for point in points]


def without_time(row: Measured) -> Measured:
    return row.model_copy(update={"cpu_s": 0.0})


def test_a_killed_worker_s_point_is_measured_again_and_one_that_kills_twice_is_given_up(small, tmp_path) -> None:
    [point] = small(epsilon=[8.0]).points()
    once, always = Deadly(point.options, "fedavg", str(tmp_path / "killed")), Deadly(point.options, "fedavg", "")
    revived, lost = measured([once, always])
    alone = Measurer({point.group: None})(replace(point, settings=once.settings))
    assert without_time(revived) == without_time(alone)
    assert lost == "its worker died 2 times, with exit code -9; -9 often means that memory ran out"


def test_a_worker_stays_with_its_population_and_an_idle_one_helps_where_most_is_left(small) -> None:
    points = small(seed=[0, 1], epsilon=[1.0, 2.0, 4.0]).points()
    pending = _Pending(points)
    first = pending.next("")
    second = pending.next("")
    assert first.group != second.group
    assert [pending.next(first.group).group for _ in range(2)] == [first.group] * 2
    assert pending.next(first.group).group == second.group
    pending.next(second.group)
    assert pending.next("") is None
