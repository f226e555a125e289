"""Whether an update may be used: checked before anything is made of it."""

from dataclasses import dataclass

import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from flwr.app import RecordDict

from shared_models.errors import LedgerError, WireError
from shared_models.networks.weights import norm_of, weights_hash
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
        """The update in `record`, whatever a device put there.

        Raises WireError, and nothing else, with the first reason that applies: schema, version, shape, not_finite,
        nonce, signature, intent or norm.
        """
        update = decode_update(record, self._shapes)
        if update.nonce != expected.nonce:
            raise WireError("nonce", "The update answers another task")
        try:
            check_signature(update.intent, expected.ledger_key)
        except LedgerError as error:
            raise WireError("signature", "The intent was not signed by this device") from error
        if not self._is_honest_intent(update, expected):
            raise WireError("intent", "The intent does not say what the policy and the task ask for")
        if norm_of(update.delta) > self._norm_bound:
            raise WireError("norm", "The update is larger than an honest one can be")
        return update

    def _is_honest_intent(self, update: Update, expected: Expected) -> bool:
        """Whether the debit is what an honest device signs for this task and change, with an engine that exists."""
        body = update.intent.body
        if not isinstance(body, Intent) or body.engine not in ENGINES:
            return False
        return body == Intent(
            study=expected.study,
            device=expected.device,
            round=expected.round,
            nonce=expected.nonce,
            model_hash=expected.model_hash,
            policy_hash=self._policy.hash,
            mechanisms=self._policy.mechanisms,
            engine=body.engine,
            update_hash=weights_hash(update.delta),
        )
