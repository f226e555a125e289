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

from fl_server.checkpoint import Checkpoint, Checkpoints
from fl_server.enrolment.registry import Device
from fl_server.folder import FederationFolder
from fl_server.round_summary import RoundSummary, scores_of
from fl_server.rounds import Outcome, RoundProtocol, Stopped
from fl_server.settings import Settings
from shared_models.canonical import canonical
from shared_models.errors import LedgerError
from shared_models.evaluation.benchmark import Benchmark
from shared_models.files import append_line
from shared_models.networks.model import EmotionModel
from shared_models.networks.weights import WeightsHeader, weights_hash
from shared_models.privacy.events import RoundClosed, RoundVoid
from shared_models.privacy.ledger import GENESIS, Entry, Ledger
from shared_models.privacy.policy import Policy
from shared_models.privacy.receipts import Receipt, sign_receipt

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
    """Runs rounds on a model. All state is in the ledger and the checkpoints; this object can die at any time."""

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
    ) -> None:
        self._folder, self._settings, self._policy = folder, settings, policy
        self._ledger, self._key, self._benchmark = ledger, key, benchmark
        self._stop, self._announce, self._notice = stop, announce, notice
        self._checkpoints = Checkpoints(folder.checkpoints)
        self._protocol = RoundProtocol(settings.study.id, policy, settings.rounds, self._receipt_for, stop)

    def begin(self, initial: Callable[[], tuple[EmotionModel, WeightsHeader]]) -> Checkpoint:
        """The last checkpoint, or that of round 0, made from `initial()`.

        A round that is in the ledger and has no checkpoint was cut off: it is declared void, its debits stand.
        """
        rounds = self._checkpoints.rounds()
        if not rounds:
            model, header = initial()
            checkpoint = self._checkpoint(0, model, header)
            self._summarise("start", 0, 0, None, checkpoint, 0.0)
            rounds = [0]
        checkpoint = self._checkpoints.record(rounds[-1])
        check_ledger_reaches(self._ledger.entries, checkpoint)
        for cut_off in self._rounds_in_ledger() - set(rounds):
            log.warning("round %d was cut off before its checkpoint and is void", cut_off)
            self._ledger.append(RoundVoid(round=cut_off))
        return checkpoint

    def run(self, grid: Grid, eligible: Callable[[], dict[int, Device]], last_round: int) -> None:
        """Rounds until `last_round` has its checkpoint, or until told to stop."""
        model, checkpoint = self._checkpoints.load(self._checkpoints.rounds()[-1])
        try:
            while checkpoint.round < last_round:
                online = self._protocol.wait_for_devices(grid, lambda: self._may_take_part(eligible()), self._notice)
                began = time.monotonic()
                outcome = self._protocol.collect(grid, model, checkpoint.round + 1, self._protocol.sample(online))
                closed = self._close(model, checkpoint, outcome)
                state: Literal["checkpointed", "failed"] = "checkpointed" if closed else "failed"
                checkpoint = closed or checkpoint
                round_ = checkpoint.round if closed else checkpoint.round + 1
                self._summarise(state, round_, len(online), outcome, checkpoint, time.monotonic() - began)
                if checkpoint.round < last_round and self._stop.wait(self._settings.rounds.pause_seconds):
                    raise Stopped
        except Stopped:
            log.info("stopped after round %d", checkpoint.round)

    def participations(self) -> Counter[str]:
        """How often each device's update was used, by pseudonym."""
        return Counter(device for round_ in self._closed() for device in round_.debits)

    def _closed(self) -> list[RoundClosed]:
        return [entry.body for entry in self._ledger.entries if isinstance(entry.body, RoundClosed)]

    def _receipt_for(self, device: str) -> Receipt:
        """The last entry of the device's ledger that a round was closed with, also where that round is void."""
        used = [round_.debits[device] for round_ in self._closed() if device in round_.debits]
        return sign_receipt(self._key, self._settings.study.id, device, used[-1] if used else "")

    def _close(self, model: EmotionModel, before: Checkpoint, outcome: Outcome) -> Checkpoint | None:
        """Steps, records and checkpoints; None where too few updates came.

        What devices signed is kept also then: an auditor finds every debit that the server has seen.
        """
        for intent in outcome.intents.values():
            append_line(self._folder.intents, canonical(intent.model_dump(mode="json")))
        if outcome.mean.count < self._protocol.quorum:
            return None
        model.add(outcome.mean.result())
        round_ = before.round + 1
        self._ledger.append(
            RoundClosed(
                study=self._settings.study.id,
                round=round_,
                policy_hash=self._policy.hash,
                model_before=before.model_hash,
                model_after=weights_hash(model.state_dict()),
                debits=outcome.debits,
                rejected=outcome.rejected,
            )
        )
        return self._checkpoint(round_, model, before.header)

    def _checkpoint(self, round_: int, model: EmotionModel, header: WeightsHeader) -> Checkpoint:
        metrics = self._benchmark.score(model).to_dict()
        return self._checkpoints.save(round_, model, header, metrics, self._ledger.head)

    def _may_take_part(self, devices: dict[int, Device]) -> dict[int, Device]:
        """Those with budget left, whose last round is as far back as the policy asks for."""
        spent, policy = self.participations(), self._policy
        latest = {device: round_.round for round_ in self._closed() for device in round_.debits}
        next_round = self._checkpoints.rounds()[-1] + 1
        return {
            node: device
            for node, device in devices.items()
            if spent[device.pseudonym] < policy.lifetime_rounds
            and next_round - latest.get(device.pseudonym, -policy.min_rounds_between) >= policy.min_rounds_between
        }

    def _rounds_in_ledger(self) -> set[int]:
        """Rounds that the ledger has as closed and not as void afterwards."""
        rounds: set[int] = set()
        for entry in self._ledger.entries:
            if isinstance(entry.body, RoundClosed):
                rounds.add(entry.body.round)
            elif isinstance(entry.body, RoundVoid):
                rounds.discard(entry.body.round)
        return rounds

    def _summarise(
        self,
        state: Literal["start", "checkpointed", "failed"],
        round_: int,
        online: int,
        outcome: Outcome | None,
        checkpoint: Checkpoint,
        seconds: float,
    ) -> None:
        most = max(self.participations().values(), default=0)
        summary = RoundSummary(
            round=round_,
            state=state,
            online=online,
            asked=outcome.asked if outcome else 0,
            accepted=len(outcome.intents) if outcome else 0,
            rejected=outcome.rejected if outcome else {},
            **scores_of(checkpoint.metrics),
            epsilon=self._policy.epsilon_after(most) if most else 0.0,
            seconds=round(seconds, 2),
        )
        append_line(self._folder.rounds, json.dumps(summary.model_dump()).encode())
        self._announce(summary)
