"""What the server believes of an update: nothing that it has not checked."""

import contextlib
import io
import json

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fl_server.aggregation import Expected
from shared_models.errors import LedgerError, WireError
from shared_models.privacy.events import Released
from shared_models.privacy.gradients import ENGINES
from shared_models.privacy.ledger import Entry, parse_entry
from shared_models.wire import Update, encode_update

NONCE = "ef" * 16


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


def test_an_update_as_large_as_an_honest_one_can_be_passes_and_a_larger_one_does_not(
    reason, checker, expected, signed, delta, norm_bound
):
    norm = float(torch.cat([change.flatten() for change in delta.values()]).double().norm())
    scaled = [
        {name: change * (norm_bound * factor / norm) for name, change in delta.items()} for factor in (0.999, 1.001)
    ]
    checker.check(encode_update(signed(scaled[0])), expected)
    assert reason(signed(scaled[1])) == "norm"


def test_a_single_huge_number_is_refused_though_its_square_overflows(reason, signed, delta):
    name = next(iter(delta))
    huge = {other: change.clone() for other, change in delta.items()}
    huge[name].view(-1)[0] = 3e38
    assert reason(signed(huge)) == "norm"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_refused(reason, signed, delta, value):
    name = sorted(delta)[-1]
    poisoned = {other: change.clone() for other, change in delta.items()}
    poisoned[name].view(-1)[-1] = value
    assert reason(signed(poisoned)) == "not_finite"


def test_weights_of_another_shape_or_number_are_refused(reason, signed, delta):
    name = next(iter(delta))
    transposed = delta | {name: delta[name].reshape(-1)}
    missing = {other: change for other, change in delta.items() if other != name}
    surplus = delta | {"encoder.stem.weight": torch.zeros(1)}
    assert reason(signed(transposed)) == "intent"
    assert reason(signed(missing)) == "shape"
    assert reason(signed(surplus)) == "shape"


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


def test_an_update_of_zeros_is_taken(checker, expected, signed, delta):
    """Honest or lazy, it cannot be told, and it moves a mean by less than the bound allows."""
    zeros = {name: torch.zeros_like(change) for name, change in delta.items()}
    assert not any(change.any() for change in checker.check(encode_update(signed(zeros)), expected).delta.values())


def npy(values):
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


REASONS = {"schema", "version", "shape", "not_finite", "nonce", "signature", "intent", "norm"}
TEXTS = st.text(max_size=40) | st.just("9" * 5000) | st.just("[" * 3000) | st.just('{"seq":' + "9" * 4000 + "}")
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats()
VALUES = st.one_of(
    NUMBERS, TEXTS, st.binary(max_size=40), st.booleans(), st.lists(NUMBERS.filter(lambda n: type(n) is int))
)
DATA = st.one_of(
    st.binary(max_size=300),
    st.sampled_from(
        [
            npy(np.float32(1)),
            npy(np.zeros(0, np.float32)),
            npy(np.zeros(1 << 20, np.float32)),
            npy(np.zeros((3, 4), np.float64)),
            npy(np.full(9, np.nan, np.float32)),
            b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (10000000000,), }",
        ]
    ),
)
ARRAYS = st.builds(
    lambda dtype, shape, stype, data: Array(dtype, tuple(shape), stype, data),
    st.sampled_from(["float32", "float64", "object", ""]),
    st.lists(st.integers(-1, 2**62), max_size=3),
    st.sampled_from(["numpy.ndarray", "pickle"]),
    DATA,
)
NAMES = st.sampled_from(["version", "nonce", "intent", "values"]) | st.text(max_size=8)
RECORDS = st.one_of(
    st.dictionaries(NAMES, VALUES, max_size=4).map(ConfigRecord),
    st.dictionaries(NAMES, NUMBERS, max_size=4).map(MetricRecord),
    st.dictionaries(NAMES, ARRAYS, max_size=2).map(ArrayRecord),
)
PARTS = st.dictionaries(st.sampled_from(["update", "delta", "task"]), RECORDS, max_size=3)


@pytest.fixture
def honest(update):
    """The parts of an honest update."""
    return dict(encode_update(update()))


def refused_or_taken(checker, record, expected):
    try:
        checker.check(record, expected)
    except WireError as error:
        return error.reason
    return "taken"


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(parts=PARTS)
def test_whatever_a_device_sends_is_a_wire_error(checker, expected, parts):
    assert refused_or_taken(checker, RecordDict(parts), expected) in REASONS


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(parts=PARTS, fields=st.dictionaries(NAMES, VALUES, max_size=2), array=ARRAYS)
def test_whatever_a_device_puts_in_place_of_a_part_is_a_wire_error(checker, expected, honest, parts, fields, array):
    for changed in (
        honest | parts,
        honest | {"update": ConfigRecord(dict(honest["update"]) | fields)},
        honest | {"delta": ArrayRecord({"values": array})},
    ):
        reason = refused_or_taken(checker, RecordDict(changed), expected)
        assert reason in REASONS or changed == honest


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    entry=st.dictionaries(
        st.sampled_from(["v", "seq", "prev", "at", "signature"]),
        st.integers() | st.floats() | st.text(max_size=20) | st.none(),
    ),
    body=st.dictionaries(
        st.sampled_from(["kind", "round", "nonce", "engine", "mechanisms", "update_hash"]),
        st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.none()) | st.sampled_from([*ENGINES, "erase"]),
    ),
)
def test_whatever_a_device_signs_is_the_honest_debit_or_a_wire_error(checker, expected, honest, key, entry, body):
    """A device may sign what it likes with its own key."""
    fields = json.loads(honest["update"]["intent"])
    forged = fields | entry | {"body": fields["body"] | body}
    with contextlib.suppress(LedgerError):
        forged["signature"] = key.sign(parse_entry(json.dumps(forged)).signed_bytes()).hex()
    intent = ConfigRecord(dict(honest["update"]) | {"intent": json.dumps(forged)})
    reason = refused_or_taken(checker, RecordDict(honest | {"update": intent}), expected)
    assert reason in REASONS or (forged["body"] == fields["body"] | {"engine": forged["body"]["engine"]})
