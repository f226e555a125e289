"""Updates are checked one by one and added as they arrive: memory for one model, however many devices answer."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from flwr.app import RecordDict
from torch import Tensor

from shared_models.errors import LedgerError, WireError
from shared_models.networks.weights import weights_hash
from shared_models.privacy.events import Intent
from shared_models.privacy.gradients import ENGINES
from shared_models.privacy.ledger import check_signature
from shared_models.privacy.policy import Policy
from shared_models.wire import Shapes, Update, decode_update


@dataclass(frozen=True)
class Expected:
    """What an update must answer to: the task that was sent, and to whom."""

    study: str
    device: str
    ledger_key: Ed25519PublicKey
    round: int
    nonce: str
    model_hash: str


class Checker:
    """Decides whether an update may be used. Nothing in it is believed before it is checked."""

    def __init__(self, policy: Policy, shapes: Shapes) -> None:
        """`shapes`: those of the trainable part."""
        self._policy, self._shapes = policy, shapes
        parameters = sum(int(torch.Size(shape).numel()) for shape in shapes.values())
        self._norm_bound = policy.update_norm_bound(parameters)

    def check(self, record: RecordDict, expected: Expected) -> Update:
        """Raises WireError with the reason schema, version, shape, not_finite, nonce, signature, intent or norm."""
        update = decode_update(record, self._shapes)
        if update.nonce != expected.nonce:
            raise WireError("nonce", "The update answers another task")
        try:
            check_signature(update.intent, expected.ledger_key)
        except LedgerError as error:
            raise WireError("signature", "The intent was not signed by this device") from error
        if update.intent.body not in [self._intent(update, expected, engine) for engine in ENGINES]:
            raise WireError("intent", "The intent does not say what the policy and the task ask for")
        if _norm(update.delta) > self._norm_bound:
            raise WireError("norm", "The update is larger than an honest one can be")
        return update

    def _intent(self, update: Update, expected: Expected, engine: str) -> Intent:
        """What an honest device that trains with `engine` signs for this task."""
        return Intent(
            study=expected.study,
            device=expected.device,
            round=expected.round,
            nonce=expected.nonce,
            model_hash=expected.model_hash,
            policy_hash=self._policy.hash,
            mechanisms=self._policy.mechanisms,
            engine=engine,
            update_hash=weights_hash(update.delta),
        )


class StreamingMean:
    """The mean of updates, each counting the same: how many sequences a device holds is private."""

    def __init__(self, shapes: Shapes) -> None:
        self._total = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in shapes.items()}
        self.count = 0

    def add(self, delta: Mapping[str, Tensor]) -> None:
        for name, total in self._total.items():
            total.add_(delta[name])
        self.count += 1

    def result(self) -> dict[str, Tensor]:
        """float32, of the shapes given; zero where nothing was added."""
        return {name: (total / max(self.count, 1)).float() for name, total in self._total.items()}


def _norm(delta: Mapping[str, Tensor]) -> float:
    return float(torch.linalg.vector_norm(torch.cat([change.flatten().double() for change in delta.values()])))
