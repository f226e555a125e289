"""The worker: where the page is, who may read that, and that it ends at once."""

import logging
import socket
import stat
import threading

import httpx
import pytest
from pretend_device import reading_of

from fl_client.page.server import PageServer
from fl_client.settings import PageSettings
from shared_models.errors import AddressError


@pytest.fixture
def server(pretend, tmp_path):
    return PageServer(pretend.device, PageSettings(), tmp_path / "page.url", tmp_path / "no-hints")


def test_it_answers_at_the_address_that_it_keeps_for_its_owner_alone(serve, tmp_path):
    _, address = serve()
    assert stat.S_IMODE((tmp_path / "served" / "page.url").stat().st_mode) == 0o600
    assert address.startswith("http://127.0.0.1:")
    with httpx.Client(follow_redirects=True) as client:
        answer = client.get(address)
    assert answer.status_code == 200
    assert "token=" not in str(answer.url)
    assert (tmp_path / "served" / "page.url").read_text() != address


def test_it_listens_on_loopback_only(serve):
    port = int(serve()[1].split(":")[2].split("/")[0])
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for address in others:
        with pytest.raises(OSError, match=r"."), socket.create_connection((address, port), timeout=1):
            pass


def test_no_secret_is_logged(serve, caplog, tmp_path):
    caplog.set_level(logging.DEBUG)
    _, address = serve()
    with httpx.Client(follow_redirects=True) as client:
        client.get(address)
        client.get(address.replace("token=", "token=x"))
        secrets = [address.partition("token=")[2], *client.cookies.values()]
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert not [line for line in ours if any(secret in line for secret in secrets)]


def test_a_port_that_is_taken_is_a_sentence(pretend, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = PageServer(pretend.device, PageSettings(port=port), tmp_path / "page.url", tmp_path / "no-hints")
        with pytest.raises(AddressError, match=rf"cannot have port {port} on this computer.*or 0 for any"):
            server.run(threading.Event())
    assert not (tmp_path / "page.url").exists()


def test_it_ends_with_a_browser_still_connected(server, tmp_path):
    stop = threading.Event()
    thread = threading.Thread(target=server.run, args=(stop,))
    thread.start()
    while not (tmp_path / "page.url").exists():
        assert thread.is_alive()
    with httpx.Client(follow_redirects=True) as client:
        client.get((tmp_path / "page.url").read_text())
        stop.set()
        thread.join(timeout=10)
        assert not thread.is_alive()
    assert not (tmp_path / "page.url").exists()


def test_readings_are_noted_only_while_the_camera_is_looked_at(server, pretend):
    pretend.reader.now = reading_of("basic-7", {"fear": 0.7})
    server.look()
    [sample] = server.timeline.since(0.0)
    assert sample.shares["fear"] == pytest.approx(0.7)
    pretend.consent.pause()
    server.timeline.__init__()
    server.look()
    assert [sample.shares for sample in server.timeline.since(0.0)] == [None]


def test_nothing_of_a_session_is_written_to_the_disk(server, pretend, tmp_path):
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    pretend.read("fear")
    server.look()
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before
