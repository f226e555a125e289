import copy

import pytest
import torch
from torch import Tensor, nn

from shared_models.errors import ModelError
from shared_models.networks.compact import CompactEncoder
from shared_models.networks.mobilenet import MobileNetEncoder
from shared_models.privacy.gradients.time_distributed import (
    conv2d_gradients,
    distribute_over_time,
    group_norm_gradients,
)

BATCH, TIME = 2, 3
CONVOLUTIONS = {
    "plain": nn.Conv2d(4, 6, 3),
    "strided": nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False),
    "depthwise": nn.Conv2d(4, 8, 3, padding=1, groups=4),
    "dilated": nn.Conv2d(4, 2, (3, 1), padding=(2, 0), dilation=2),
    "pointwise": nn.Conv2d(4, 6, 1),
}
LAYERS = CONVOLUTIONS | {
    "norm": nn.GroupNorm(2, 4),
    "max": nn.MaxPool2d(2),
    "average": nn.AvgPool2d(2),
    "global average": nn.AdaptiveAvgPool2d(1),
}


def some_frames(channels: int = 4, size: int = 8) -> Tensor:
    return torch.rand(BATCH, TIME, channels, size, size, generator=torch.Generator().manual_seed(1))


def distributed(layer: nn.Module) -> nn.Module:
    """A copy for sequences, inside a network of its own."""
    network = nn.Sequential(copy.deepcopy(layer))
    distribute_over_time(network)
    return network[0]


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_does_to_each_frame_of_a_sequence_what_it_did_to_a_frame(name: str) -> None:
    layer, frames = LAYERS[name], some_frames()
    expected = torch.stack([layer(sequence) for sequence in frames])
    torch.testing.assert_close(distributed(layer)(frames), expected)


@pytest.mark.parametrize("name", [*CONVOLUTIONS, "norm"])
def test_a_layer_has_one_gradient_for_each_sequence(name: str) -> None:
    layer, frames = distributed(LAYERS[name]), some_frames()
    outputs = layer(frames)
    backprops = torch.rand(outputs.shape, generator=torch.Generator().manual_seed(2)) - 0.5
    sampler = group_norm_gradients if name == "norm" else conv2d_gradients

    found = sampler(layer, [frames], backprops)

    assert set(found) == set(layer.parameters())
    for i in range(BATCH):
        alone = torch.autograd.grad((outputs[i] * backprops[i]).sum(), list(layer.parameters()), retain_graph=True)
        for parameter, gradient in zip(layer.parameters(), alone, strict=True):
            torch.testing.assert_close(found[parameter][i], gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["plain", "norm"])
def test_a_frozen_parameter_has_no_gradient(name: str) -> None:
    layer, frames = distributed(LAYERS[name]), some_frames()
    layer.weight.requires_grad_(False)
    sampler = group_norm_gradients if name == "norm" else conv2d_gradients
    assert set(sampler(layer, [frames], torch.ones_like(layer(frames)))) == {layer.bias}


@pytest.mark.parametrize("encoder", [CompactEncoder, MobileNetEncoder])
def test_an_encoder_keeps_its_parameters_and_its_features(encoder: type[nn.Module]) -> None:
    torch.manual_seed(3)
    plain, frames = encoder(), some_frames(1, 32)
    whole = copy.deepcopy(plain)
    distribute_over_time(whole)
    expected = plain(frames.flatten(0, 1)).unflatten(0, (BATCH, TIME))
    torch.testing.assert_close(whole(frames), expected)
    assert list(whole.state_dict()) == list(plain.state_dict())


class OwnWeight(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.activation = nn.ReLU()


@pytest.mark.parametrize(
    "layer",
    [nn.BatchNorm2d(4), nn.Conv3d(1, 1, 3), nn.Flatten(), nn.LayerNorm(8), nn.Dropout2d(), OwnWeight()],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_that_would_mix_time_with_the_rest_is_refused_by_name(layer: nn.Module) -> None:
    encoder = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Sequential(nn.ReLU(), layer))
    with pytest.raises(ModelError, match=rf"layer 1\.1 \({type(layer).__name__}\) has no form.*nn\.GroupNorm"):
        distribute_over_time(encoder)


@pytest.mark.parametrize("options", [{"padding": "same"}, {"padding": 1, "padding_mode": "circular"}])
def test_padding_that_the_gradient_would_not_know_is_refused(options: dict) -> None:
    with pytest.raises(ModelError, match=r"layer 0 pads by.*with zeros"):
        distribute_over_time(nn.Sequential(nn.Conv2d(1, 4, 3, **options)))
