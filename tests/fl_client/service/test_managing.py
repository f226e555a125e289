"""Installing and removing, with a service manager that is a script; and the real one where it runs."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from fl_client import cli
from fl_client.service import managing
from fl_client.service.job import Job
from fl_client.service.managing import MANAGERS, facts, install, manager_here, remove
from shared_models.errors import AddressError, UsageError
from shared_models.files import only_one


@pytest.fixture
def job():
    return Job("attune", ["/opt/attune/fl-client", "run"])


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Of a user whose configuration lies in this test's folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "device").mkdir()
    return tmp_path / "device"


@pytest.fixture
def asked(monkeypatch):
    """The commands that were given to service managers which do all they are told; `asked.code` is their answer."""

    class Asked(list):
        code = 0

    asked = Asked()

    def run(command, **options):
        asked.append(command)
        return subprocess.CompletedProcess(command, asked.code, "", "Failed to connect to bus")

    monkeypatch.setattr(managing.subprocess, "run", run)
    return asked


@pytest.mark.parametrize("name", MANAGERS)
def test_it_is_written_started_and_taken_away(name, job, home, asked):
    manager = MANAGERS[name]
    file = install(manager, job, home)
    assert file.read_bytes() == manager.text(job)
    assert asked == manager.install("attune", file)
    assert facts(manager, "attune", home)["installed"] is True
    asked.code = 1  # from now on it knows no such service
    assert remove(manager, "attune", home)
    assert not file.exists()
    assert not remove(manager, "attune", home)
    assert facts(manager, "attune", home)["installed"] is False


@pytest.mark.parametrize("name", MANAGERS)
def test_a_service_manager_that_refuses_is_an_error_with_its_words(name, job, home, asked):
    asked.code = 1
    with pytest.raises(AddressError, match="Failed to connect to bus"):
        install(MANAGERS[name], job, home)


def test_one_that_goes_on_is_not_said_to_be_gone(job, home, asked):
    file = install(MANAGERS["systemd"], job, home)
    with pytest.raises(AddressError, match="could not be taken away"):
        remove(MANAGERS["systemd"], "attune", home)
    assert file.exists()


def test_installing_again_puts_the_new_one_in_place_of_the_old(job, home, asked):
    install(MANAGERS["systemd"], job, home)
    file = install(MANAGERS["systemd"], Job("attune", ["/new/fl-client", "run"]), home)
    assert b"/new/fl-client" in file.read_bytes()
    assert ["systemctl", "--user", "disable", "--now", "attune.service"] in asked


def test_a_computer_without_one_says_so(job, home, monkeypatch):
    def missing(command, **options):
        raise FileNotFoundError(command[0])

    monkeypatch.setattr(managing.subprocess, "run", missing)
    with pytest.raises(AddressError, match="there is no such program here"):
        install(MANAGERS["systemd"], job, home)
    assert facts(MANAGERS["systemd"], "attune", home)["enabled"] is None
    monkeypatch.setattr(sys, "platform", "amiga")
    with pytest.raises(UsageError, match="no service for amiga"):
        manager_here()


@pytest.fixture
def run(leave):
    return lambda *arguments: leave(cli.run, *arguments)


@pytest.mark.parametrize("name", MANAGERS)
def test_the_file_for_any_system_can_be_read_first(run, home, name, capsys):
    assert run("service", "install", "--home", home, "--print", name, "--camera", "film.avi") == 0
    text = capsys.readouterr().out
    assert str(home) in text
    assert os.path.abspath("film.avi") in text
    assert not (home.parent / "config").exists(), "nothing is installed"
    assert run("service", "install", "--home", home, "--print", "upstart") == 2


def test_a_device_that_is_not_enrolled_gets_no_service(run, home, asked):
    assert run("service", "install", "--home", home) == 17
    assert asked == []


@pytest.mark.skipif(sys.platform != "linux", reason="the test is about the file of systemd")
def test_a_student_installs_looks_and_removes(run, laptop, home, asked, capsys):
    laptop.enrolment.save(laptop.home)
    assert run("service", "install", "--home", laptop.home.root) == 0
    assert "Installed and started" in capsys.readouterr().out
    with only_one(laptop.home.lock, "the device"):
        assert run("service", "status", "--home", laptop.home.root, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["manager"], found["installed"], found["enabled"], found["running"]) == ("systemd", True, True, True)
    asked.code = 1
    assert run("service", "remove", "--home", laptop.home.root) == 0
    assert "Removed" in capsys.readouterr().out
    assert run("service", "status", "--home", laptop.home.root) == 0
    assert "Installed: no" in capsys.readouterr().out


def answers():
    """Whether a service manager of this user runs here."""
    if shutil.which("systemctl") is None:
        return False
    return subprocess.run(["systemctl", "--user", "show-environment"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not answers(), reason="no systemd user manager runs here")
def test_systemd_runs_it_for_real(tmp_path):
    script = tmp_path / "fl client"
    script.write_text('#!/bin/sh\necho up > "$(dirname "$0")/up"\nexec sleep 60\n')
    script.chmod(0o755)
    job = Job(f"attune-test-{os.getpid()}", [str(script)])
    try:
        install(MANAGERS["systemd"], job, tmp_path)
        assert facts(MANAGERS["systemd"], job.label, tmp_path)["enabled"] is True
    finally:
        assert remove(MANAGERS["systemd"], job.label, tmp_path)
    assert (tmp_path / "up").exists()
