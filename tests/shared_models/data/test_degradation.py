import pytest
import torch
from torch import Tensor

from shared_models.data.degradation import degrade, moments_with_drops


def faces(count: int = 80, channels: int = 1, size: int = 24) -> Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(1))


def degraded(frames: Tensor, seed: int = 2) -> Tensor:
    return degrade(frames, torch.Generator().manual_seed(seed))


def test_two_quarters_are_degraded_and_the_rest_is_left_alone() -> None:
    frames = faces()
    before = frames.clone()
    changed = (degraded(frames) != frames).flatten(1).any(dim=1)
    assert int(changed.sum()) == 40
    assert torch.equal(frames, before)


def test_detail_is_taken_away_or_made_stronger_and_the_mean_stays() -> None:
    frames = faces()
    seen = degraded(frames)
    detail = seen.flatten(1).std(dim=1) / frames.flatten(1).std(dim=1)
    assert float(detail.min()) < 0.6
    assert float(detail.max()) > 1.1
    torch.testing.assert_close(seen.mean((1, 2, 3)), frames.mean((1, 2, 3)), atol=0.02, rtol=0)


def test_all_channels_of_an_item_are_treated_alike() -> None:
    seen = degraded(faces(40).expand(-1, 5, -1, -1))
    torch.testing.assert_close(seen, seen[:, :1].expand_as(seen))


def test_a_seed_gives_the_same_and_another_seed_something_else() -> None:
    assert torch.equal(degraded(faces()), degraded(faces()))
    assert not torch.equal(degraded(faces()), degraded(faces(), seed=3))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_few_frames_are_too_few_to_degrade_some(count: int) -> None:
    assert torch.equal(degraded(faces(count)), faces(count))


def test_a_lost_frame_leaves_the_last_one_standing() -> None:
    moments = moments_with_drops(500, 16, 0.3, torch.Generator().manual_seed(1))
    assert moments.shape == (500, 16)
    assert bool((moments[:, 0] == 0).all())
    steps = torch.arange(16)
    lost = moments[:, 1:] != steps[1:]
    assert 0.25 < float(lost.float().mean()) < 0.35
    assert torch.equal(moments[:, 1:][lost], moments[:, :-1][lost])


def test_without_drops_every_frame_is_seen() -> None:
    moments = moments_with_drops(3, 5, 0.0, torch.Generator().manual_seed(1))
    assert moments.tolist() == [[0, 1, 2, 3, 4]] * 3
