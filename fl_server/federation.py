"""A federation's life: from its folder's state through round after round, resumable at any point."""

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.serverapp import Grid

from fl_server.aggregation import optimiser_by_settings, rule_by_settings
from fl_server.checkpoint import Checkpoint, Checkpoints
from fl_server.clock import Clock
from fl_server.closing import Closing
from fl_server.enrolment.registry import Device
from fl_server.folder import FederationFolder
from fl_server.models.promotion import read_promoted
from fl_server.open_round import OpenRound
from fl_server.participations import Participations
from fl_server.phase import Phase
from fl_server.retention import next_round, starting_point, tidy
from fl_server.round_summary import RoundSummary, read_rounds, scores_of
from fl_server.rounds import Devices, RoundProtocol, Stopped
from fl_server.settings import Settings
from fl_server.state_machine import StateMachine
from shared_models.errors import ClockError, LedgerError, RoundError, StorageError
from shared_models.evaluation.benchmark import Benchmark
from shared_models.files import append_line
from shared_models.networks.model import EmotionModel
from shared_models.networks.weights import WeightsHeader
from shared_models.privacy.events import RoundClosed
from shared_models.privacy.ledger import GENESIS, Entry, Ledger
from shared_models.privacy.policy import Policy
from shared_models.privacy.receipts import Receipt, sign_receipt

_RETRY_SECONDS = 10.0
log = logging.getLogger(__name__)


def check_ledger_reaches(entries: Sequence[Entry], checkpoint: Checkpoint) -> None:
    """Raises LedgerError where the ledger ends before the head that `checkpoint` was written with."""
    if checkpoint.ledger_head not in {GENESIS, *(entry.hash for entry in entries)}:
        raise LedgerError(
            f"The server's ledger ends before round {checkpoint.round}",
            why="entries that its checkpoint names are missing",
            fix="Restore ledger.jsonl from a backup; no claim can be made without it",
        )


class Federation:
    """Runs rounds on a model. All state is on the disk; this object can die at any time."""

    def __init__(
        self,
        folder: FederationFolder,
        settings: Settings,
        policy: Policy,
        ledger: Ledger,
        key: Ed25519PrivateKey,
        benchmark: Benchmark,
        stop: threading.Event,
        announce: Callable[[RoundSummary], None],
        notice: Callable[[str], None],
        observe: Callable[[Phase], None],
    ) -> None:
        """announce: hears of each round; notice: of what keeps rounds from starting; observe: of changes of state"""
        self._folder, self._settings, self._policy = folder, settings, policy
        self._ledger, self._key, self._stop = ledger, key, stop
        self._announce, self._notice = announce, notice
        self._checkpoints, self._participations = Checkpoints(folder.checkpoints), Participations(ledger)
        self._machine, self._clock = StateMachine(observe), Clock(notice)
        self._protocol = RoundProtocol(
            settings.study.id, policy, settings.rounds, self._receipt_for, self._machine, stop
        )
        self._closing = Closing(
            folder,
            settings.study.id,
            policy,
            ledger,
            benchmark,
            rule_by_settings(settings.aggregation, policy),
            optimiser_by_settings(settings.aggregation),
            self._machine,
        )

    def begin(self, initial: Callable[[], tuple[EmotionModel, WeightsHeader]]) -> Checkpoint:
        """The last checkpoint, or that of round 0, made from `initial()`. A round that was cut off is finished."""
        if not self._checkpoints.rounds():
            self._closing.start(*initial())
        check_ledger_reaches(self._ledger.entries, self._last())
        self._closing.finish()
        checkpoint = self._last()
        if checkpoint.round not in {line.round for line in read_rounds(self._folder) if line.state != "failed"}:
            self._summarise_late(checkpoint)
        return checkpoint

    def run(self, grid: Grid, eligible: Callable[[], Devices], last_round: int) -> None:
        """Rounds until `last_round` has its checkpoint, or until told to stop.

        What keeps a round from going on - a full disk, a database that does not answer, a clock that jumped back - is
        waited out: the server says so and goes on when it can.
        """
        try:
            while not self._rounds(grid, eligible, last_round):
                if self._stop.wait(_RETRY_SECONDS):
                    raise Stopped
        except Stopped:
            log.info("stopped after round %d", self._last().round)
        finally:
            self._machine.enter("stopped")

    def participations(self) -> Counter[str]:
        """How often each device's update was used, by pseudonym."""
        return self._participations.count()

    def _rounds(self, grid: Grid, eligible: Callable[[], Devices], last_round: int) -> bool:
        """Whether `last_round` has its checkpoint; False where something has to be waited out."""
        try:
            self._closing.finish()
            while next_round(self._ledger.entries) <= last_round:
                self._round(grid, eligible)
                more = next_round(self._ledger.entries) <= last_round
                if more and self._stop.wait(self._settings.rounds.pause_seconds):
                    raise Stopped
        except (StorageError, ClockError, RoundError) as error:
            log.warning("paused: %s", error)
            self._notice(f"Paused: {error}")
            self._machine.enter("paused", why=str(error))
            return False
        return True

    def _round(self, grid: Grid, eligible: Callable[[], Devices]) -> None:
        """One round, or what is left of the one that was open when the server ended."""
        entries = self._ledger.entries
        model, before = self._checkpoints.load(starting_point(entries, self._checkpoints))
        round_ = next_round(entries)
        self._clock.check(self._ledger)
        opened = self._resumed(before, round_) or self._open(grid, eligible, before, round_)
        began = time.monotonic()
        outcome = self._protocol.collect(grid, model, opened, eligible)
        if len(outcome.intents) >= self._protocol.quorum:
            self._closing.close(model, before, opened, outcome)
            self._machine.enter("checkpointed")
            self._tidy()
            state: Literal["checkpointed", "failed"] = "checkpointed"
        else:
            self._closing.keep(outcome)
            self._machine.enter("failed", why="fewer updates came than a round counts with")
            state = "failed"
        self._summarise(
            state,
            opened.round,
            opened.online,
            outcome.asked,
            len(outcome.intents),
            outcome.rejected,
            time.monotonic() - began,
        )
        opened.discard()  # last: a round that failed is open until its line says so

    def _tidy(self) -> None:
        promoted, settings = read_promoted(self._folder), self._settings.checkpoints
        protected = {starting_point(self._ledger.entries, self._checkpoints)}
        if promoted is not None:
            protected.add(promoted.round)
        tidy(self._checkpoints, settings.keep_last, settings.best_by, protected)

    def _open(self, grid: Grid, eligible: Callable[[], Devices], before: Checkpoint, round_: int) -> OpenRound:
        self._machine.enter("waiting", round=round_, asked=0, accepted=0)
        online = self._protocol.wait_for_devices(grid, lambda: self._may_take_part(eligible(), round_), self._notice)
        self._machine.enter("sampling", online=len(online))
        return OpenRound.begin(
            self._folder.open_round,
            round_,
            before.model_hash,
            self._policy.hash,
            self._protocol.sample(online),
            len(online),
        )

    def _resumed(self, before: Checkpoint, round_: int) -> OpenRound | None:
        """The round that was open, where its updates can still be used; what cannot be used is put away."""
        opened = OpenRound.resume(self._folder.open_round)
        if opened is None:
            return None
        if not opened.is_of(round_, before.model_hash, self._policy.hash):
            opened.discard()
            return None
        log.info("round %d goes on with %d accepted updates", opened.round, len(opened.intents))
        return opened

    def _last(self) -> Checkpoint:
        return self._checkpoints.record(self._checkpoints.rounds()[-1])

    def _receipt_for(self, device: str) -> Receipt:
        """For the last entry of the device's ledger that a round was closed with, also where that round is void."""
        return sign_receipt(self._key, self._settings.study.id, device, self._participations.last_entry(device))

    def _may_take_part(self, devices: Devices, round_: int) -> dict[int, Device]:
        """Those with budget left, whose last round is as far back as the policy asks for."""
        return {node: device for node, device in devices.items() if self._may(device, round_)}

    def _may(self, device: Device, round_: int) -> bool:
        """What a device that this one replaces has spent is spent."""
        names, count = (device.pseudonym, *device.earlier), self._participations.count()
        lasts = [last for last in map(self._participations.last_round, names) if last is not None]
        rested = not lasts or round_ - max(lasts) >= self._policy.min_rounds_between
        return rested and sum(count[name] for name in names) < self._policy.lifetime_rounds

    def _summarise_late(self, checkpoint: Checkpoint) -> None:
        """The line of a round whose server ended before it could write it; how long that took is not known."""
        closed = [entry.body for entry in self._ledger.entries if isinstance(entry.body, RoundClosed)]
        said = next((body for body in reversed(closed) if body.round == checkpoint.round), None)
        if said is None:
            self._summarise("start", checkpoint.round, 0, 0, 0, {}, 0.0)
        else:
            asked = len(said.debits) + sum(said.rejected.values())
            self._summarise("checkpointed", said.round, asked, asked, len(said.debits), said.rejected, 0.0)

    def _summarise(
        self,
        state: Literal["start", "checkpointed", "failed"],
        round_: int,
        online: int,
        asked: int,
        accepted: int,
        rejected: dict[str, int],
        seconds: float,
    ) -> None:
        most = max(self._participations.count().values(), default=0)
        summary = RoundSummary(
            round=round_,
            state=state,
            online=online,
            asked=asked,
            accepted=accepted,
            rejected=rejected,
            **scores_of(self._last().metrics),
            epsilon=self._policy.epsilon_after(most) if most else 0.0,
            seconds=round(seconds, 2),
        )
        append_line(self._folder.rounds, json.dumps(summary.model_dump()).encode())
        self._announce(summary)
