import pytest
import torch
from torch import Tensor

from shared_models.data.augmentation import augment


def faces(count: int = 200, size: int = 24) -> Tensor:
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(1))


def views(frames: Tensor, seed: int = 2) -> Tensor:
    return augment(frames, torch.Generator().manual_seed(seed))


def test_views_have_the_form_and_range_of_frames() -> None:
    frames = faces()
    before = frames.clone()
    seen = views(frames)
    assert (seen.shape, seen.dtype) == (frames.shape, torch.float32)
    assert 0 <= float(seen.min()) < float(seen.max()) <= 1
    assert torch.equal(frames, before)


def test_a_seed_gives_the_same_views_and_another_seed_others() -> None:
    assert torch.equal(views(faces()), views(faces()))
    assert not torch.equal(views(faces()), views(faces(), seed=3))


def test_each_frame_gets_a_view_of_its_own() -> None:
    seen = views(faces(1).expand(50, -1, -1, -1).clone())
    assert len({view.numpy().tobytes() for view in seen}) == 50


def test_about_half_of_the_frames_lose_a_rectangle() -> None:
    """A share of one half, off by .17 in 200 frames with probability below 1e-5; black frames show the gray alone."""
    seen = views(torch.zeros(200, 1, 40, 40))
    erased = (seen == 0.5).flatten(1)
    assert 0.33 < float(erased.any(dim=1).float().mean()) < 0.67
    assert 0 < float(erased.float().mean(dim=1).max()) < 0.16
    for mask in (seen == 0.5)[erased.any(dim=1), 0]:
        rows, columns = mask.any(dim=1), mask.any(dim=0)
        assert int(mask.sum()) == int(rows.sum()) * int(columns.sum())


def test_about_half_of_the_frames_are_mirrored_and_none_upside_down() -> None:
    frame = torch.zeros(200, 1, 40, 40)
    frame[:, :, 17:23, :20] = 1.0  # a bar on the left, in the middle row
    frame[:, :, :8] = 0.5  # a light ceiling
    seen = views(frame).mean(dim=(1, 2))
    left = seen[:, :20].sum(dim=1) > seen[:, 20:].sum(dim=1)
    assert 0.3 < float(left.float().mean()) < 0.7
    rows = views(frame).mean(dim=(1, 3))
    assert float((rows[:, :8].mean(dim=1) > rows[:, -8:].mean(dim=1)).float().mean()) > 0.9


@pytest.mark.parametrize("level", [0.3, 0.7])
def test_light_changes_by_a_little_around_the_mean(level: float) -> None:
    seen = views(torch.full((200, 1, 16, 16), level)).flatten(1).median(dim=1).values
    assert float((seen - level).abs().max()) <= 0.2 + 1e-6
    assert float(seen.std()) > 0.03
