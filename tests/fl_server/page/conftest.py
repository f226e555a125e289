"""Federations to look at: a lively one with a record of its own, and the page that shows it."""

import asyncio
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from fl_server.folder import FederationFolder
from fl_server.page.address import keep_address
from fl_server.page.app import operator_page
from fl_server.phase import Phase
from fl_server.refusals import Refusals
from fl_server.round_summary import RoundSummary
from fl_server.setup import create_federation
from shared_models.files import append_line

TOKEN = "a-token-of-the-operators"
SINCE = 1_800_000_000.0


def _summary(round_: int, state: str = "checkpointed", **changes: Any) -> RoundSummary:
    return RoundSummary(
        **{
            "round": round_,
            "state": state,
            "online": 41,
            "asked": 37,
            "accepted": 31,
            "rejected": {},
            "accuracy": 0.5 + round_ / 100,
            "uar": 0.4 + round_ / 100,
            "macro_f1": 0.3 + round_ / 100,
            "f1": {"happiness": 0.2 + round_ / 100, "fear": 0.6 - round_ / 100},
            "epsilon": 0.25 * round_,
            "seconds": 7.5,
        }
        | changes
    )


@pytest.fixture
def summary() -> Callable[..., RoundSummary]:
    """`summary(3, "failed", accepted=1)`: a round of a federation with some forty devices."""
    return _summary


@pytest.fixture(scope="session")
def new_federation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("page") / "study"
    create_federation(root, {"study": {"title": "Emotion in online seminars"}})
    return root


@pytest.fixture
def folder(new_federation: Path, tmp_path: Path) -> FederationFolder:
    """A new federation's folder, as `fl-server init` leaves it."""
    shutil.copytree(new_federation, tmp_path / "study")
    return FederationFolder(tmp_path / "study")


@pytest.fixture
def write(folder: FederationFolder, quick_disk: None) -> Callable[..., None]:
    """Writes rounds and a state into the folder, as a running server does."""

    def write(*rounds: RoundSummary, **state: Any) -> None:
        for line in rounds:
            append_line(folder.rounds, line.model_dump_json().encode())
        if state:
            Phase(**({"round": 15, "since": SINCE, "pid": 1} | state)).write(folder)

    return write


@pytest.fixture
def lively(folder: FederationFolder, write: Callable[..., None]) -> FederationFolder:
    """Fourteen rounds and one that failed, while the next is collecting; a few refusals."""
    rounds = [_summary(number) for number in range(1, 15)]
    failed = _summary(8, "failed", asked=7, accepted=1, rejected={"no_answer": 5, "norm": 1}, seconds=120.0)
    write(_summary(0, "start", online=0, asked=0, accepted=0), *rounds[:7], failed, *rounds[7:])
    write(state="collecting", deadline=SINCE + 120, online=41, asked=37, accepted=3)
    with Refusals(folder) as refusals:
        for reason in ("path", "path", "path", "rate"):
            refusals.count(reason)
    return folder


@dataclass(frozen=True)
class Served:
    """A page on a real port of this machine; `address` holds the token."""

    origin: str
    address: str


@pytest.fixture
def served(folder: FederationFolder) -> Iterator[Served]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        server = uvicorn.Server(
            uvicorn.Config(operator_page(folder, TOKEN), log_config=None, lifespan="off", ws="none")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Served(f"http://127.0.0.1:{port}", keep_address(folder, port, TOKEN))
        finally:
            server.should_exit = True
            thread.join()


class Visitor:
    """Requests to the page without a network, with the cookies that it sets."""

    def __init__(self, folder: FederationFolder, token: str) -> None:
        transport = httpx.ASGITransport(operator_page(folder, token))
        self._client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8123")
        self.cookies = self._client.cookies

    def request(self, method: str, path: str, **rest: Any) -> httpx.Response:
        return asyncio.run(self._client.request(method, path, **rest))

    def get(self, path: str, **rest: Any) -> httpx.Response:
        return self.request("GET", path, **rest)


@pytest.fixture
def visitor_with() -> Callable[[FederationFolder, str], Visitor]:
    return Visitor


@pytest.fixture
def visit(folder: FederationFolder) -> Visitor:
    """A browser that has not shown the token yet."""
    return Visitor(folder, TOKEN)


@pytest.fixture
def signed_in(visit: Visitor) -> Visitor:
    visit.get("/operator/", params={"token": TOKEN})
    return visit
