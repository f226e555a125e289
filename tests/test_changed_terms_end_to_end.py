"""A study changes its policy under running devices, and one of them leaves while the server is away: real processes."""

import json
import re
import signal
from collections.abc import Iterator

import pytest

from fl_client.consent import ConsentBook
from fl_client.home import Home, load_enrolment
from fl_server.certificates import load_signing_key
from fl_server.enrolment.registry import Registry
from shared_models.privacy.events import RoundClosed
from shared_models.privacy.ledger import read_ledger
from tests.test_end_to_end import SETTINGS, World, film, until, write_benchmark

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]
DEVICES = (0, 1)


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    world = World(tmp_path)
    try:
        yield world
    finally:
        world.end()


def test_devices_wait_for_consent_to_new_terms_and_one_leaves_unheard_at_first(world: World) -> None:
    server, devices = a_study_with_two_devices(world)
    until(lambda: world.closed() >= 1, "the first round")
    before, paid_before = load_enrolment(Home(world.home(0))), paid(world)

    stop(server)
    text = world.folder.settings.read_text()
    world.folder.settings.write_text(re.sub(r"^epsilon = .*$", "epsilon = 4.0", text, flags=re.MULTILINE))
    server = world.start_server()
    until(lambda: all("waiting for you" in says(world, n) for n in DEVICES), "both wait for their owners")
    closed = world.closed()
    assert [device.poll() for device in devices] == [None, None], "nobody's program ended"
    waiting = world.status(0)
    assert (waiting["consent"], waiting["running"], waiting["capture"]) == ("informed", True, "off")
    assert waiting["policy_hash"] != before.policy.hash

    consent = world.call("fl-client", "consent", "--home", str(world.home(0)), "--scopes", "capture,train", "--yes")
    assert consent.returncode == 0, consent.stderr
    agree(world, 1)
    until(lambda: world.closed() > closed, "a round under the new policy")
    entries = read_ledger(world.folder.ledger, load_signing_key(world.folder).public_key())
    rounds = [entry.body for entry in entries if isinstance(entry.body, RoundClosed)]
    assert rounds[0].policy_hash == before.policy.hash
    assert rounds[-1].policy_hash == waiting["policy_hash"]
    assert paid(world) > paid_before > 0, "one ledger goes on under both"

    stop(server)
    left = world.call("fl-client", "withdraw", "--home", str(world.home(0)), "--yes")
    assert left.returncode == 0
    assert "does not answer" in left.stdout
    until(lambda: (world.home(0) / "store" / "sessions").exists() and not stored(world, 0), "it is shredded")
    assert Home(world.home(0)).withdrawal.exists()
    assert devices[0].poll() is None, "it goes on telling"
    world.start_server()
    until(lambda: devices[0].poll() is not None, "the server has heard")
    assert devices[0].returncode == 0
    assert len(Registry(world.folder.enrolment).active()) == 1
    devices[1].send_signal(signal.SIGTERM)
    assert devices[1].wait(30) == 0


def a_study_with_two_devices(world: World):
    entries = {
        "benchmark.data": f"manifest:{write_benchmark(world)}",
        "rounds.rounds": 50,
        "rounds.min_devices": 2,
        "rounds.pause_seconds": 1,
        "rounds.deadline_seconds": 15,
        "policy.participations": 50,
        "policy.steps": 1,
        "policy.reply_seconds": 0.2,
    }
    options = [part for name, value in entries.items() for part in ("--set", f"{name}={json.dumps(value)}")]
    made = world.call("fl-server", "init", str(world.folder.root), *options)
    assert made.returncode == 0, made.stderr
    invited = world.call("fl-server", "invite", str(world.folder.root), "--count", "2", "--json")
    server = world.start_server()
    devices = []
    for number, invitation in zip(DEVICES, json.loads(invited.stdout)["invitations"], strict=True):
        home = str(world.home(number))
        assert world.call("fl-client", "enrol", invitation, "--home", home, "--yes").returncode == 0
        (world.home(number) / "config.toml").write_text(SETTINGS)
        agree(world, number)
        video, script = film(world, 9001 + number, ["happiness", "sadness"])
        devices.append(world.start("fl-client", "run", "--home", home, "--camera", str(video), "--labels", str(script)))
    return server, devices


def agree(world: World, number: int) -> None:
    """As `fl-client consent` does, without the seconds that another process takes."""
    home = Home(world.home(number))
    terms, book = load_enrolment(home), ConsentBook(home.root)
    book.inform(terms.text_hash, terms.policy.hash)
    book.grant(["capture", "store", "train"], terms.text_hash, terms.policy.hash)


def paid(world: World) -> int:
    """Debits of the first device, under whichever policy."""
    return Home(world.home(0)).ledger.read_text().count('"kind":"intent"')


def stop(server) -> None:
    server.send_signal(signal.SIGTERM)
    server.wait(30)


def says(world: World, number: int) -> str:
    """What the running program says of itself; cheaper to ask again and again than a command."""
    return json.loads((world.home(number) / "status.json").read_bytes())["node"]


def stored(world: World, number: int) -> int:
    return sum(1 for _ in (world.home(number) / "store" / "sessions").iterdir())
