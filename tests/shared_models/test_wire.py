import contextlib
import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from hypothesis import given
from hypothesis import strategies as st

from shared_models.errors import WireError
from shared_models.networks.registry import build_model
from shared_models.networks.weights import weights_hash
from shared_models.privacy.events import Intent
from shared_models.privacy.ledger import Entry
from shared_models.privacy.mechanism import Mechanism
from shared_models.privacy.receipts import Receipt
from shared_models.wire import Task, Update, decode_task, decode_update, encode_task, encode_update, shapes_of

NONCE = "00112233445566778899aabbccddeeff"
WEIGHTS = {
    "matrix": torch.arange(6.0).view(2, 3) - 2.5,
    "bias": torch.tensor([1e-30, -1e30]),
    "scale": torch.tensor(3.0),
}
SHAPES = shapes_of(WEIGHTS)
VECTOR = np.concatenate([WEIGHTS[name].numpy().reshape(-1) for name in sorted(WEIGHTS)])


def a_task() -> Task:
    return Task("seminar", 3, NONCE, weights_hash(WEIGHTS), "bb" * 32, Receipt("cc" * 32, "dd" * 64), WEIGHTS)


def an_intent() -> Entry:
    body = Intent(
        study="seminar",
        device="0a1b2c3d",
        round=3,
        nonce=NONCE,
        model_hash="aa" * 32,
        policy_hash="bb" * 32,
        mechanisms=(Mechanism(unit="sequence", sigma=5.4059, clip_norm=0.5, steps=4),),
        engine="fast",
        update_hash=weights_hash(WEIGHTS),
    )
    unsigned = Entry(seq=0, prev="0" * 64, at=1_800_000_000, body=body, signature="")
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    return unsigned.model_copy(update={"signature": key.sign(unsigned.signed_bytes()).hex()})


def an_update() -> Update:
    return Update(NONCE, an_intent(), WEIGHTS)


def npy(values: np.ndarray, **how: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(values), **how)
    return buffer.getvalue()


def array(data: bytes) -> Array:
    return Array(dtype="float32", shape=(9,), stype="numpy.ndarray", data=data)


GOOD = npy(VECTOR)
MESSAGES: dict[str, tuple[Callable[[], RecordDict], Callable[[RecordDict, Any], object], str, str]] = {
    "task": (lambda: encode_task(a_task()), decode_task, "task", "weights"),
    "update": (lambda: encode_update(an_update()), decode_update, "update", "delta"),
}


@pytest.fixture(params=MESSAGES)
def message(request: pytest.FixtureRequest):
    encode, decode, fields, weights = MESSAGES[request.param]
    return encode(), lambda record: decode(record, SHAPES), fields, weights


def rejected(decode: Callable[[RecordDict], object], record: RecordDict, reason: str) -> WireError:
    with pytest.raises(WireError) as refused:
        decode(record)
    assert refused.value.reason == reason
    return refused.value


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(one[n], other[n]) and one[n].dtype == torch.float32 for n in one
    )


def test_a_task_comes_back() -> None:
    task = decode_task(encode_task(a_task()), SHAPES)
    assert (task.study, task.round, task.nonce) == ("seminar", 3, NONCE)
    assert (task.model_hash, task.policy_hash) == (weights_hash(WEIGHTS), "bb" * 32)
    assert same(task.weights, WEIGHTS)
    task.weights["matrix"].add_(1)  # it owns its memory


def test_an_update_comes_back_with_its_debit_bit_for_bit() -> None:
    update = decode_update(encode_update(an_update()), SHAPES)
    assert update.nonce == NONCE
    assert update.intent == an_intent()
    assert update.intent.hash == an_intent().hash
    assert same(update.delta, WEIGHTS)


def test_an_update_holds_nothing_but_change_debit_and_nonce() -> None:
    record = encode_update(an_update())
    assert set(record) == {"update", "delta"}
    assert set(record["update"]) == {"version", "nonce", "intent"}
    assert set(record["delta"]) == {"values"}
    assert record["delta"]["values"].data == GOOD


def test_a_whole_model_fits() -> None:
    model = build_model("cnn-lstm", 7)
    weights = dict(model.state_dict())
    task = Task("seminar", 1, NONCE, weights_hash(weights), "", Receipt("", ""), weights)
    assert same(decode_task(encode_task(task), shapes_of(weights)).weights, weights)
    part = model.trainable("classifier")
    update = Update(NONCE, an_intent(), {name: value.detach() for name, value in part.items()})
    assert decode_update(encode_update(update), shapes_of(part)).delta.keys() == part.keys()


def test_a_missing_extra_or_mistyped_record_is_rejected(message) -> None:
    record, decode, fields, weights = message
    without_fields, without_weights, extra = (RecordDict(dict(record)) for _ in range(3))
    del without_fields[fields], without_weights[weights]
    extra["metrics"] = MetricRecord({"accuracy": 0.5})
    swapped = RecordDict({fields: record[weights], weights: record[fields]})
    numbers = RecordDict({fields: record[fields], weights: MetricRecord({"values": 0.5})})
    for wrong in (RecordDict(), without_fields, without_weights, extra, swapped, numbers):
        rejected(decode, wrong, "schema")


@pytest.mark.parametrize("version", [0, 1, "2", None, 1.5, [1], b"\0" * 10_000])
def test_another_version_is_rejected_and_not_repeated_at_length(message, version: Any) -> None:
    record, decode, fields, _ = message
    if version is None:
        del record[fields]["version"]
    else:
        record[fields]["version"] = version
    assert len(str(rejected(decode, record, "version"))) < 200


def test_every_field_is_needed_in_its_type_and_no_other_is_taken(message) -> None:
    record, decode, fields, weights = message
    good = dict(record[fields])
    for name in good.keys() - {"version"}:
        other = 1.5 if isinstance(good[name], str) else "3"
        wrongs = [{k: v for k, v in good.items() if k != name}, good | {name: other}, good | {name: [good[name]]}]
        for wrong in [*wrongs, good | {name: True}, good | {name: b"text"}]:
            rejected(decode, RecordDict({fields: ConfigRecord(wrong), weights: record[weights]}), "schema")
    extra = RecordDict({fields: ConfigRecord(good | {"loss": 0.1}), weights: record[weights]})
    rejected(decode, extra, "schema")


def test_long_text_is_rejected(message) -> None:
    record, decode, fields, _ = message
    for name, value in list(record[fields].items()):
        if isinstance(value, str):
            record[fields][name] = value + " " * 4097
            rejected(decode, record, "schema")
            record[fields][name] = value
    decode(record)


@pytest.mark.parametrize("nonce", ["", "../../outside", NONCE.upper(), NONCE[:-1], NONCE + "0", NONCE + "\n", "é" * 32])
def test_a_nonce_is_nothing_but_hex(message, nonce: str) -> None:
    """It names a file on the device."""
    record, decode, fields, _ = message
    record[fields]["nonce"] = nonce
    rejected(decode, record, "schema")


def test_a_missing_extra_or_renamed_array_is_rejected(message) -> None:
    record, decode, _, weights = message
    good = record[weights]["values"]
    for arrays in ({}, {"values": good, "more": good}, {"matrix": good}):
        rejected(decode, RecordDict(dict(record) | {weights: ArrayRecord(arrays)}), "schema")


@pytest.mark.parametrize(
    "change", [{"more": (1,)}, {"matrix": (2, 4)}, {"matrix": (2, 2)}, {"scale": (2,)}, {"bias": (0,)}]
)
def test_another_number_of_weights_than_is_installed_is_rejected(change: dict[str, tuple[int, ...]]) -> None:
    for encode, decode, _, _ in MESSAGES.values():
        rejected(lambda record, decode=decode: decode(record, SHAPES | change), encode(), "shape")


@pytest.mark.parametrize(
    "data",
    [
        npy(np.zeros(8, np.float32)),
        npy(np.zeros(10, np.float32)),
        npy(np.zeros((9, 1), np.float32)),
        npy(np.zeros((3, 3), np.float32)),
        npy(np.zeros(9, np.int32)),
        npy(np.zeros(9, ">f4")),
        npy(np.zeros(9, np.float64)),
        npy(np.zeros(9, np.float16)),
        npy(np.zeros(18, np.float16)),
        npy(np.asfortranarray(np.zeros((3, 3), np.float32))),
        npy(np.zeros(9, np.float32), version=(2, 0)),
        npy(np.zeros(9, np.dtype([("x", "<f4")]))),
        GOOD[:-1],
        GOOD[:-4],
        GOOD + b"\0",
        GOOD[:10],
        GOOD[128:],
        b"",
        b"\0" * len(GOOD),
        GOOD.replace(b"(9,)", b"(8,)"),
        GOOD.replace(b"(9,), ", b"(9 ,),"),
        GOOD.replace(b"NUMPY", b"NUMPX"),
    ],
)
def test_another_shape_type_length_or_header_is_rejected(message, data: bytes) -> None:
    record, decode, _, weights = message
    record[weights]["values"] = array(data)
    rejected(decode, record, "shape")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", range(len(VECTOR)))
def test_a_weight_that_is_not_finite_is_rejected(message, place: int, value: float) -> None:
    record, decode, _, weights = message
    spoilt = VECTOR.copy()
    spoilt[place] = value
    record[weights]["values"] = Array(spoilt)
    rejected(decode, record, "not_finite")


class Trap:
    """Unpickling it would call `spring`."""

    sprung = False

    def __reduce__(self):
        return Trap.spring, ()

    @staticmethod
    def spring() -> float:
        Trap.sprung = True
        return 0.0


def test_nothing_is_ever_unpickled(message) -> None:
    record, decode, _, weights = message
    objects = npy(np.full(9, Trap(), dtype=object), allow_pickle=True)
    for data in (
        objects,
        pickle.dumps(Trap()),
        GOOD[:128] + pickle.dumps(Trap())[:36].ljust(36, b"."),
        objects[: len(GOOD)],
    ):
        record[weights]["values"] = array(data)
        with contextlib.suppress(WireError):
            decode(record)
        assert not Trap.sprung
    record[weights]["values"] = array(objects)
    rejected(decode, record, "shape")


def test_weights_that_are_not_those_named_are_rejected() -> None:
    record = encode_task(a_task())
    record["weights"]["values"] = Array(VECTOR[::-1].copy())
    rejected(lambda r: decode_task(r, SHAPES), record, "model")


@pytest.mark.parametrize(
    "text", ["", "{}", "[" * 4000, "null", '{"seq":0}', "\ud7ff\0", an_intent().model_dump_json()[:-1]]
)
def test_an_intent_that_cannot_be_read_is_rejected(text: str) -> None:
    record = encode_update(an_update())
    record["update"]["intent"] = text
    rejected(lambda r: decode_update(r, SHAPES), record, "schema")


def test_what_the_array_says_of_itself_is_not_believed(message) -> None:
    record, decode, _, weights = message
    record[weights]["values"] = Array(dtype="object", shape=(10**9, 10**9), stype="pickle", data=GOOD)
    decode(record)


spoilt = st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
bytes_like_good = st.lists(spoilt, max_size=4).map(
    lambda changes: bytes(dict(changes).get(i, byte) for i, byte in enumerate(GOOD))
)


@given(data=st.binary(max_size=300) | bytes_like_good | bytes_like_good.map(lambda b: b[:-3]))
def test_whatever_bytes_come_are_a_finite_weight_or_a_wire_error(data: bytes) -> None:
    record = encode_update(an_update())
    record["delta"]["values"] = array(data)
    try:
        delta = decode_update(record, SHAPES).delta
    except WireError as error:
        reason = error.reason
    else:
        reason = "taken"
        assert data[:128] == GOOD[:128]
        assert shapes_of(delta) == SHAPES
        assert all(bool(torch.isfinite(value).all()) for value in delta.values())
    assert reason in ("taken", "shape", "not_finite")


@given(text=st.text(max_size=300), name=st.sampled_from(["nonce", "intent"]))
def test_whatever_text_comes_is_a_wire_error(text: str, name: str) -> None:
    record = encode_update(an_update())
    record["update"][name] = text
    rejected(lambda r: decode_update(r, SHAPES), record, "schema")
