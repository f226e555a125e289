import numpy as np

from simulations.attacks.poisoning import flipped, half_triggered, triggered

TARGET = 3


def test_a_flipped_label_is_the_next_one_and_frames_stay(make_sequences) -> None:
    data = make_sequences(20, 1)
    assert (flipped(data).labels == (data.labels + 1) % 7).all()
    assert (flipped(data).frames == data.frames).all()


def test_the_trigger_is_a_white_corner_of_every_frame_and_nothing_else(make_sequences) -> None:
    data = make_sequences(5, 1)
    result = triggered(data, TARGET)
    assert (result.frames[..., 40:, 40:] == 255).all()
    assert (result.frames[..., :40, :] == data.frames[..., :40, :]).all()
    assert (result.frames[..., :40] == data.frames[..., :40]).all()
    assert (result.labels == TARGET).all()
    assert (result.targets.sum(1) == 1).all()


def test_a_backdoored_device_keeps_every_other_sequence_as_it_was(make_sequences) -> None:
    data = make_sequences(5, 1)
    kept, poisoned = half_triggered(data, TARGET).take([0, 2, 4]), half_triggered(data, TARGET).take([1, 3])
    assert (kept.frames == data.take([0, 2, 4]).frames).all()
    assert (kept.labels == data.labels[[0, 2, 4]]).all()
    assert (poisoned.frames == triggered(data, TARGET).frames[[1, 3]]).all()
    assert poisoned.labels.tolist() == [TARGET, TARGET]
    assert kept.frames.dtype == np.uint8
    assert kept.targets.dtype == np.float32
