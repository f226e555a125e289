"""Each thing that can be wrong with a device is found, named, and comes with what to do."""

import json
import socket
import time

import cv2
import numpy as np
import pytest

from fl_client import cli, terms
from fl_client import doctor as module
from fl_client.enrolment import accept, read_offer
from fl_client.keys import open_vault
from fl_client.passphrase import PASSPHRASE_FILE
from fl_server.certificates import load_signing_key
from fl_server.enrolment.terms import describe
from fl_server.settings import load_settings
from shared_models.files import only_one
from shared_models.privacy.events import Erased

ALL = ["settings", "disk", "detector", "camera", "keys", "consent", "budget", "server", "clock", "terms"]


@pytest.fixture(autouse=True)
def passphrase(quick_passphrase):
    return quick_passphrase


@pytest.fixture
def camera(tmp_path):
    """A folder of one bright picture, in place of a webcam."""
    frames = tmp_path / "frames"
    frames.mkdir()
    cv2.imwrite(str(frames / "f0.png"), np.full((120, 160, 3), 200, np.uint8))
    return frames


@pytest.fixture
def joined(port, laptop):
    """A device that agreed to everything, and lies safely on its disk."""
    with port.listening():
        laptop.enrolment = accept(read_offer(port.invite()), laptop.identity)
    laptop.enrolment.save(laptop.home)
    laptop.identity.save(laptop.home, open_vault(laptop.home.root))
    laptop.agree()
    return laptop


@pytest.fixture
def examine(leave, joined, camera, capsys):
    """`examine()`: the exit code, and each finding by what it is about."""

    def examine(home=joined.home, source=camera):
        capsys.readouterr()
        code = leave(cli.run, "doctor", "--home", home.root, "--camera", source, "--json")
        rows = json.loads(capsys.readouterr().out)
        assert all(row["fix"] for row in rows if row["level"] != "ok"), "whoever is told of it is told what to do"
        return code, {row["check"]: row for row in rows}

    return examine


def test_a_healthy_device_has_nothing_to_complain_of(port, examine):
    with port.listening():
        code, found = examine()
    assert (code, list(found)) == (0, ALL)
    assert {row["level"] for name, row in found.items() if name != "disk"} == {"ok"}
    assert found["disk"]["level"] != "fail"


def test_it_changes_nothing_and_tells_the_server_nothing(port, examine, joined):
    before = {path: path.read_bytes() for path in joined.home.root.rglob("*") if path.is_file()}
    with port.listening():
        examine()
    assert {path: path.read_bytes() for path in joined.home.root.rglob("*") if path.is_file()} == before
    assert port.registry.refusals() == {}
    assert port.registry.member(joined.enrolment.pseudonym).head.entries == 0


def test_there_is_one_connection_and_it_goes_to_the_study(port, examine, monkeypatch):
    asked = []
    call = terms.call
    monkeypatch.setattr(terms, "call", lambda address, *given: asked.append(address) or call(address, *given))
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a connection of another kind"))
    with port.listening():
        examine()
    assert asked == [port.address]


def test_it_is_printed_a_line_for_each(port, leave, joined, camera, capsys):
    joined.consent.pause()
    assert leave(cli.run, "doctor", "--home", joined.home.root, "--camera", camera) == 16
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("warn consent: Paused") and line.endswith("`fl-client resume`.") for line in lines)
    assert any(line.startswith("fail server: The study's server at") for line in lines)


def test_a_computer_before_it_joins(examine, tmp_path):
    from fl_client.home import Home

    code, found = examine(Home(tmp_path / "nowhere"))
    assert code == 0
    assert (found["disk"]["level"], found["keys"]["level"], found["enrolment"]["level"]) == ("warn", "warn", "warn")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("check", "code", "says"),
    [
        ("settings", 10, "node.poll_second"),
        ("disk", 20, "Others may look into"),
        ("room", 20, "MiB are free"),
        ("detector", 10, "face model /nowhere.onnx"),
        ("camera", 19, "no video file"),
        ("keys", 24, "passphrase is wrong"),
        ("consent", 13, "because of its epsilon"),
        ("budget", 14, "ledger"),
        ("late", 23, "behind its own ledger"),
        ("enrolment", 17, "is damaged"),
        ("server", 16, "does not answer"),
        ("stranger", 17, "refuses this request"),
        ("clock", 23, "clock is wrong"),
    ],
)
def test_what_fails_is_named_and_the_other_checks_go_on(
    check, code, says, port, examine, joined, camera, passphrase, monkeypatch
):
    home, name, source = joined.home, check, camera
    match check:
        case "settings":
            home.settings.write_text("[node]\npoll_second = 3\n")
        case "disk":
            home.root.chmod(0o755)
        case "room":
            name = "disk"
            monkeypatch.setattr(module.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 5 << 20}))
        case "detector":
            home.settings.write_text('[capture]\nface_model = "/nowhere.onnx"\n')
        case "camera":
            source = "/nowhere.avi"
        case "keys":
            passphrase.write_text("mistyped")
        case "consent":
            home.settings.write_text("[limits]\nmax_epsilon = 1\n")
        case "budget":
            home.ledger.write_text("{}\n")
        case "late":
            name = "budget"
            joined.ledger().append(Erased(), int(time.time()) + 3600)
        case "enrolment":
            home.enrolment.write_text("{}")
        case "stranger":
            name = "server"
            port.registry.leave([joined.enrolment.pseudonym], "removed")
        case "clock":
            now = time.time()
            monkeypatch.setattr(terms, "time", type("Clock", (), {"time": staticmethod(lambda: now - 1000)}))
    if check == "server":
        left, found = examine()
    else:
        with port.listening():
            left, found = examine(source=source)
    assert left == code
    assert (found[name]["level"], says in found[name]["what"]) == ("fail", True), found[name]
    assert [row["check"] for row in found.values() if row["level"] == "fail"] == [name]


def test_what_only_deserves_a_word_is_no_failure(port, examine, joined, camera, monkeypatch):
    joined.consent.lapse()
    cv2.imwrite(str(camera / "f0.png"), np.zeros((120, 160, 3), np.uint8))
    settings = load_settings(port.folder.settings)
    new = settings.model_copy(update={"study": settings.study.model_copy(update={"consent_text": "More."})})
    port.terms = describe(new, new.privacy_policy(), load_signing_key(port.folder))
    with port.listening():
        code, found = examine()
    assert code == 0
    assert [found[name]["level"] for name in ("consent", "camera", "terms")] == ["warn"] * 3
    assert "fl-client consent" in found["consent"]["fix"]
    assert "dark" in found["camera"]["what"]


def test_a_passphrase_is_not_asked_for(examine, monkeypatch):
    monkeypatch.delenv(PASSPHRASE_FILE)
    monkeypatch.setattr("getpass.getpass", lambda prompt: pytest.fail("it asked"))
    code, found = examine()
    assert code == 0
    assert (found["keys"]["level"], found["server"]["level"]) == ("warn", "warn")


def test_a_running_device_keeps_its_camera(port, examine, joined):
    with port.listening(), only_one(joined.home.lock, "the device"):
        _, found = examine(source="/nowhere.avi")
    assert found["camera"]["level"] == "ok"
