"""Live reading runs the study's newest weights, else the starter weights, and says where there are none."""

import numpy as np
import pytest

from fl_client.live import model as module
from fl_client.live.convert import convert
from fl_client.live.model import ModelSource
from fl_client.live.streams import WindowStreams
from shared_models.errors import ModelError
from shared_models.files import atomic_write


@pytest.fixture
def conversions(monkeypatch, starter):
    """What is converted, in order. Names in `broken` cannot be."""
    asked, broken = [], set()

    def fake(initial, model, scheme):
        asked.append(initial)
        if initial in broken:
            raise ModelError("These weights are damaged")
        return starter[1].step

    monkeypatch.setattr(module, "convert", fake)
    return asked, broken


def test_each_model_is_given_once_and_the_study_s_goes_first(tmp_path, policy, conversions):
    kept, (asked, _) = tmp_path / "model.safetensors", conversions
    source = ModelSource(kept, policy)
    assert isinstance(source.newer(), WindowStreams)
    assert source.newer() is None
    for content in (b"one", b"two"):
        atomic_write(kept, content)
        assert source.newer() is not None
        assert source.newer() is None
    assert asked == ["starter", str(kept), str(kept)]


def test_where_the_kept_weights_are_of_no_use_the_starter_weights_are(tmp_path, policy, conversions):
    kept, (asked, broken) = tmp_path / "model.safetensors", conversions
    broken.add(str(kept))
    kept.write_bytes(b"of another study")
    assert ModelSource(kept, policy).newer() is not None
    assert asked == [str(kept), "starter"]


def test_where_there_are_neither_it_says_so_once(tmp_path, policy, conversions):
    conversions[1].add("starter")
    source = ModelSource(tmp_path / "none", policy)
    with pytest.raises(ModelError):
        source.newer()
    assert source.newer() is None


def test_weights_become_a_streaming_step_in_a_process_of_their_own(starter):
    streams, here = (WindowStreams(step) for step in (convert("starter", "cnn-lstm", "basic-7"), starter[1].step))
    assert streams.header == here.header
    crop = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    np.testing.assert_allclose(streams.step(crop), here.step(crop), atol=1e-6)


def test_a_model_that_does_not_stream_is_named_whatever_its_weights():
    with pytest.raises(ModelError, match=r"model cnn-bilstm cannot read one frame at a time.*such as cnn-lstm"):
        convert("starter", "cnn-bilstm", "basic-7")


def test_why_they_do_not_is_one_sentence(tmp_path):
    with pytest.raises(ModelError, match=r"made ready for live reading: The weights file none\.st cannot be used"):
        convert(str(tmp_path / "none.st"), "cnn-lstm", "basic-7")
