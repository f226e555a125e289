"""How a round comes to count: combine, step, draft, ledger, score, checkpoint, in this order.

Each step is on the disk before the next begins, so that a server which is killed between any two of them finishes the
round at its next start, or finds it open still. The ledger entry decides which.
"""

import logging
from collections.abc import Mapping
from functools import cached_property

from fl_server.aggregation import Rule, ServerOptimiser
from fl_server.checkpoint import Checkpoint, Checkpoints
from fl_server.folder import FederationFolder
from fl_server.open_round import OpenRound
from fl_server.rounds import Outcome
from fl_server.state_machine import StateMachine
from fl_server.verify.lineage import Lineage
from fl_server.verify.lines import complete_lines, entries_of
from shared_models.canonical import canonical
from shared_models.evaluation.benchmark import Benchmark
from shared_models.files import append_line
from shared_models.networks.model import EmotionModel
from shared_models.networks.weights import WeightsHeader, weights_hash
from shared_models.privacy.events import RoundClosed, RoundVoid
from shared_models.privacy.ledger import Ledger
from shared_models.privacy.policy import Policy
from shared_models.resources import give_freed_memory_back, keep_freed_memory
from shared_models.wire import shapes_of

log = logging.getLogger(__name__)


class Closing:
    """Makes rounds count, for one study under one policy."""

    def __init__(
        self,
        folder: FederationFolder,
        study: str,
        policy: Policy,
        ledger: Ledger,
        benchmark: Benchmark,
        rule: Rule,
        optimiser: ServerOptimiser,
        machine: StateMachine,
    ) -> None:
        self._folder, self._study, self._policy = folder, study, policy
        self._ledger, self._benchmark, self._machine = ledger, benchmark, machine
        self._rule, self._optimiser = rule, optimiser
        self._checkpoints = Checkpoints(folder.checkpoints)

    def start(self, model: EmotionModel, header: WeightsHeader) -> Checkpoint:
        """The checkpoint of round 0: the model that the federation starts from."""
        self._checkpoints.draft(0, model, header, {})
        return self._commit(0, model, header)

    def close(self, model: EmotionModel, before: Checkpoint, opened: OpenRound, outcome: Outcome) -> Checkpoint:
        """The checkpoint of the round that follows `before`, whose model is `model`; that is stepped in place."""
        self._machine.enter("aggregating")
        self.keep(outcome)
        change = self._rule.combine(opened.updates, shapes_of(model.trainable(self._policy.trainable)))
        step, state = self._optimiser.step(change, self._checkpoints.optimiser_state(before.round))
        model.add(step)
        self._checkpoints.draft(opened.round, model, before.header, state)
        self._ledger.append(
            RoundClosed(
                study=self._study,
                round=opened.round,
                policy_hash=self._policy.hash,
                model_before=before.model_hash,
                model_after=weights_hash(model.state_dict()),
                debits=outcome.debits,
                rejected=outcome.rejected,
            )
        )
        self._machine.enter("evaluating")
        return self._commit(opened.round, model, before.header)

    def keep(self, outcome: Outcome) -> None:
        """Keeps what devices signed, once each: an auditor finds every debit that the server has seen."""
        for intent in outcome.intents.values():
            if intent.hash not in self._kept:
                append_line(self._folder.intents, canonical(intent.model_dump(mode="json")))
                self._kept.add(intent.hash)

    def finish(self) -> None:
        """Finishes the checkpoint of a round that the ledger has and the disk has only a draft of.

        Where the draft is not the model that the entry names, which no crash leaves behind, the round is void.
        """
        for round_, model_hash in self._unfinished().items():
            drafted = self._checkpoints.drafted(round_)
            if drafted is not None and weights_hash(drafted[0].state_dict()) == model_hash:
                log.info("round %d was cut off before its checkpoint and is finished now", round_)
                self._commit(round_, *drafted)
            else:
                log.warning("round %d is in the ledger and its weights are lost: it is void", round_)
                self._ledger.append(RoundVoid(round=round_))

    @cached_property
    def _kept(self) -> set[str]:
        """Hashes of what is kept already. Nobody else writes there, so it is read once and not in each round."""
        return {entry.hash for entry in entries_of(complete_lines(self._folder.intents))}

    def _commit(self, round_: int, model: EmotionModel, header: WeightsHeader) -> Checkpoint:
        keep_freed_memory()
        metrics = self._benchmark.score(model).to_dict()
        give_freed_memory_back()
        return self._checkpoints.commit(round_, model, header, metrics, self._ledger.head)

    def _unfinished(self) -> Mapping[int, str]:
        """Hashes of the models of rounds that count by the ledger, without a checkpoint."""
        with_checkpoint = set(self._checkpoints.rounds())
        return {
            round_: model_hash
            for round_, model_hash in Lineage(self._ledger.entries).models.items()
            if round_ not in with_checkpoint
        }
