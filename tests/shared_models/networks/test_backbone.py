"""torchvision's networks as encoders."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from shared_models.errors import ModelError
from shared_models.networks.backbone import Backbone, Residual
from shared_models.networks.efficientnet import EfficientNetEncoder
from shared_models.networks.mobilenet import MobileNetEncoder
from shared_models.networks.resnet import BasicBlock, ResNetEncoder
from shared_models.networks.torchvision_guard import import_torchvision

KINDS = {MobileNetEncoder: (576, 1_000_000), EfficientNetEncoder: (1280, 4_100_000), ResNetEncoder: (512, 11_200_000)}
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


@pytest.fixture(scope="module")
def encoders() -> dict[type[Backbone], Backbone]:
    torch.manual_seed(5)
    return {kind: kind() for kind in KINDS}


@pytest.fixture
def encoder(encoders: dict[type[Backbone], Backbone], kind: type[Backbone]) -> Backbone:
    return encoders[kind]


def gray(count: int = 2, size: int = 48) -> Tensor:
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(6))


def their_network(kind: type[Backbone], norm: type[nn.Module] | None = None) -> nn.Module:
    """torchvision's own, with its BatchNorm unless another norm is given."""
    torch.manual_seed(7)
    build = getattr(import_torchvision().models, kind.name)
    return build(weights=None, norm_layer=norm).eval()


def weights_of(network: nn.Module, kind: type[Backbone]) -> dict[str, Tensor]:
    """What a file of theirs has of what an encoder takes: no statistics, no classifier."""
    parameters = {name: p.detach() for name, p in network.named_parameters()}
    return {name: value for name, value in parameters.items() if not name.startswith(kind.top)}


@each_kind
def test_a_gray_frame_becomes_features_or_maps(encoder: Backbone, kind: type[Backbone]) -> None:
    features, most = KINDS[kind]
    with torch.inference_mode():
        assert encoder(gray()).shape == (2, encoder.features) == (2, features)
        torch.testing.assert_close(encoder.maps(gray()).mean((-2, -1)), encoder(gray()))
    assert 0.9 * most < sum(p.numel() for p in encoder.parameters()) < most


@each_kind
def test_it_computes_what_torchvision_computes(encoder: Backbone, kind: type[Backbone]) -> None:
    theirs = their_network(kind, lambda channels: nn.GroupNorm(8, channels))
    names = weights_of(theirs, kind)
    theirs.load_state_dict(dict(zip(names, encoder.state_dict().values(), strict=True)), strict=False)
    *_, top = theirs.children()
    seen: list[Tensor] = []
    top.register_forward_hook(lambda module, given, output: seen.append(given[0]))
    with torch.inference_mode():
        theirs((gray() - 0.5).repeat(1, 3, 1, 1))
        torch.testing.assert_close(encoder(gray()), seen[0])


@each_kind
def test_nothing_is_overwritten_before_the_backward_pass_has_seen_it(encoder: Backbone, kind: type[Backbone]) -> None:
    sums = {MobileNetEncoder: 6, EfficientNetEncoder: 9, ResNetEncoder: 8}
    assert sum(isinstance(module, Residual | BasicBlock) for module in encoder.modules()) == sums[kind]
    assert not any(getattr(module, "inplace", False) for module in encoder.modules())
    hooks = [module.register_full_backward_hook(lambda *seen: None) for module in encoder.modules()]
    gradients = torch.autograd.grad(encoder(gray(1).requires_grad_(True)).sum(), list(encoder.parameters()))
    assert all(torch.isfinite(g).all() for g in gradients)
    for hook in hooks:
        hook.remove()


@each_kind
def test_nothing_mixes_frames_or_is_drawn_at_random(encoder: Backbone, kind: type[Backbone]) -> None:
    kinds = {type(module).__name__ for module in encoder.modules()}
    assert "GroupNorm" in kinds
    assert not kinds & {"BatchNorm2d", "StochasticDepth", "Dropout"}


@each_kind
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_torchvisions_weights_are_taken_from_a_file(kind: type[Backbone], suffix: str, tmp_path: Path) -> None:
    path, theirs = tmp_path / f"weights.{suffix}", their_network(kind)
    if suffix == "pth":
        torch.save(theirs.state_dict(), path)
    else:
        save_file(theirs.state_dict(), path)
    encoder = kind()
    encoder.load_torchvision(path)
    for ours, value in zip(encoder.state_dict().values(), weights_of(theirs, kind).values(), strict=True):
        assert torch.equal(ours, value)


def test_weights_of_another_network_are_refused_by_name(tmp_path: Path) -> None:
    encoder, path = MobileNetEncoder(), tmp_path / "weights.pth"
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    right = their_network(MobileNetEncoder).state_dict()
    first = "features.0.0.weight"
    wrong = {
        "such as features.0.0.weight": {n: v for n, v in right.items() if n != first},
        "such as features.99.weight": right | {"features.99.weight": torch.zeros(1)},
        "such as bn1.bias": their_network(ResNetEncoder).state_dict(),
        r"size mismatch for features.0.0.weight.*\[16, 1, 3, 3\]": right | {first: torch.zeros(16, 1, 3, 3)},
    }
    for message, weights in wrong.items():
        torch.save(weights, path)
        with pytest.raises(ModelError, match=rf"weights\.pth are not torchvision's mobilenet_v3_small.*({message})"):
            encoder.load_torchvision(path)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


@pytest.mark.parametrize(
    "name", ["none.pth", "none.safetensors", "torn.pth", "torn.safetensors", "code.pth", "list.pth"]
)
def test_a_file_that_is_no_file_of_weights_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.startswith("torn"):
        path.write_bytes(b"PK\x03\x04 not much")
    if name.startswith("code"):
        torch.save(nn.Linear(1, 1), path)
    if name.startswith("list"):
        torch.save([torch.zeros(1)], path)
    with pytest.raises(ModelError, match=rf"{name} cannot be read.*or holds more than weights"):
        MobileNetEncoder().load_torchvision(path)
