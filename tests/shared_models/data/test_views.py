import torch

from shared_models.data.views import views_of

FRAMES = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(1))


def test_the_first_view_is_the_sequence_as_it_is_and_views_are_the_same_each_time() -> None:
    views = views_of(FRAMES, 3)
    assert views.shape == (3, 4, 1, 16, 16)
    assert torch.equal(views[0], FRAMES)
    assert torch.equal(views, views_of(FRAMES, 3))
    assert torch.equal(views[:2], views_of(FRAMES, 2))


def test_every_frame_of_a_view_is_transformed_alike() -> None:
    still = FRAMES[:1].expand(4, -1, -1, -1)
    for view in views_of(still, 6):
        assert all(torch.equal(frame, view[0]) for frame in view)
