"""Updates as devices sign and send them, for one small study."""

import math
import secrets

import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fl_server.aggregation import Checker, Expected
from shared_models.networks.weights import weights_hash
from shared_models.privacy.events import Intent
from shared_models.privacy.ledger import Ledger
from shared_models.wire import Update, shapes_of

NONCE = "ef" * 16


@pytest.fixture
def shapes(model, policy):
    return shapes_of(model.trainable(policy.trainable))


@pytest.fixture
def checker(policy, shapes):
    return Checker(policy, shapes)


@pytest.fixture
def key():
    return Ed25519PrivateKey.generate()


@pytest.fixture
def expected(key):
    return Expected(
        study="seminar", device="0a1b2c3d", ledger_key=key.public_key(), round=4, nonce=NONCE, model_hash="a" * 64
    )


@pytest.fixture
def delta(shapes):
    generator = torch.Generator().manual_seed(7)
    return {name: torch.randn(shape, generator=generator) / 100 for name, shape in shapes.items()}


@pytest.fixture
def body(expected, policy, delta):
    return Intent(
        study=expected.study,
        device=expected.device,
        round=expected.round,
        nonce=expected.nonce,
        model_hash=expected.model_hash,
        policy_hash=policy.hash,
        mechanisms=policy.mechanisms,
        engine="fast",
        update_hash=weights_hash(delta),
    )


@pytest.fixture
def update(tmp_path, key, body, delta):
    """`update(body, delta)`: as a device sends it, its debit signed into a real ledger."""

    def update(body=body, delta=delta, key=key, nonce=NONCE):
        ledger = Ledger(tmp_path / f"{secrets.token_hex(4)}.jsonl", key)
        return Update(nonce, ledger.append(body), delta)

    return update


@pytest.fixture
def signed(update, body):
    """`signed(delta)`: an update whose debit names `delta`, as an honest device's does."""
    return lambda delta: update(body.model_copy(update={"update_hash": weights_hash(delta)}), delta)


@pytest.fixture
def norm_bound(policy, shapes):
    return policy.update_norm_bound(sum(math.prod(shape) for shape in shapes.values()))
