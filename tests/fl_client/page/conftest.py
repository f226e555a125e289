"""A pretended device and its page: without a network for most tests, on a real port for a browser."""

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pretend_device import Pretended, keep_sequences, pretended

from fl_client.page.app import student_page
from fl_client.page.door import Door
from fl_client.page.hints import Hints
from fl_client.page.live_view import LiveViews
from fl_client.page.records import Records
from fl_client.page.server import PageServer
from fl_client.page.timeline import Timeline
from fl_client.page.words import Words
from fl_client.settings import PageSettings
from shared_models.privacy.policy import Policy

ORIGIN = "http://127.0.0.1:8123"


class Clock:
    """A clock that a test moves."""

    now = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now


class Visitor:
    """A browser's requests to the page, without a network, with the cookie that it sets."""

    def __init__(self, page: Any, door: Door) -> None:
        self.door = door
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(page), base_url=ORIGIN)
        self.cookies = self._client.cookies

    def request(self, method: str, path: str, **rest: Any) -> httpx.Response:
        return asyncio.run(self._client.request(method, self.door.path + path, **rest))

    def get_outside(self, path: str, **rest: Any) -> httpx.Response:
        return asyncio.run(self._client.get(path, **rest))

    def get(self, path: str = "", **rest: Any) -> httpx.Response:
        return self.request("GET", path, **rest)

    def press(self, action: str, **fields: Any) -> httpx.Response:
        """Sends a form as the page's own."""
        form = {"token": self.door.form_token} | fields
        return self.request("POST", action, data=form, headers={"origin": ORIGIN})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pretend(tmp_path: Path, policy: Policy, quick_disk: None) -> Pretended:
    return pretended(tmp_path, policy)


@pytest.fixture
def timeline() -> Timeline:
    return Timeline()


@pytest.fixture
def hints(timeline: Timeline, tmp_path: Path) -> Hints:
    return Hints(timeline, tmp_path / "no-hints")


@pytest.fixture
def live(pretend: Pretended, timeline: Timeline, hints: Hints, clock: Clock) -> LiveViews:
    return LiveViews(pretend.device, timeline, hints, Words.load(), clock)


@pytest.fixture
def records(pretend: Pretended) -> Records:
    return Records(pretend.device, Words.load())


@pytest.fixture
def addresses() -> list[str]:
    """What the door had kept, in order."""
    return []


@pytest.fixture
def visit(pretend: Pretended, timeline: Timeline, hints: Hints, clock: Clock, addresses: list[str]) -> Visitor:
    """A browser that has not shown the token yet."""
    door = Door(addresses.append)
    door.unlock()
    return Visitor(student_page(pretend.device, timeline, hints, door, clock), door)


@pytest.fixture
def signed_in(visit: Visitor, addresses: list[str]) -> Visitor:
    assert visit.get(params={"token": token_in(addresses[-1])}).status_code == 303
    return visit


@pytest.fixture
def keep(pretend: Pretended) -> Callable[..., None]:
    """`keep("fear", "anger")`: gray pictures with these labels, the last one the newest."""
    noise = np.random.default_rng(1).integers(0, 256, (16, 1, 48, 48), dtype=np.uint8)
    return lambda *labels: keep_sequences(pretend.kept, [(label, noise) for label in labels], datetime.now(UTC))


@pytest.fixture
def serve(pretend: Pretended, tmp_path: Path) -> Iterator[Callable[..., tuple[PageServer, str]]]:
    """`server, address = serve()`: the page on a port of this machine."""
    stop, threads, home = threading.Event(), list[threading.Thread](), tmp_path / "served"
    home.mkdir()

    def serve(**settings: Any) -> tuple[PageServer, str]:
        server = PageServer(pretend.device, PageSettings(**settings), home / "page.url", home / "no-hints")
        threads.append(threading.Thread(target=server.run, args=(stop,)))
        threads[-1].start()
        while not (home / "page.url").exists():
            assert threads[-1].is_alive()
            time.sleep(0.01)
        return server, (home / "page.url").read_text()

    yield serve
    stop.set()
    for thread in threads:
        thread.join()


def token_in(address: str) -> str:
    [token] = re.findall(r"\?token=(.+)$", address)
    return token


@pytest.fixture(name="token_in")
def _token_in() -> Callable[[str], str]:
    return token_in
