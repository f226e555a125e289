"""What the server believes of an update: nothing that it has not checked."""

import secrets
import weakref

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fl_server.aggregation import Checker, Expected, StreamingMean
from shared_models.errors import WireError
from shared_models.networks.weights import weights_hash
from shared_models.privacy.events import Intent, Released
from shared_models.privacy.gradients import ENGINES
from shared_models.privacy.ledger import Entry, Ledger
from shared_models.wire import Update, encode_update, shapes_of

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
def reason(checker, expected):
    def reason(update):
        with pytest.raises(WireError) as refused:
            checker.check(encode_update(update), expected)
        return refused.value.reason

    return reason


def test_an_honest_update_is_taken_as_it_was_sent(checker, expected, update, delta):
    checked = checker.check(encode_update(update()), expected)
    assert checked.nonce == NONCE
    assert set(checked.delta) == set(delta)
    assert all(torch.equal(checked.delta[name], change) for name, change in delta.items())


def test_an_answer_to_another_task_is_refused(reason, update, body):
    other = "0" * 32
    assert reason(update(nonce=other)) == "nonce"
    assert reason(update(body.model_copy(update={"nonce": other}))) == "intent"


def test_an_intent_signed_by_another_device_is_refused(reason, update):
    assert reason(update(key=Ed25519PrivateKey.generate())) == "signature"


@pytest.mark.parametrize("change", [{"seq": 5}, {"prev": "1" * 64}, {"signature": ""}, {"signature": "00" * 64}])
def test_an_intent_that_was_altered_after_it_was_signed_is_refused(reason, update, change):
    honest = update()
    altered = honest.intent.model_copy(update=change)
    assert reason(Update(NONCE, altered, honest.delta)) == "signature"


@pytest.mark.parametrize(
    "change",
    [
        {"policy_hash": "b" * 64},
        {"round": 3},
        {"round": 5},
        {"study": "another"},
        {"device": "ffffffff"},
        {"model_hash": "b" * 64},
        {"update_hash": "b" * 64},
    ],
    ids=str,
)
def test_an_intent_that_does_not_say_what_the_task_asked_for_is_refused(reason, update, body, change):
    assert reason(update(body.model_copy(update=change))) == "intent"


@pytest.mark.parametrize(
    "change",
    [{"sigma": 1e-9}, {"clip_norm": 5.0}, {"steps": 1}, {"steps": 20}, {"q": 0.5}, {"unit": "participant"}],
    ids=str,
)
def test_a_mechanism_that_is_not_the_policy_s_is_refused(reason, update, body, change):
    other = body.mechanisms[0].model_copy(update=change)
    for mechanisms in ((other,), (*body.mechanisms, other)):
        assert reason(update(body.model_copy(update={"mechanisms": mechanisms}))) == "intent"


def test_every_field_of_an_intent_but_its_engine_is_compared(body):
    compared = {"mechanisms", "policy_hash", "round", "study", "device", "model_hash", "update_hash"}
    assert set(type(body).model_fields) == compared | {"kind", "nonce", "engine"}


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_that_exists_is_the_device_s_choice(checker, expected, update, body, engine):
    checker.check(encode_update(update(body.model_copy(update={"engine": engine}))), expected)


def test_an_engine_that_does_not_exist_is_refused(reason, update, body):
    assert reason(update(body.model_copy(update={"engine": "batched"}))) == "intent"


def test_an_entry_of_another_kind_is_no_debit(reason, update):
    assert reason(update(Released(nonce=NONCE))) == "intent"


def test_weights_that_the_debit_does_not_name_are_refused(reason, update, delta):
    name = next(iter(delta))
    honest = update()
    other = honest.delta | {name: honest.delta[name] + 1e-6}
    assert reason(Update(NONCE, honest.intent, other)) == "intent"


def signed(update, body, delta):
    return update(body.model_copy(update={"update_hash": weights_hash(delta)}), delta)


def test_an_update_as_large_as_an_honest_one_can_be_passes_and_a_larger_one_does_not(
    reason, checker, expected, update, body, delta, policy
):
    parameters = sum(change.numel() for change in delta.values())
    bound = policy.update_norm_bound(parameters)
    norm = float(torch.cat([change.flatten() for change in delta.values()]).double().norm())
    scaled = [{name: change * (bound * factor / norm) for name, change in delta.items()} for factor in (0.999, 1.001)]
    checker.check(encode_update(signed(update, body, scaled[0])), expected)
    assert reason(signed(update, body, scaled[1])) == "norm"


def test_a_single_huge_number_is_refused_though_its_square_overflows(reason, update, body, delta):
    name = next(iter(delta))
    huge = {other: change.clone() for other, change in delta.items()}
    huge[name].view(-1)[0] = 3e38
    assert reason(signed(update, body, huge)) == "norm"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_refused(reason, update, body, delta, value):
    name = sorted(delta)[-1]
    poisoned = {other: change.clone() for other, change in delta.items()}
    poisoned[name].view(-1)[-1] = value
    assert reason(signed(update, body, poisoned)) == "not_finite"


def test_weights_of_another_shape_or_number_are_refused(reason, update, body, delta):
    name = next(iter(delta))
    transposed = delta | {name: delta[name].reshape(-1)}
    missing = {other: change for other, change in delta.items() if other != name}
    surplus = delta | {"encoder.stem.weight": torch.zeros(1)}
    assert reason(signed(update, body, transposed)) == "intent"
    assert reason(signed(update, body, missing)) == "shape"
    assert reason(signed(update, body, surplus)) == "shape"


def test_another_wire_format_is_refused(checker, expected, update):
    record = encode_update(update())
    record["update"]["version"] = 1
    with pytest.raises(WireError) as refused:
        checker.check(record, expected)
    assert refused.value.reason == "version"


def test_an_intent_that_cannot_be_read_is_refused(checker, expected, update):
    for text in ("", "{}", "[" * 4000, '{"seq": 0}', update().intent.model_dump_json().replace("intent", "credit")):
        record = encode_update(update())
        record["update"]["intent"] = text
        with pytest.raises(WireError) as refused:
            checker.check(record, expected)
        assert refused.value.reason == "schema"


def test_one_device_cannot_send_another_s_update(checker, expected, update, body):
    stolen = update()
    thief = Expected(
        **(vars(expected) | {"device": "99999999", "ledger_key": Ed25519PrivateKey.generate().public_key()})
    )
    with pytest.raises(WireError) as refused:
        checker.check(encode_update(stolen), thief)
    assert refused.value.reason == "signature"
    assert isinstance(stolen.intent, Entry)


@pytest.fixture
def updates(shapes):
    rng = np.random.default_rng(3)
    return [{name: rng.normal(size=shape).astype("f4") for name, shape in shapes.items()} for _ in range(25)]


def test_the_mean_is_the_mean_of_all_whatever_their_order(shapes, updates):
    means = []
    for order in (updates, updates[::-1]):
        mean = StreamingMean(shapes)
        for one in order:
            mean.add({name: torch.from_numpy(change) for name, change in one.items()})
        assert mean.count == 25
        means.append(mean.result())
    for name in shapes:
        exact = np.mean([one[name].astype("f8") for one in updates], axis=0)
        np.testing.assert_array_equal(means[0][name].numpy(), exact.astype("f4"))
        assert torch.equal(means[0][name], means[1][name])
        assert means[0][name].dtype == torch.float32


def test_a_small_update_beside_large_ones_is_not_rounded_away():
    mean = StreamingMean({"w": (1,)})
    for value in (1e8, 1.0, -1e8, 0.0):
        mean.add({"w": torch.tensor([value])})
    assert mean.result()["w"].item() == 0.25


def test_nothing_added_changes_nothing(shapes):
    result = StreamingMean(shapes).result()
    assert {name: tuple(value.shape) for name, value in result.items()} == dict(shapes)
    assert all(not value.any() for value in result.values())


def test_the_mean_keeps_no_update(shapes, updates):
    mean, kept = StreamingMean(shapes), []
    for one in updates:
        tensors = {name: torch.from_numpy(change.copy()) for name, change in one.items()}
        kept += [weakref.ref(tensor) for tensor in tensors.values()]
        mean.add(tensors)
        del tensors
    assert [reference() for reference in kept] == [None] * len(kept)


def test_the_mean_does_not_change_what_it_was_given():
    mean, given = StreamingMean({"w": (2,)}), torch.ones(2)
    mean.add({"w": given})
    mean.add({"w": given})
    assert given.tolist() == [1.0, 1.0]
    assert mean.result()["w"].tolist() == [1.0, 1.0]
