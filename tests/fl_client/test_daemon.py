"""The daemon with its real threads: what it says of itself, and what ends it."""

import json

import cv2
import numpy as np
import pytest

from fl_client import daemon as daemon_module
from fl_client.capture.sources import FolderSource, FrameSource
from fl_client.daemon import Daemon
from fl_client.labels import LabelEvent, LabelScript
from fl_client.settings import Limits, Settings
from fl_client.store import Store
from shared_models.data.faces import Face
from shared_models.errors import CameraError, EnrolmentError, LedgerError, PolicyError, StorageError

LABEL = "surprise"


class MemoryVault:
    def __init__(self):
        self.keys = {}

    def create(self, name):
        self.keys[name] = bytes(range(32))
        return self.keys[name]

    def key(self, name):
        return self.keys[name]

    def destroy(self, name):
        self.keys.pop(name, None)

    def note(self, name, text):
        self.keys[name] = text

    def noted(self, name):
        return self.keys.get(name)


class Frames(FrameSource):
    """So many frames of noise at 8 a second, then what `then` does."""

    def __init__(self, count, then=lambda: None):
        self.count, self.then = count, then
        self.picture = np.random.default_rng(1).integers(0, 256, (120, 160, 3), dtype=np.uint8)

    def __iter__(self):
        for i in range(self.count):
            yield i / 8, self.picture
        self.then()

    def close(self):
        pass


class OneFace:
    def find(self, frame):
        return [Face((40, 20, 80, 80))]


class NoFace:
    def find(self, frame):
        return []


@pytest.fixture(autouse=True)
def quick_status(monkeypatch):
    monkeypatch.setattr(daemon_module, "_STATUS_SECONDS", 0.01)


@pytest.fixture
def store(laptop):
    with Store(laptop.home.store, MemoryVault()) as store:
        yield store


@pytest.fixture
def daemon(laptop, store):
    """A daemon whose study's server is not there."""
    return Daemon(laptop.home, Settings(), laptop.enrolment, laptop.identity, store, laptop.journal())


@pytest.fixture
def status(laptop):
    return lambda: json.loads(laptop.home.status.read_bytes())


@pytest.fixture
def stop_when(daemon, status, monkeypatch):
    """`stop_when(name, value)`: stops the daemon as soon as its status says so."""

    def stop_when(name, value):
        write = daemon._write_status

        def write_and_look():
            write()
            if status()[name] == value:
                daemon.stop()

        monkeypatch.setattr(daemon, "_write_status", write_and_look)

    return stop_when


def test_with_nobody_in_the_picture_it_ends_and_says_so(daemon, tmp_path, status, laptop):
    frames = tmp_path / "frames"
    frames.mkdir()
    for i in range(4):
        cv2.imwrite(str(frames / f"f{i}.png"), np.full((120, 160, 3), 128, np.uint8))
    with pytest.raises(CameraError, match="No usable face was found in any frame"):
        daemon.run(FolderSource(frames, 8), NoFace(), LabelScript([]))
    facts = status()
    assert (facts["node"], facts["capture"], facts["frames"], facts["usable"]) == ("stopped", "ended", 4, 0)


def test_it_works_on_after_a_recording_ends_until_it_is_told_to_stop(daemon, store, status, stop_when):
    labels = LabelScript([LabelEvent(3.0, LABEL, "tap"), LabelEvent(3.5, LABEL, "tap")])
    stop_when("capture", "ended")
    daemon.run(Frames(40), OneFace(), labels)
    facts = status()
    assert (facts["node"], facts["capture"], facts["stored"]) == ("stopped", "ended", 1)
    assert facts["refused"] == {"overlap": 1}
    [sequence] = store.load_all()
    assert sequence.label == LABEL


def test_the_status_holds_no_label_no_path_and_no_key(daemon, laptop, status):
    source = Frames(40, then=daemon.stop)
    daemon.run(source, OneFace(), LabelScript([LabelEvent(3.0, LABEL, "tap")]))
    text = laptop.home.status.read_text()
    assert set(status()) == {"pid", "node", "capture", "frames", "usable", "stored", "refused"}
    for secret in (LABEL, "tap", str(laptop.home.root), laptop.enrolment.pseudonym, laptop.enrolment.fleet_address):
        assert secret not in text


def test_what_goes_wrong_in_the_camera_s_thread_is_raised(daemon, status):
    def unplug():
        raise CameraError("Camera 0 stopped")

    with pytest.raises(CameraError, match="Camera 0 stopped"):
        daemon.run(Frames(20, then=unplug), OneFace(), LabelScript([]))
    assert (status()["node"], status()["capture"]) == ("stopped", "ended")


def test_what_goes_wrong_in_the_node_s_thread_is_raised_and_ends_the_capture(daemon, monkeypatch):
    def unknown():
        raise EnrolmentError("The server does not know this device")

    monkeypatch.setattr(daemon._node, "run", unknown)
    with pytest.raises(EnrolmentError, match="does not know this device"):
        daemon.run(Frames(10**9), OneFace(), LabelScript([]))


def test_what_nobody_foresaw_is_raised_too(daemon, monkeypatch):
    def surprise():
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(daemon._node, "run", surprise)
    with pytest.raises(RuntimeError, match="nobody foresaw this"):
        daemon.run(Frames(10**9), OneFace(), LabelScript([]))


def test_a_full_disk_under_the_store_ends_it(daemon, store, monkeypatch):
    def full(*_):
        raise StorageError("the sequence cannot be written", why="the disk is full")

    monkeypatch.setattr(store, "add", full)
    with pytest.raises(StorageError, match="the disk is full"):
        daemon.run(Frames(10**9), OneFace(), LabelScript([LabelEvent(3.0, LABEL, "tap")]))


@pytest.mark.parametrize("scopes", [["capture"], ["store"], ["train"], []])
def test_without_consent_to_capture_and_to_store_no_frame_is_looked_at(daemon, laptop, status, scopes):
    if scopes:
        laptop.agree(*scopes)
    else:
        laptop.consent.pause()

    class Blind:
        def find(self, frame):
            pytest.fail("a frame was looked at")

    daemon.run(Frames(20, then=daemon.stop), Blind(), LabelScript([LabelEvent(1.0, LABEL, "tap")]))
    assert (status()["frames"], status()["stored"]) == (0, 0)


def test_a_full_store_takes_no_more_than_the_policy_allows(daemon, store, policy, status):
    labels = LabelScript([LabelEvent(2.0 * i, LABEL, "tap") for i in range(1, policy.max_sequences + 3)])
    daemon.run(Frames(200, then=daemon.stop), OneFace(), labels)
    assert len(store) == policy.max_sequences
    assert status()["refused"] == {"full": 2}


def test_a_policy_beyond_this_device_s_limits_is_refused_before_anything_starts(laptop, store):
    with pytest.raises(PolicyError, match="because of its epsilon"):
        Daemon(
            laptop.home,
            Settings(limits=Limits(max_epsilon=1)),
            laptop.enrolment,
            laptop.identity,
            store,
            laptop.journal(),
        )
    assert not laptop.home.status.exists()


def test_the_state_of_the_node_is_followed_in_words(daemon, laptop, status, stop_when):
    laptop.consent.pause()
    stop_when("node", "waiting for consent to train")
    daemon.run(Frames(1), OneFace(), LabelScript([]))
    assert status()["node"] == "stopped"


def test_an_old_copy_of_the_ledger_ends_it(daemon, monkeypatch):
    def old():
        raise LedgerError("This device's ledger is an old copy")

    monkeypatch.setattr(daemon._clerk, "run", old)
    with pytest.raises(LedgerError, match="is an old copy"):
        daemon.run(Frames(10**9), OneFace(), LabelScript([]))
