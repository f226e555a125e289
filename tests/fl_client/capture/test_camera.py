import os
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest

from fl_client.capture import camera as camera_module
from fl_client.capture.sources import CameraSource, open_source
from shared_models.errors import CameraError


class FakeCamera:
    """Stands for cv2.VideoCapture: delivers `frames` frames, a tenth of a second apart, then is unplugged.

    A frame whose number is in `bad` cannot be decoded.
    """

    def __init__(self, frames, opened=True, bad=()):
        self.frames, self.opened, self.bad = frames, opened, bad
        self.taken, self.released = 0, False

    def isOpened(self):  # noqa: N802
        return self.opened

    def set(self, *_):
        return True

    def grab(self):
        self.taken += 1
        return self.taken <= self.frames

    def retrieve(self):
        readable = self.taken not in self.bad
        return readable, np.full((48, 64, 3), self.taken, np.uint8) if readable else None

    def release(self):
        self.released = True


@pytest.fixture
def plug_in(monkeypatch):
    """`plug_in(*cameras)`: one for each time that the camera is opened."""

    def plug_in(*cameras):
        ticks, waiting = count(1000), list(cameras)
        monkeypatch.setattr(cv2, "VideoCapture", lambda index: waiting.pop(0))
        monkeypatch.setattr(camera_module, "_clock", lambda: next(ticks) / 10)
        return cameras

    return plug_in


def test_a_camera_runs_on_the_clock_until_it_is_unplugged(plug_in):
    cameras = plug_in(FakeCamera(6))
    looked_at = []
    with open_source("3", 5) as source:
        assert isinstance(source, CameraSource)
        assert source.live
        with pytest.raises(CameraError, match="Camera 3 stopped"):
            looked_at.extend(source)
    # A frame comes each .1 s; of those, five a second are looked at.
    assert [seconds for seconds, _ in looked_at] == pytest.approx([0.1, 0.2, 0.4, 0.6])
    assert all(frame.shape == (48, 64, 3) for _, frame in looked_at)
    assert all(camera.released for camera in cameras)


def test_a_camera_that_comes_back_goes_on_on_the_same_timeline(plug_in):
    plug_in(FakeCamera(3), FakeCamera(0, opened=False), FakeCamera(3))
    source, times = open_source("0", 10), []
    for sentence in ("stopped", "cannot be opened", "stopped"):
        with pytest.raises(CameraError, match=sentence):
            times.extend(seconds for seconds, _ in source)
    assert len(times) == 6
    assert times == sorted(set(times))


def test_the_camera_is_let_go_of_when_it_is_closed(plug_in):
    [opened] = plug_in(FakeCamera(10))
    source = open_source("0", 10)
    frames = iter(source)
    next(frames)
    assert not opened.released
    source.close()
    assert opened.released


def test_frames_that_cannot_be_decoded_are_left_out(plug_in):
    plug_in(FakeCamera(6, bad=(2, 3)))
    seen = []
    with open_source("0", 10) as source, pytest.raises(CameraError):
        seen.extend(frame[0, 0, 0] for _, frame in source)
    assert seen == [1, 4, 5, 6]


def test_a_camera_that_sends_only_rubbish_stops(plug_in):
    plug_in(FakeCamera(10**9, bad=range(10**9)))
    with pytest.raises(CameraError, match="gives no picture"):
        list(open_source("0", 10))


def test_a_camera_in_use_is_named(plug_in):
    plug_in(FakeCamera(0))
    with pytest.raises(CameraError, match="Camera 0 gives no picture: another program uses it"):
        list(open_source("0", 10))


@pytest.mark.parametrize(
    ("there", "allowed", "words"),
    [(False, False, "it is not there"), (True, False, "may not use /dev/video7"), (True, True, "another program")],
)
def test_why_a_camera_cannot_be_opened_is_said(plug_in, monkeypatch, there, allowed, words):
    monkeypatch.setattr(camera_module.sys, "platform", "linux")
    monkeypatch.setattr(Path, "exists", lambda _: there)
    monkeypatch.setattr(os, "access", lambda *_: allowed)
    [camera] = plug_in(FakeCamera(frames=0, opened=False))
    with pytest.raises(CameraError, match=f"Camera 7 cannot be opened: .*{words}"):
        list(open_source("7", 10))
    assert camera.released


def test_a_camera_that_opencv_does_not_find_is_one_error_and_no_noise(capfd):
    with pytest.raises(CameraError, match="Camera 98 cannot be opened"):
        list(open_source("98", 10))
    assert capfd.readouterr().err == ""
