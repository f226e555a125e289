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
from tests.kills.stores import Stores
from tests.kills.world import DELETION, MOST_SEQUENCES, SERVER, Violation, World

_PATIENCE_SECONDS = 15.0
_LONGEST_DELAY_SECONDS = 2.0
_A_MOMENT_SECONDS = 0.05
_SERVER_WEIGHT, _AT_RANDOM = 4, 0.25
_SAME_AGAIN, _DELETION_DIES = 0.5, 0.7
_FIRST_ROUNDS, _LAST_ROUNDS, _LAST_SECONDS = 2, 2, 90.0
DEVICE = "device"


@dataclass
class Tally:
    """What a walk did, by the place of each kill."""

    kills: Counter[str] = field(default_factory=Counter)
    places: set[str] = field(default_factory=set)
    """All that there are: every commit point that was ever passed."""
    rounds: int = 0
    accepted: int = 0
    checks: int = 0
    deletions: int = 0
    """That came to their end, after each of which a copy from before it was tried with the keys that were left."""

    def __iadd__(self, other: "Tally") -> "Tally":
        self.kills += other.kills
        self.places |= other.places
        self.rounds, self.accepted = self.rounds + other.rounds, self.accepted + other.accepted
        self.checks, self.deletions = self.checks + other.checks, self.deletions + other.deletions
        return self


class Walk:
    """One world from its enrolment to its last round. The same seed makes the same choices."""

    def __init__(self, world: World, seed: int, chosen: Counter[str], tell: Callable[[str], None]) -> None:
        """chosen: how often each place was chosen in earlier walks, so that all places get their turn

        Where rounds wait for every device, or devices have cameras, only devices are killed.
        """
        self._world, self._chance, self._chosen, self._tell = world, random.Random(seed), chosen, tell
        self._victims = [SERVER] * (0 if world.waits or world.cameras else _SERVER_WEIGHT) + list(world.homes)
        self._stores = Stores(world) if world.cameras else None
        self.tally = Tally()

    def run(self, kills: int) -> None:
        """Raises Violation where an invariant does not hold or a process ends by itself."""
        world = self._world
        world.enrol()
        invariants = Invariants(world)
        self._wait_for_rounds()
        dead = None
        for _ in range(kills):
            victim, point = self._choose(dead, max(_FIRST_ROUNDS, invariants.round))
            if point is not None:
                world.dooms[victim].set(point, passes=self._chance.choice((0, 0, 0, 1)))
            if dead is not None:
                self._bring_back(dead, victim)
            place = self._kill(victim, point)
            self.tally.kills[place] += 1
            self._check(invariants, victim)
            self._tell(f"{place}; round {invariants.round}")
            world.dooms[victim].clear()
            if self._stores is not None:
                self._stores.check(victim)
                self._delete_beside(self._stores, self._chance.choice([name for name in world.homes if name != victim]))
                self._stores.check_files()
            dead = victim
        self._finish(invariants, dead)

    def _choose(self, dead: str | None, round_: int) -> tuple[str, Point | None]:
        """Who dies next and where: at a commit point that was chosen least often, or, for None, anywhere.

        Points that are passed in few rounds, such as those of a start, are for a process that is about to start.
        """
        victim = self._chance.choice(self._victims)
        if self._stores is not None and dead is not None and self._chance.random() < _SAME_AGAIN:
            victim = dead  # what a camera brings is stored soon after a start
        if self._chance.random() < _AT_RANDOM:
            return victim, None
        passed = self._points(_kind(victim))
        known = sorted(point for point, times in passed.items() if victim == dead or times >= round_)
        if not known:
            return victim, None
        least = min(self._chosen[_place(victim, point)] for point in known)
        return victim, self._chance.choice([p for p in known if self._chosen[_place(victim, p)] == least])

    def _bring_back(self, dead: str, victim: str) -> None:
        """Starts `dead` again; where it is the next victim too, it may not even come up."""
        self._world.start(dead)
        if dead == SERVER != victim and not self._world.wait_until_up():
            raise Violation(f"the server did not come back:\n{self._last_words(SERVER)}")

    def _kill(self, victim: str, point: Point | None) -> str:
        """Where it died, in words."""
        process, doom = self._world.process(victim), self._world.dooms[victim]
        if point is None:
            time.sleep(self._chance.uniform(0, _LONGEST_DELAY_SECONDS))
        else:
            self._chosen[_place(victim, point)] += 1
            process.wait(_PATIENCE_SECONDS)
        reached = point is not None and doom.reached
        if not reached or process.code == -signal.SIGKILL:
            process.kill()
        for name in self._world.names:
            if self._world.process(name).ended() and (name != victim or process.code != -signal.SIGKILL):
                raise Violation(f"{name} ended by itself:\n{self._last_words(name)}")
        return _place(victim, point if reached else None)

    def _delete_beside(self, stores: Stores, name: str) -> None:
        """Deletes from a device that runs; the command may be killed too."""
        world, doom = self._world, self._world.dooms[DELETION]
        deletion = stores.to_delete(name, self._chance.randint(1, MOST_SEQUENCES // 2))
        if deletion is None:
            return
        known = sorted(self._points(DELETION))
        point = self._chance.choice(known) if known and self._chance.random() < _DELETION_DIES else None
        if point is not None:
            doom.set(point, passes=0)
        process = world.delete(name, deletion.ids)
        if not process.wait(_LAST_SECONDS) or not (doom.reached or process.code == 0):
            raise Violation(f"a deletion did not come to its end:\n{self._last_words(DELETION)}")
        if doom.reached:
            place = _place(DELETION, point)
            self.tally.kills[place] += 1
            self._tell(place)
        else:
            deletion.done = True
            stores.check_copy(name, deletion)
            self.tally.deletions += 1
        doom.clear()

    def _check(self, invariants: Invariants, dead: str) -> None:
        """With the server standing still, so that its files are of one moment; not inside a transaction, though."""
        server = self._world.process(SERVER)
        server.signal(signal.SIGSTOP)
        while self._world.registry_is_locked():
            server.signal(signal.SIGCONT)
            time.sleep(_A_MOMENT_SECONDS)
            server.signal(signal.SIGSTOP)
        try:
            invariants.check(dead)
        finally:
            server.signal(signal.SIGCONT)

    def _wait_for_rounds(self) -> None:
        """After these it is known which points are passed in every round, and which at a start only."""
        ledger = self._world.folder.ledger
        if not until(lambda: ledger.exists() and ledger.read_bytes().count(b"\n") >= _FIRST_ROUNDS, _LAST_SECONDS):
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
        self.tally.places = {_place(kind, point) for kind in (SERVER, DEVICE, DELETION) for point in self._points(kind)}
        self.tally.rounds, self.tally.accepted = invariants.round, invariants.accepted
        self.tally.checks = invariants.checks

    def _points(self, kind: str) -> Counter[Point]:
        """How often processes of this kind have passed each commit point."""
        names = [name for name in (*self._world.names, DELETION) if _kind(name) == kind]
        return sum((read_trace(self._world.trace(name)) for name in names), Counter[Point]())

    def _last_words(self, name: str) -> str:
        errors = (path.read_text() for path in self._world.root.glob("state/attune/*.log"))
        return "\n".join([self._world.output(name).read_text(), *errors])[-4000:]


def _kind(name: str) -> str:
    return name if name in (SERVER, DELETION) else DEVICE


def _place(name: str, point: Point | None) -> str:
    """Where somebody dies, in words."""
    return f"{_kind(name)} {point or 'at random'}"
