"""What a device does with a task: check it, train, write the debit down, answer. Trusts nobody.

The order is the promise: limits and consent before training, the noised bytes and the debit on disk before the
answer exists for anyone else. A task that comes twice gets the same bytes; a crash never refunds.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from flwr.app import RecordDict
from safetensors.torch import load, save
from torch import Tensor

from fl_client.consent import ConsentBook, Scope
from fl_client.home import Enrolment
from fl_client.settings import Limits
from fl_client.training import ENGINE, local_update
from shared_models.data.labels import scheme_by_name
from shared_models.errors import BudgetError, WireError
from shared_models.files import atomic_write
from shared_models.networks.features import FeatureCache
from shared_models.networks.registry import build_model
from shared_models.networks.weights import weights_hash
from shared_models.privacy.accounting import epsilon_at, mu_of
from shared_models.privacy.ledger import Debit, Entry, Ledger, Released, events_of, spent_epsilon
from shared_models.privacy.noise import NoiseSource
from shared_models.wire import Task, Update, decode_task, encode_update, shapes_of

log = logging.getLogger(__name__)


class LabelledSequence(Protocol):
    """One stored sequence: frames (T, 1, H, W) uint8."""

    @property
    def id(self) -> str: ...
    @property
    def frames(self) -> np.ndarray: ...
    @property
    def label_index(self) -> int: ...


class SequenceStore(Protocol):
    def load_all(self) -> Iterator[LabelledSequence]:
        """Every stored sequence, oldest first."""


class Participant:
    """One enrolled device's answer to tasks."""

    def __init__(
        self,
        enrolment: Enrolment,
        limits: Limits,
        consent: ConsentBook,
        store: SequenceStore,
        ledger: Ledger,
        outbox: Path,
    ) -> None:
        """Raises PolicyError where the study's policy is beyond this device's limits."""
        limits.check(enrolment.policy)
        self._enrolment, self._policy = enrolment, enrolment.policy
        self._consent, self._store, self._ledger, self._outbox = consent, store, ledger, outbox
        self._model = build_model(self._policy.model, len(scheme_by_name(self._policy.scheme).classes))
        self._features = FeatureCache()

    @property
    def participations(self) -> int:
        """Rounds that this device has paid for in its life, whether or not its update was used."""
        return len(self._ledger.debits)

    @property
    def epsilon(self) -> float:
        """What each stored sequence has spent so far."""
        return spent_epsilon(self._ledger.debits, self._policy.delta)

    def require_budget(self) -> None:
        """Raises BudgetError where one more participation would pass the lifetime cap."""
        next_debit = (self._policy.steps, self._policy.noise_multiplier)
        after = epsilon_at(mu_of([*events_of(self._ledger.debits), next_debit]), self._policy.delta)
        if self.participations >= self._policy.participations or after > self._policy.epsilon:
            raise BudgetError(
                f"The lifetime privacy budget of this device is spent: epsilon {self.epsilon:.2f}"
                f" of {self._policy.epsilon:.2f} after {self.participations} rounds",
                fix="Nothing to do: this device takes no more tasks in this study",
            )

    def answer(self, record: RecordDict) -> RecordDict:
        """The update for a task, its debit already on disk.

        Raises WireError for a task that is malformed, of another study or policy, or older than one answered before;
        ConsentError, BudgetError or StorageError where there is no consent, budget or room on the disk.
        """
        task = decode_task(record, shapes_of(self._model.state_dict()))
        earlier = self._debit_for(task.nonce)
        if earlier is not None:
            return self._kept_answer(task, earlier)
        self._check(task)
        self._consent.require(Scope.TRAIN, self._policy.hash)
        self.require_budget()
        delta = self._train(task)
        atomic_write(self._parcel(task.nonce), save(delta))
        debit = self._ledger.append(self._debit(task, delta))
        log.info("round %d: debited, epsilon is now %.4f", task.round, self.epsilon)
        return self._kept_answer(task, debit)

    def released(self, nonce: str) -> None:
        """The server has the update: the debit is closed and the kept bytes are removed."""
        self._ledger.append(Released(nonce=nonce))
        self._parcel(nonce).unlink(missing_ok=True)

    def _check(self, task: Task) -> None:
        if task.study != self._enrolment.study:
            raise WireError("study", "The task is of another study")
        if task.policy_hash != self._policy.hash:
            raise WireError("policy", "The task names another privacy policy than the one agreed to")
        if task.round < max((debit.round for debit in self._ledger.debits), default=0):
            raise WireError("stale", "The task is of an older round than one answered before")

    def _train(self, task: Task) -> dict[str, Tensor]:
        self._model.load_state_dict(task.weights)
        sequences = _first(self._store.load_all(), self._policy.max_sequences)
        inputs = self._features.inputs(
            self._model, self._policy.trainable, [(sequence.id, sequence.frames) for sequence in sequences]
        )
        self._features.keep_only(sequence.id for sequence in sequences)
        targets = torch.zeros(len(sequences), len(scheme_by_name(self._policy.scheme).classes))
        for row, sequence in zip(targets, sequences, strict=True):
            row[sequence.label_index] = 1.0
        return local_update(self._model, self._policy, inputs, targets, NoiseSource())

    def _debit(self, task: Task, delta: dict[str, Tensor]) -> Debit:
        return Debit(
            study=task.study,
            device=self._enrolment.pseudonym,
            round=task.round,
            nonce=task.nonce,
            model_hash=task.model_hash,
            policy_hash=task.policy_hash,
            sigma=self._policy.noise_multiplier,
            clip_norm=self._policy.clip_norm,
            steps=self._policy.steps,
            engine=ENGINE,
            update_hash=weights_hash(delta),
        )

    def _debit_for(self, nonce: str) -> Entry | None:
        return next((e for e in self._ledger.entries if isinstance(e.body, Debit) and e.body.nonce == nonce), None)

    def _kept_answer(self, task: Task, debit: Entry) -> RecordDict:
        """What lies in the outbox, the first time and again: noise is never drawn twice for one task."""
        try:
            delta = load(self._parcel(task.nonce).read_bytes())
        except OSError as error:
            raise WireError("replay", "The task was answered before") from error
        return encode_update(Update(task.nonce, debit, dict(sorted(delta.items()))))

    def _parcel(self, nonce: str) -> Path:
        return self._outbox / f"{nonce}.safetensors"


def _first(sequences: Iterator[LabelledSequence], count: int) -> Sequence[LabelledSequence]:
    return [sequence for sequence, _ in zip(sequences, range(count), strict=False)]
