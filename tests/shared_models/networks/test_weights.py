import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from shared_models.errors import ModelError
from shared_models.networks.model import EmotionModel
from shared_models.networks.registry import build_model
from shared_models.networks.weights import WeightsHeader, load_model, save_model, weights_hash

HEADER = WeightsHeader(
    model="cnn-lstm", scheme="basic-7", input_shape=(16, 1, 48, 48), training_data="12 rendered people, seed 1"
)
SEEN = ("ffffffffffffffff", "0000000000000001", "8000000000000000", "0123456789abcdef")


@pytest.fixture(scope="module")
def model() -> EmotionModel:
    torch.manual_seed(9)
    return build_model("cnn-lstm", 7)


@pytest.fixture
def path(tmp_path: Path, model: EmotionModel) -> Path:
    save_model(tmp_path / "model.safetensors", model, HEADER, SEEN)
    return tmp_path / "model.safetensors"


def header_bytes(raw: bytes) -> int:
    """The length of a safetensors header with the eight bytes that give it."""
    return 8 + int(struct.unpack("<Q", raw[:8])[0])


def test_a_model_comes_back_bit_for_bit_with_what_its_file_says(path: Path, model: EmotionModel) -> None:
    loaded, header, seen = load_model(path)
    assert header == HEADER
    assert seen == frozenset(SEEN)
    assert not loaded.training
    assert weights_hash(loaded.state_dict()) == weights_hash(model.state_dict())
    for name, value in model.state_dict().items():
        assert loaded.state_dict()[name].numpy().tobytes() == value.numpy().tobytes()


def test_a_model_that_has_seen_nothing_says_so(tmp_path: Path, model: EmotionModel) -> None:
    save_model(tmp_path / "m", model, HEADER)
    assert load_model(tmp_path / "m")[2] == frozenset()


def test_the_header_is_plain_json(path: Path) -> None:
    raw = path.read_bytes()
    header = json.loads(json.loads(raw[8 : header_bytes(raw)])["__metadata__"]["attune"])
    assert header == json.loads(HEADER.model_dump_json())
    assert header["model"] == "cnn-lstm"
    assert header["input_shape"] == [16, 1, 48, 48]


def test_a_file_that_ends_anywhere_too_early_is_refused(path: Path) -> None:
    raw = path.read_bytes()
    for length in (0, 1, 7, 8, 100, header_bytes(raw), header_bytes(raw) + 1, len(raw) // 2, len(raw) - 1):
        path.write_bytes(raw[:length])
        with pytest.raises(ModelError, match=r"model\.safetensors cannot be used"):
            load_model(path)
    path.write_bytes(raw + b"\0")
    with pytest.raises(ModelError):
        load_model(path)


def test_a_flipped_bit_of_the_header_never_loads_other_weights(path: Path, model: EmotionModel) -> None:
    raw, refused = path.read_bytes(), 0
    places = [*range(0, 9), *range(9, header_bytes(raw), 11)]
    for place in places:
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        try:
            loaded, _, _ = load_model(path)
        except ModelError:
            refused += 1
        else:  # a letter of the sentence about the training data, or of the padding
            assert weights_hash(loaded.state_dict()) == weights_hash(model.state_dict())
    assert refused > 0.8 * len(places)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", '"other"'),
        ("scheme", '"basic-8"'),
        ("scheme", '"unheard-of"'),
        ("input_shape", "[16, 1, 48]"),
        ("version", "2"),
        ("model", "[" * 5000),
    ],
)
def test_a_header_that_does_not_fit_is_refused(path: Path, key: str, value: str) -> None:
    tensors = load_file(path)
    fields = {name: json.dumps(kept) for name, kept in json.loads(HEADER.model_dump_json()).items()} | {key: value}
    save_file(tensors, path, {"attune": "{" + ",".join(f'"{k}":{v}' for k, v in fields.items()) + "}"})
    with pytest.raises(ModelError):
        load_model(path)


def test_a_file_without_our_header_is_refused(path: Path) -> None:
    save_file(load_file(path), path)
    with pytest.raises(ModelError, match="cannot be used"):
        load_model(path)


@pytest.mark.parametrize("kind", [torch.int32, torch.float64, torch.bfloat16])
def test_weights_of_another_type_are_refused_not_converted(path: Path, kind: torch.dtype) -> None:
    tensors = load_file(path)
    tensors["classifier.linear.bias"] = tensors["classifier.linear.bias"].to(kind)
    save_file(tensors, path, {"attune": HEADER.model_dump_json()})
    with pytest.raises(ModelError, match="cannot be used"):
        load_model(path)


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_weights_of_another_model_are_refused(path: Path, change: str) -> None:
    tensors = load_file(path)
    if change == "missing":
        del tensors["classifier.linear.bias"]
    else:
        tensors["classifier.linear.bias" if change == "shape" else "more"] = torch.zeros(8)
    save_file(tensors, path, {"attune": HEADER.model_dump_json()})
    with pytest.raises(ModelError, match="cannot be used"):
        load_model(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.safetensors cannot be used.*fl-server pretrain"):
        load_model(tmp_path / "absent.safetensors")


def test_the_hash_changes_with_every_value_name_and_shape() -> None:
    weights = {"b": torch.arange(6.0).view(2, 3), "a": torch.zeros(2)}
    seen = {weights_hash(weights)}
    for name in weights:
        for place in range(weights[name].numel()):
            changed = {n: w.clone() for n, w in weights.items()}
            changed[name].view(-1)[place] = torch.nextafter(changed[name].view(-1)[place], torch.tensor(9.0))
            seen.add(weights_hash(changed))
    seen.add(weights_hash({"b": weights["b"], "c": weights["a"]}))
    seen.add(weights_hash({"b": weights["b"].view(3, 2), "a": weights["a"]}))
    seen.add(weights_hash({"b": weights["a"], "a": weights["b"]}))
    seen.add(weights_hash({"b": weights["b"]}))
    seen.add(weights_hash({"b": weights["b"], "a": -weights["a"]}))
    assert len(seen) == 1 + 8 + 5


def test_the_hash_does_not_depend_on_order_or_memory_layout() -> None:
    value = torch.arange(6.0).view(2, 3)
    spread = value.t().contiguous().t()
    one = weights_hash({"a": value, "b": torch.ones(())})
    assert one == weights_hash({"b": torch.ones((), requires_grad=True), "a": spread})
    assert len(one) == 64
