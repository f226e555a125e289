"""The page on a real store, consent record and ledger."""

import asyncio
import re
from datetime import UTC, datetime

import httpx
import numpy as np
import pytest

from fl_client.capture.frame_source import FrameSource
from fl_client.daemon_status import DaemonStatus, write_status
from fl_client.labels import LabelScript
from fl_client.page.app import student_page
from fl_client.page.door import Door
from fl_client.page.wiring import KeptData, SentData, device_page
from fl_client.senses import Senses
from fl_client.settings import PageSettings, Settings
from fl_client.store import Store
from shared_models.errors import LedgerError
from shared_models.sealing import new_key


class Nowhere(FrameSource):
    """A camera that nobody opens."""

    def __iter__(self):
        return iter(())

    def close(self):
        pass


ORIGIN = "http://127.0.0.1:8123"


class MemoryVault:
    def __init__(self):
        self.keys = {}

    def create(self, name):
        self.keys[name] = new_key()
        return self.keys[name]

    def key(self, name):
        return self.keys[name]

    def destroy(self, name):
        self.keys.pop(name, None)


@pytest.fixture
def store(laptop, quick_disk):
    with Store(laptop.home.store, MemoryVault()) as store:
        for label in ("fear", "anger"):
            store.add(np.zeros((16, 1, 48, 48), np.uint8), 1, label, "probe", datetime.now(UTC))
        yield store


@pytest.fixture
def done():
    return []


@pytest.fixture
def server(laptop, store, done):
    laptop.enrolment.save(laptop.home)
    return device_page(
        laptop.home,
        PageSettings(),
        laptop.enrolment,
        store,
        Senses(laptop.home, Settings(), laptop.enrolment, laptop.consent, store, Nowhere(), None, LabelScript([])),
        withdraw=lambda: done.append("withdraw"),
        turn_off=lambda: done.append("turn off"),
    )


@pytest.fixture
def get(server, clock):
    """`get("")`: a page of the device, as its own browser sees it."""
    addresses = []
    door = Door(addresses.append)
    door.unlock()
    page = student_page(server.device, server.timeline, server.hints, door, clock)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(page), base_url=ORIGIN, follow_redirects=True)
    asyncio.run(client.get(addresses[0]))
    return lambda path: asyncio.run(client.get(door.path + path)).text


def test_it_shows_what_the_store_holds_and_deletes_it(laptop, store, get):
    kept = KeptData(store, laptop.home)
    assert [one.label for one in kept.load_all()] == ["fear", "anger"]
    assert len(re.findall(r'<img src="picture\?id=[0-9a-f]{32}"', get(""))) == 2
    kept.delete([next(kept.load_all()).id])
    assert [one.label for one in store.load_all()] == ["anger"]
    assert laptop.home.erasures.exists()
    kept.delete_all()
    assert len(kept) == len(store) == 0


def test_what_was_sent_is_read_again_when_the_ledger_grows(laptop, task_record, policy):
    sent = SentData(laptop.home, laptop.enrolment)
    assert (sent.version(), sent.account()["uploads"]) == (0, [])
    laptop.participant().answer(task_record(1))
    assert sent.version() > 0
    assert sent.account()["epsilon"] == policy.epsilon_after(1)
    assert sent.account() is sent.account()


def test_a_ledger_that_was_changed_is_said_to_be_damaged(laptop, task_record, get):
    laptop.participant().answer(task_record(1))
    laptop.home.ledger.write_bytes(laptop.home.ledger.read_bytes().replace(b'"round":1', b'"round":2'))
    with pytest.raises(LedgerError):
        SentData(laptop.home, laptop.enrolment).account()
    page = get("")
    assert 'action="pause"' in page
    assert 'class="alarm"' in page


def test_the_size_of_an_upload_is_that_of_its_numbers(laptop, server, task_record):
    [vector] = laptop.participant().answer(task_record(1))["delta"].values()
    header = 128
    assert server.device.upload_bytes == len(vector.data) - header


@pytest.mark.parametrize(
    ("capture", "looking", "camera"),
    [
        (None, False, "starting"),
        ("capturing", True, "capturing"),
        ("ended", False, "ended"),
        ("waits: Camera 0 cannot be opened.", False, "Camera 0 cannot be opened"),
    ],
)
def test_the_light_follows_the_daemons_word(laptop, server, capture, looking, camera):
    if capture is not None:
        status = DaemonStatus(since=datetime.now(UTC), node="connected", capture=capture)
        write_status(laptop.home.status, status)
    assert server.device.is_looking() is looking
    assert server.device.doing().camera == camera
