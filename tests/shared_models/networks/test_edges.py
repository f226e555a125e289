"""Edges are told apart by their direction and place, and not by the light they are seen in."""

import math

import pytest
import torch
from torch import Tensor

from shared_models.networks.edges import EdgeEncoder


def stripes(degrees: float) -> Tensor:
    """(1, 1, 48, 48): light that changes along this direction, in soft stripes."""
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    angle = math.radians(degrees)
    return (0.5 + 0.2 * torch.sin((x * math.cos(angle) + y * math.sin(angle)) / 2))[None, None]


@pytest.mark.parametrize(("degrees", "direction"), [(0, 0), (30, 1), (60, 2), (90, 3), (150, 5), (180, 0)])
def test_the_strongest_direction_is_that_of_the_light_s_change(degrees: float, direction: int) -> None:
    maps = EdgeEncoder().maps(stripes(degrees))
    assert maps.shape == (1, 6, 24, 24)
    assert int(maps[0, :, 2:-2, 2:-2].mean((-2, -1)).argmax()) == direction


def test_half_the_contrast_in_other_light_is_the_same_face() -> None:
    encoder, frame = EdgeEncoder(), stripes(20)
    features = encoder(frame)
    assert features.shape == (1, encoder.features)
    torch.testing.assert_close(encoder(frame / 2 + 0.3), features, atol=0.05, rtol=0)
    assert (encoder(frame.transpose(2, 3)) - features).abs().max() > 0.3


def test_nothing_is_seen_where_nothing_is_and_nothing_is_learnt() -> None:
    encoder = EdgeEncoder()
    assert encoder(torch.full((2, 1, 48, 48), 0.4)).abs().max() < 1e-6
    assert not list(encoder.parameters())
    assert not encoder.state_dict()
