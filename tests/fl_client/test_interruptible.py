import pytest
import torch

from fl_client.conditions.gate import HeldUp
from fl_client.interruptible import InterruptibleEngine
from shared_models.privacy.gradients import engine_by_name

CLIP = 0.5


@pytest.fixture
def batch(model):
    """States of the temporal stage of ten sequences, and their targets."""
    torch.manual_seed(3)
    return torch.randn(10, 1, 16, model.classifier.pool.score.in_features), torch.eye(7)[torch.arange(10) % 7]


@pytest.mark.parametrize("name", ["fast", "opacus"])
@pytest.mark.parametrize("count", [0, 1, 4, 10])
def test_pieces_add_up_to_the_whole(model, batch, name, count):
    engine = engine_by_name(name)
    inputs, targets = batch[0][:count], batch[1][:count]
    whole = engine.clipped_sum(model, "classifier", inputs, targets, CLIP)
    pieces = InterruptibleEngine(engine, lambda: None)
    assert pieces.name == name
    total = pieces.clipped_sum(model, "classifier", inputs, targets, CLIP)
    assert list(total) == list(whole)
    for one, other in zip(total.values(), whole.values(), strict=True):
        assert one.dtype == torch.float64
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


def test_it_looks_up_before_every_fourth_sequence_and_what_that_raises_ends_the_work(model, batch):
    looks = []

    def look_up():
        looks.append(1)
        if len(looks) == 3:
            raise HeldUp

    engine = InterruptibleEngine(engine_by_name("fast"), look_up)
    engine.clipped_sum(model, "classifier", batch[0][:8], batch[1][:8], CLIP)
    assert len(looks) == 2
    with pytest.raises(HeldUp):
        engine.clipped_sum(model, "classifier", *batch, CLIP)
