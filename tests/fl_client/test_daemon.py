"""The daemon with its real threads: what it says of itself, and what ends it."""

import json
import threading
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from fl_client import daemon as daemon_module
from fl_client import supervisor as supervisor_module
from fl_client.capture.sources import FolderSource, FrameSource
from fl_client.clerk import Clerk
from fl_client.conditions import power
from fl_client.conditions.gate import HeldUp
from fl_client.daemon import Daemon
from fl_client.labels import LabelEvent, LabelScript
from fl_client.node import NodeLoop
from fl_client.settings import Limits, Settings
from fl_client.store import Store
from shared_models.data.faces import Face
from shared_models.errors import CameraError, EnrolmentError, LedgerError, PolicyError, StorageError

LABEL = "surprise"
WITHOUT_PAGE = Settings.model_validate({"page": {"on": False}})


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
    monkeypatch.setattr(daemon_module, "_TICK_SECONDS", 0.01)


@pytest.fixture
def store(laptop):
    with Store(laptop.home.store, MemoryVault()) as store:
        yield store


@pytest.fixture
def make_daemon(laptop, store):
    """`make_daemon(source, ...)`: a daemon that films `source`; its study's server is not there."""

    laptop.enrolment.save(laptop.home)

    def make_daemon(source=Frames(0), finder=OneFace(), labels=(), **options):
        return Daemon(
            laptop.home,
            options.pop("settings", WITHOUT_PAGE),
            laptop.enrolment,
            laptop.identity,
            store,
            laptop.journal(),
            source,
            finder,
            LabelScript(labels),
            options.pop("withdraw", lambda: None),
            **options,
        )

    return make_daemon


@pytest.fixture
def status(laptop):
    return lambda: json.loads(laptop.home.status.read_bytes())


@pytest.fixture
def run_until(status, monkeypatch):
    """`run_until(daemon, name, value)`: stops the daemon as soon as its status says so."""

    def run_until(daemon, name, value):
        write = daemon._write_status

        def write_and_look():
            write()
            if status()[name] == value:
                daemon.stop()

        monkeypatch.setattr(daemon, "_write_status", write_and_look)
        daemon.run()

    return run_until


def endless():
    return Frames(10**9)


def raising(error):
    def run(*_):
        raise error

    return run


def test_with_nobody_in_the_picture_it_ends_and_says_so(make_daemon, tmp_path, status):
    frames = tmp_path / "frames"
    frames.mkdir()
    for i in range(4):
        cv2.imwrite(str(frames / f"f{i}.png"), np.full((120, 160, 3), 128, np.uint8))
    with pytest.raises(CameraError, match="No usable face was found in any frame"):
        make_daemon(FolderSource(frames, 8), NoFace()).run()
    facts = status()
    assert (facts["node"], facts["capture"], facts["frames"], facts["usable"]) == ("stopped", "ended", 4, 0)


def test_who_stops_it_while_nobody_is_in_the_picture_hears_of_no_error(make_daemon):
    daemon = make_daemon(Frames(10, then=lambda: daemon.stop()), NoFace())
    daemon.run()


def test_it_works_on_after_a_recording_ends_until_it_is_told_to_stop(make_daemon, store, status, run_until):
    daemon = make_daemon(Frames(40), labels=[LabelEvent(3.0, LABEL, "tap"), LabelEvent(3.5, LABEL, "tap")])
    run_until(daemon, "capture", "ended")
    facts = status()
    assert (facts["node"], facts["capture"], facts["stored"]) == ("stopped", "ended", 1)
    assert facts["refused"] == {"overlap": 1}
    [sequence] = store.load_all()
    assert sequence.label == LABEL


def test_the_status_holds_no_label_no_path_and_no_key(make_daemon, laptop, status):
    daemon = make_daemon(Frames(40, then=lambda: daemon.stop()), labels=[LabelEvent(3.0, LABEL, "tap")])
    daemon.run()
    text = laptop.home.status.read_text()
    assert set(status()["workers"]) == {"capture", "prober", "terminal", "node", "clerk", "janitor"}
    for secret in (LABEL, "tap", str(laptop.home.root), laptop.enrolment.pseudonym, laptop.enrolment.fleet_address):
        assert secret not in text


def test_a_recording_that_cannot_be_read_ends_it(make_daemon, status):
    source = Frames(20, then=raising(CameraError("The video cannot be read")))
    with pytest.raises(CameraError, match="The video cannot be read"):
        make_daemon(source).run()
    assert (status()["node"], status()["capture"]) == ("stopped", "ended")


class Plug(FrameSource):
    """A camera that is in use, then opens, is unplugged, is not there, and comes back."""

    live = True

    def __init__(self, then):
        self.then, self.opened = then, 0

    def __iter__(self):
        self.opened += 1
        if self.opened in (1, 3):
            raise CameraError("Camera 0 cannot be opened")
        then = raising(CameraError("Camera 0 stopped")) if self.opened == 2 else self.then
        yield from Frames(20, then=then)

    def close(self):
        pass


class Away(Plug):
    def __iter__(self):
        raise CameraError("Camera 0 cannot be opened")


def test_a_camera_that_was_unplugged_is_opened_again_and_its_counts_go_on(make_daemon, status, monkeypatch):
    monkeypatch.setattr(supervisor_module, "_FIRST_RETRY_SECONDS", 0.001)
    said = []
    plug = Plug(lambda: daemon.stop())
    daemon = make_daemon(plug, say=said.append)
    daemon.run()
    assert plug.opened == 4
    assert (status()["frames"], status()["workers"]["capture"]["again"]) == (40, 3)
    assert said[0] == "Camera 0 cannot be opened. This program tries again by itself."


def test_while_the_camera_is_away_the_status_says_so(make_daemon, run_until):
    run_until(make_daemon(Away(None)), "capture", "waits: Camera 0 cannot be opened.")


def test_while_it_is_paused_the_status_says_so(make_daemon, laptop, run_until):
    laptop.consent.pause()
    run_until(make_daemon(endless()), "capture", "paused")


@pytest.mark.parametrize(
    ("worker", "error"),
    [
        (NodeLoop, EnrolmentError("The server does not know this device")),
        (Clerk, LedgerError("This device's ledger is an old copy")),
    ],
)
def test_what_a_person_must_see_to_ends_it_and_the_capture_with_it(make_daemon, monkeypatch, worker, error):
    monkeypatch.setattr(worker, "run", raising(error))
    with pytest.raises(type(error)):
        make_daemon(endless()).run()


def test_what_nobody_foresaw_is_raised_where_it_does_not_pass(make_daemon, monkeypatch):
    monkeypatch.setattr(supervisor_module, "_FIRST_RETRY_SECONDS", 0.001)
    monkeypatch.setattr(NodeLoop, "run", raising(RuntimeError("nobody foresaw this")))
    with pytest.raises(RuntimeError, match="nobody foresaw this"):
        make_daemon(endless()).run()


def test_a_full_disk_under_the_store_ends_a_recording(make_daemon, store, monkeypatch):
    monkeypatch.setattr(store, "add", raising(StorageError("the sequence cannot be written", why="the disk is full")))
    with pytest.raises(StorageError, match="the disk is full"):
        make_daemon(endless(), labels=[LabelEvent(3.0, LABEL, "tap")]).run()


def test_a_full_disk_under_the_status_ends_nothing(make_daemon, monkeypatch):
    tried = threading.Event()

    def full(path, status):
        tried.set()
        raise StorageError("status.json cannot be written", why="the disk is full")

    monkeypatch.setattr(daemon_module, "write_status", full)
    daemon = make_daemon(Frames(1, then=lambda: tried.wait(20) and daemon.stop()))
    daemon.run()
    assert tried.is_set()


@pytest.mark.parametrize("scopes", [["capture"], ["store"], ["train"], []])
def test_without_consent_to_capture_and_to_store_no_frame_is_looked_at(make_daemon, laptop, status, scopes):
    if scopes:
        laptop.agree(*scopes)
    else:
        laptop.consent.pause()

    class Blind:
        def find(self, frame):
            pytest.fail("a frame was looked at")

    labels = [LabelEvent(1.0, LABEL, "tap")]
    daemon = make_daemon(Frames(20, then=lambda: daemon.stop()), Blind(), labels)
    daemon.run()
    assert (status()["frames"], status()["stored"]) == (0, 0)


def test_a_full_store_takes_no_more_than_the_policy_allows(make_daemon, store, policy, status):
    labels = [LabelEvent(2.0 * i, LABEL, "tap") for i in range(1, policy.max_sequences + 3)]
    daemon = make_daemon(Frames(200, then=lambda: daemon.stop()), labels=labels)
    daemon.run()
    assert len(store) == policy.max_sequences
    assert status()["refused"] == {"full": 2}


def test_a_policy_beyond_this_device_s_limits_is_refused_before_anything_starts(make_daemon, laptop):
    with pytest.raises(PolicyError, match="because of its epsilon"):
        make_daemon(settings=Settings(limits=Limits(max_epsilon=1)))
    assert not laptop.home.status.exists()


def test_why_training_waits_is_in_the_status_in_words(make_daemon, laptop, status, run_until):
    laptop.consent.pause()
    run_until(make_daemon(), "node", "waits: taking part is paused")
    assert status()["node"] == "stopped"


def test_the_settings_of_training_hold(make_daemon, monkeypatch, run_until):
    monkeypatch.setattr(power.psutil, "sensors_battery", lambda: SimpleNamespace(power_plugged=False), raising=False)
    run_until(make_daemon(), "node", "waits: on battery")


def test_told_to_stop_it_trains_no_further(make_daemon):
    daemon = make_daemon()
    daemon._look_up()
    daemon.stop()
    with pytest.raises(HeldUp):
        daemon._look_up()


def test_a_load_that_wavers_fills_no_log(make_daemon, caplog):
    caplog.set_level("INFO")
    daemon = make_daemon()
    for percent in (61, 62, 99):
        daemon._report_node(f"waits: other programs use {percent} % of the processor")
    assert daemon._node_state.endswith("99 % of the processor")
    assert caplog.text.count("other programs use") == 1
