"""The files for the three service managers, as text: read back by a parser each, and by systemd where it is."""

import configparser
import os
import plistlib
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fl_client.service.job import LASTING, Job, job_for, label_of
from fl_client.service.managing import MANAGERS
from shared_models.errors import KeyStoreError

NASTY = 'we "ird" 100% $HOME ${x} it\'s & <b> back\\slash ü'
TASK = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"


@pytest.fixture
def program(tmp_path):
    """A program in a folder whose name has all that has to be quoted; it keeps what it is called with."""
    path = tmp_path / NASTY / "fl-client"
    path.parent.mkdir()
    path.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, signal, sys, time\n"
        "seen = pathlib.Path(sys.argv[0]).with_name('seen')\n"
        "if sys.argv[1] == 'wait':\n"
        "    signal.signal(signal.SIGTERM, lambda *_: (seen.write_text('told'), sys.exit(0)))\n"
        "    seen.write_text('up'); time.sleep(60)\n"
        "seen.write_text('|'.join(sys.argv[2:])); sys.exit(int(sys.argv[1]))\n"
    )
    path.chmod(0o755)
    return path


@pytest.fixture
def job(program):
    return Job("attune-0a1b2c3d", [str(program), "run", "--home", f"/h/{NASTY}"], {"ATTUNE_PASSPHRASE_FILE": NASTY})


def unit(job):
    parser = configparser.RawConfigParser(delimiters=("=",), strict=True)
    parser.optionxform = str
    parser.read_string(MANAGERS["systemd"].text(job).decode())
    return parser


def unquoted(text):
    """Words in double quotes as systemd.syntax(7) has them: C escapes, and %% for a percent sign."""
    words = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
    return [re.sub(r"\\(.)", r"\1", word).replace("%%", "%") for word in words]


def test_the_systemd_unit_runs_exactly_the_command(job):
    service = unit(job)["Service"]
    assert service["ExecStart"].startswith(":/bin/sh -c "), "no variable is put into it"
    assert unquoted(service["ExecStart"]) == ['exec "$0" "$@"', *job.command]
    text = MANAGERS["systemd"].text(job).decode()
    assert all(len(signs) % 2 == 0 for signs in re.findall("%+", text)), "a single % would begin a specifier"
    assert unquoted(service["Environment"]) == [f"ATTUNE_PASSPHRASE_FILE={NASTY}"]


def test_the_systemd_unit_is_hardened_and_comes_back_slowly_and_not_after_what_lasts(job):
    service = unit(job)["Service"]
    assert service["Restart"] == "on-failure"
    assert list(map(int, service["RestartPreventExitStatus"].split())) == LASTING
    assert (service["RestartSec"], service["RestartMaxDelaySec"]) == ("10", "600")
    assert (service["NoNewPrivileges"], service["LimitCORE"], service["UMask"]) == ("yes", "0", "0077")
    assert int(service["Nice"]) > 0
    assert unit(job)["Unit"]["StartLimitIntervalSec"] == "0", "it never gives up on what may pass"
    assert unit(job)["Install"]["WantedBy"] == "default.target"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not on this computer")
def test_systemd_itself_finds_no_fault_with_the_unit(job, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    file = tmp_path / "attune-0a1b2c3d.service"

    def faults(text):
        file.write_bytes(text)
        command = ["systemd-analyze", "--user", "--man=no", "verify", str(file)]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stderr.splitlines()
        newer = {"RestartSteps", "RestartMaxDelaySec"}  # systemd 254 knows these, an older one passes them over
        return [line for line in said if file.name in line and not any(name in line for name in newer)]

    text = MANAGERS["systemd"].text(job)
    assert faults(text) == []
    assert faults(text.replace(b'"$0', b'"$0 \\q')) != [], "it looks at the quotes"


def test_the_launchd_agent_runs_exactly_the_command(job):
    agent = plistlib.loads(MANAGERS["launchd"].text(job))
    assert agent["ProgramArguments"][3:] == job.command
    assert agent["EnvironmentVariables"] == job.environment
    assert agent["Label"] == "org.attune.attune-0a1b2c3d"
    assert (agent["RunAtLoad"], agent["KeepAlive"]) == (True, {"SuccessfulExit": False})
    assert agent["HardResourceLimits"] == {"Core": 0}
    assert agent["Nice"] > 0
    assert agent["ThrottleInterval"] >= 60


def keeper(program, *arguments):
    shell = plistlib.loads(MANAGERS["launchd"].text(Job("attune", [str(program), *arguments])))["ProgramArguments"]
    return [shutil.which("sh") or "/bin/sh", *shell[1:]]


@pytest.mark.skipif(os.name != "posix", reason="there is no sh")
@pytest.mark.parametrize(("left", "seen_by_launchd"), [(0, 0), (17, 0), (20, 20), (1, 1), (24, 24)])
def test_what_lasts_is_no_failure_for_launchd(program, left, seen_by_launchd):
    ended = subprocess.run(keeper(program, str(left), NASTY, "two words"), check=False)
    assert ended.returncode == seen_by_launchd
    assert program.with_name("seen").read_text() == f"{NASTY}|two words"
    assert (left in LASTING) == (left != 0 and seen_by_launchd == 0)


@pytest.mark.skipif(os.name != "posix", reason="there is no sh")
def test_launchd_s_word_to_stop_reaches_the_program(program):
    seen = program.with_name("seen")
    with subprocess.Popen(keeper(program, "wait")) as process:
        while not seen.exists() or not seen.read_text():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert seen.read_text() == "told"


def test_the_windows_task_runs_exactly_the_command(job):
    text = MANAGERS["windows"].text(job)
    assert text[:2] in (b"\xff\xfe", b"\xfe\xff"), "schtasks reads UTF-16"
    task = ElementTree.fromstring(text)
    action = task.find(f"{TASK}Actions/{TASK}Exec")
    assert action.find(f"{TASK}Command").text == job.command[0]
    assert action.find(f"{TASK}Arguments").text == subprocess.list2cmdline(job.command[1:])
    assert task.find(f"{TASK}Principals/{TASK}Principal/{TASK}RunLevel").text == "LeastPrivilege"
    assert task.find(f"{TASK}Triggers/{TASK}LogonTrigger") is not None
    settings = {entry.tag.removeprefix(TASK): entry.text for entry in task.find(f"{TASK}Settings")}
    assert settings["MultipleInstancesPolicy"] == "IgnoreNew"
    assert settings["ExecutionTimeLimit"] == "PT0S"
    assert int(settings["Priority"]) > 7


def test_each_home_has_a_service_of_its_own(tmp_path):
    default = tmp_path / "attune"
    labels = {label_of(home, default) for home in (default, tmp_path / "second", tmp_path / "third")}
    assert "attune" in labels
    assert len(labels) == 3
    assert all(re.fullmatch(r"attune(-[0-9a-f]{8})?", label) for label in labels)


def test_a_job_names_the_passphrase_s_file_and_never_the_passphrase(tmp_path, monkeypatch):
    (tmp_path / "keys.json").write_text("{}")
    monkeypatch.delenv("ATTUNE_PASSPHRASE_FILE", raising=False)
    with pytest.raises(KeyStoreError, match="cannot ask for this device's passphrase"):
        job_for(tmp_path, tmp_path, [])
    (tmp_path / "secret").write_text("correct horse")
    monkeypatch.setenv("ATTUNE_PASSPHRASE_FILE", str(tmp_path / "secret"))
    job = job_for(tmp_path, tmp_path, ["--camera", "0"])
    assert job.environment == {"ATTUNE_PASSPHRASE_FILE": str(tmp_path / "secret")}
    assert job.command[1:] == ["run", "--home", str(tmp_path), "--camera", "0"]
    assert Path(job.command[0]).is_absolute()
    assert not any(b"correct horse" in manager.text(job) for manager in MANAGERS.values())
