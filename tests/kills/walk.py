"""A seeded walk through kills: who dies next, where, and what is checked when it is dead and when it is back."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.kills.invariants import Invariants
from tests.kills.probe import Point, read_trace
from tests.kills.processes import until
from tests.kills.world import SERVER, Violation, World

_PATIENCE_SECONDS = 8.0
_LONGEST_DELAY_SECONDS = 2.0
_SERVER_WEIGHT, _AT_RANDOM = 4, 0.25
_LAST_ROUNDS, _LAST_SECONDS = 2, 90.0
KINDS = ("server", "device")


@dataclass
class Tally:
    """What a walk did, by the place of each kill."""

    kills: Counter[str] = field(default_factory=Counter)
    points: dict[str, set[Point]] = field(default_factory=dict)
    rounds: int = 0
    accepted: int = 0
    checks: int = 0

    def __iadd__(self, other: "Tally") -> "Tally":
        self.kills += other.kills
        for kind, points in other.points.items():
            self.points.setdefault(kind, set()).update(points)
        self.rounds, self.accepted = self.rounds + other.rounds, self.accepted + other.accepted
        self.checks += other.checks
        return self


class Walk:
    """One world from its enrolment to its last round. The same seed makes the same choices."""

    def __init__(self, world: World, seed: int, tried: Counter[str], tell: Callable[[str], None]) -> None:
        """tried: how often each place was chosen in earlier walks, so that all places get their turn"""
        self._world, self._chance, self._tried, self._tell = world, random.Random(seed), tried, tell
        self.tally = Tally()

    def run(self, kills: int) -> None:
        """Raises Violation where an invariant does not hold or a process ends by itself."""
        world = self._world
        world.enrol()
        invariants = Invariants(world)
        self._wait_for_a_round()
        dead = None
        for number in range(1, kills + 1):
            victim, point = self._choose()
            if point is not None:
                world.dooms[victim].set(point, passes=self._chance.choice((0, 0, 0, 1)))
            if dead is not None:
                self._bring_back(dead, victim)
            place = self._kill(victim, point)
            self.tally.kills[place] += 1
            self._check(invariants, victim)
            self._tell(f"{number:3d} {place}; round {invariants.round}")
            world.dooms[victim].clear()
            dead = victim
        self._finish(invariants, dead)

    def _choose(self) -> tuple[str, Point | None]:
        """Who dies next and where: at the commit point that was chosen least often, or, for None, anywhere."""
        victim = self._chance.choice([SERVER] * _SERVER_WEIGHT + list(self._world.homes))
        if self._chance.random() < _AT_RANDOM:
            return victim, None
        kind = _kind(victim)
        known = sorted(self._points(kind))
        least = min(self._tried[f"{kind}: {point}"] for point in known)
        return victim, self._chance.choice([p for p in known if self._tried[f"{kind}: {p}"] == least])

    def _bring_back(self, dead: str, victim: str) -> None:
        """Starts `dead` again; where it is the next victim too, it may not even come up."""
        self._world.start(dead)
        if dead == SERVER != victim and not self._world.wait_until_up():
            raise Violation(f"the server did not come back:\n{self._last_words(SERVER)}")

    def _kill(self, victim: str, point: Point | None) -> str:
        """Where it died, in words."""
        process, doom, kind = self._world.process(victim), self._world.dooms[victim], _kind(victim)
        if point is None:
            time.sleep(self._chance.uniform(0, _LONGEST_DELAY_SECONDS))
        else:
            self._tried[f"{kind}: {point}"] += 1
            process.wait(_PATIENCE_SECONDS)
        reached = point is not None and doom.reached
        if not reached or process.code == -signal.SIGKILL:
            process.kill()
        for name in self._world.names:
            if self._world.process(name).ended() and (name != victim or process.code != -signal.SIGKILL):
                raise Violation(f"{name} ended by itself:\n{self._last_words(name)}")
        return f"{kind}: {point if reached else 'at random'}"

    def _check(self, invariants: Invariants, dead: str) -> None:
        """With the server standing still, so that its files are of one moment."""
        server = self._world.process(SERVER)
        server.signal(signal.SIGSTOP)
        try:
            invariants.check(dead)
        finally:
            server.signal(signal.SIGCONT)

    def _wait_for_a_round(self) -> None:
        ledger = self._world.folder.ledger
        if not until(ledger.exists, _LAST_SECONDS):
            raise Violation(f"no round was closed:\n{self._last_words(SERVER)}")

    def _finish(self, invariants: Invariants, dead: str | None) -> None:
        """A run to completion, as an operator would end a study, and its report."""
        world = self._world
        if dead is not None and dead != SERVER:
            world.start(dead)
        world.process(SERVER).kill()
        server = world.start(SERVER, rounds=invariants.round + _LAST_ROUNDS)
        if not server.wait(_LAST_SECONDS) or server.code != 0:
            raise Violation(f"the server did not come to its last round:\n{self._last_words(SERVER)}")
        world.end()
        for name in world.names:
            invariants.check(name)
        world.verify()
        self.tally.points = {kind: self._points(kind) for kind in KINDS}
        self.tally.rounds, self.tally.accepted = invariants.round, invariants.accepted
        self.tally.checks = invariants.checks

    def _points(self, kind: str) -> set[Point]:
        """Every commit point that a process of this kind has passed."""
        names = [name for name in self._world.names if _kind(name) == kind]
        return set().union(*(read_trace(self._world.trace(name)) for name in names))

    def _last_words(self, name: str) -> str:
        return self._world.output(name).read_text()[-2000:]


def _kind(name: str) -> str:
    return "server" if name == SERVER else "device"
