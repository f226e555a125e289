"""What a device does with a task: check it, train, write the debit down, answer. Trusts nobody.

The order is the promise: limits and consent before training, the noised bytes and the intent on disk before the
answer exists for anyone else.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from flwr.app import RecordDict
from torch import Tensor

from fl_client.consent import ConsentBook, Scope
from fl_client.home import Enrolment
from fl_client.interruptible import InterruptibleEngine
from fl_client.journal import Journal
from fl_client.labels import PSEUDO
from fl_client.settings import Limits
from fl_client.training import local_update
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import INPUT_SHAPE
from shared_models.errors import WireError
from shared_models.networks.features import FeatureCache, Shelf
from shared_models.networks.registry import build_model
from shared_models.networks.weights import WeightsHeader, save_model, weights_hash
from shared_models.privacy.events import Intent
from shared_models.privacy.gradients import GradientEngine
from shared_models.privacy.noise import NoiseSource
from shared_models.wire import Task, decode_task, encode_update, shapes_of

_Item = TypeVar("_Item")


class LabelledSequence(Protocol):
    """One stored sequence: frames (T, 1, H, W) uint8."""

    @property
    def id(self) -> str: ...
    @property
    def frames(self) -> np.ndarray: ...
    @property
    def label_index(self) -> int: ...
    @property
    def source(self) -> str: ...


class SequenceStore(Protocol):
    def load_all(self) -> Iterator[LabelledSequence]:
        """Every stored sequence, oldest first."""

    @property
    def shelf(self) -> Shelf | None:
        """Where the features of stored sequences are kept, as safe as the sequences; None keeps them in memory."""


class Participant:
    """One enrolled device's answer to tasks."""

    def __init__(
        self,
        enrolment: Enrolment,
        limits: Limits,
        consent: ConsentBook,
        store: SequenceStore,
        journal: Journal,
        engine: GradientEngine,
        noise_for: Callable[[Task], NoiseSource] = lambda task: NoiseSource(),
        *,
        look_up: Callable[[], None] | None = None,
        train_on_pseudo: bool = False,
        keep_model: Path | None = None,
        on_other_policy: Callable[[], None] = lambda: None,
    ) -> None:
        """noise_for: where a task's noise comes from; only a simulation, whose runs can be repeated, gives another
        look_up: called at least every half second of training; what it raises ends the training
        train_on_pseudo: whether the owner lets it train on what the model labelled, should the policy allow that too
        keep_model: where the study's weights of the newest task are kept, for the student's own live reading
        on_other_policy: hears that a task was refused because the study has another policy by now

        Raises PolicyError where the study's policy is beyond this device's limits.
        """
        limits.check(enrolment.policy)
        self.journal = journal
        self._enrolment, self._policy = enrolment, enrolment.policy
        self._consent, self._store, self._noise_for = consent, store, noise_for
        self._engine = engine if look_up is None else InterruptibleEngine(engine, look_up)
        self._look_up, self._keep_model, self._on_other_policy = look_up, keep_model, on_other_policy
        self._on_pseudo = train_on_pseudo and self._policy.pseudo_labels
        self._server = Ed25519PublicKey.from_public_bytes(bytes.fromhex(enrolment.server_key))
        self._model = build_model(self._policy.model, len(scheme_by_name(self._policy.scheme).classes))
        self._features = FeatureCache(store.shelf)

    def answer(self, record: RecordDict) -> RecordDict:
        """The update for a task, its intent already on disk.

        Raises WireError for a task that is malformed, of another study or policy, or that `Journal.begin` refuses, and
        what else that raises; ConsentError, BudgetError or StorageError where there is no consent, budget or room on
        the disk; what `look_up` raises. None of these costs anything.
        """
        task = decode_task(record, shapes_of(self._model.state_dict()))
        update = self.journal.answered(task.nonce)
        if update is None:
            self._check(task)
            began = self.journal.begin(task, self._enrolment.pseudonym, self._server)
            self._consent.require(Scope.TRAIN, self._policy.hash)
            self.journal.require_budget()
            delta = self._train(task)
            self._consent.require(Scope.TRAIN, self._policy.hash)  # a pause during training costs nothing
            update = self.journal.debit(self._intent(task, delta), delta, began)
        return encode_update(update)

    def _check(self, task: Task) -> None:
        if task.study != self._enrolment.study:
            raise WireError("study", "The task is of another study")
        if task.policy_hash != self._policy.hash:
            self._on_other_policy()
            raise WireError("policy", "The task names another privacy policy than the one agreed to")

    def _train(self, task: Task) -> dict[str, Tensor]:
        self._model.load_state_dict(task.weights)
        self._keep(task)
        stored = self._looking_up(self._store.load_all())
        usable = (one for one in stored if self._on_pseudo or one.source != PSEUDO)
        sequences = list(islice(usable, self._policy.max_sequences))
        inputs = self._features.inputs(
            self._model,
            self._policy.trainable,
            ((sequence.id, sequence.frames) for sequence in self._looking_up(sequences)),
            self._policy.views,
        )
        self._features.keep_only(sequence.id for sequence in sequences)
        targets = torch.zeros(len(sequences), len(scheme_by_name(self._policy.scheme).classes))
        for row, sequence in zip(targets, sequences, strict=True):
            row[sequence.label_index] = 1.0
        return local_update(self._model, self._policy, inputs, targets, self._noise_for(task), self._engine)

    def _looking_up(self, items: Iterable[_Item]) -> Iterator[_Item]:
        for item in items:
            if self._look_up is not None:
                self._look_up()
            yield item

    def _keep(self, task: Task) -> None:
        """Before training, which changes the model in place: what is kept is the study's alone."""
        if self._keep_model is None:
            return
        header = WeightsHeader(
            model=self._policy.model,
            scheme=self._policy.scheme,
            input_shape=INPUT_SHAPE,
            training_data=f"the model of the study {task.study} before its round {task.round}",
        )
        save_model(self._keep_model, self._model, header)

    def _intent(self, task: Task, delta: dict[str, Tensor]) -> Intent:
        return Intent(
            study=task.study,
            device=self._enrolment.pseudonym,
            round=task.round,
            nonce=task.nonce,
            model_hash=task.model_hash,
            policy_hash=task.policy_hash,
            mechanisms=self._policy.mechanisms,
            engine=self._engine.name,
            update_hash=weights_hash(delta),
        )
