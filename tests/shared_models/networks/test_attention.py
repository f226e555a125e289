import pytest
import torch
from torch import Tensor, nn

from shared_models.networks.attention import ChannelAttention, SpatialAttention, attention_by_name
from shared_models.networks.names import ATTENTIONS


def some_maps() -> Tensor:
    return torch.rand(2, 16, 5, 4, generator=torch.Generator().manual_seed(1)) + 0.1


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(2)


def test_a_channel_is_weighed_as_a_whole() -> None:
    maps = some_maps()
    weights = ChannelAttention(16)(maps) / maps
    torch.testing.assert_close(weights, weights[..., :1, :1].expand_as(weights))
    assert weights[0, :, 0, 0].std() > 1e-3
    assert 0 < weights.min() <= weights.max() < 1


def test_a_place_is_weighed_in_all_channels_alike() -> None:
    maps = some_maps()
    weights = SpatialAttention()(maps) / maps
    torch.testing.assert_close(weights, weights[:, :1].expand_as(weights))
    assert weights[0, 0].std() > 1e-3
    assert 0 < weights.min() <= weights.max() < 1


def test_both_are_channels_before_places() -> None:
    maps, both = some_maps(), attention_by_name("cbam", 16)
    assert [type(step) for step in both.children()] == [ChannelAttention, SpatialAttention]
    torch.testing.assert_close(both(maps), both[1](both[0](maps)))


@pytest.mark.parametrize("name", ATTENTIONS)
def test_maps_keep_their_shape(name: str) -> None:
    assert attention_by_name(name, 16)(some_maps()).shape == some_maps().shape


def test_no_attention_is_nothing() -> None:
    assert isinstance(attention_by_name("", 16), nn.Identity)
