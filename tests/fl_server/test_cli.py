"""The operator's commands: documented, and whatever goes wrong is one sentence and one exit code."""

import json
import socket
import subprocess
import sys

import pytest

from fl_server import certificates, cli
from fl_server.certificates import ca_fingerprint
from fl_server.enrolment.registry import Registry
from fl_server.folder import FederationFolder
from fl_server.pretraining import Order, Recipe
from fl_server.settings import load_settings
from shared_models.data.labels import FURTHER_SCHEMES
from shared_models.enrolment.invitation import Invitation


@pytest.fixture
def run(leave):
    return lambda *arguments: leave(cli.run, *arguments)


@pytest.fixture
def fails(run, capsys):
    """`fails(code, ...)`: the one sentence that a command leaves behind with this exit code."""

    def fails(code, *arguments):
        capsys.readouterr()
        assert run(*arguments) == code
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        return err.removeprefix("error: ").strip()

    return fails


def test_every_command_and_option_has_help_an_example_and_a_line_in_the_documentation(check_documentation):
    check_documentation("fl-server", cli.app)


def test_a_federation_is_made_once(run, fails, capsys, tmp_path):
    assert run("init", tmp_path / "study", "--set", "policy.epsilon=4", "--set", "study.title=Autumn [2026]") == 0
    assert "Noise multiplier" in capsys.readouterr().out
    settings = load_settings(tmp_path / "study" / "federation.toml")
    assert (settings.policy.epsilon, settings.study.title) == (4.0, "Autumn [2026]")
    assert "holds a federation already" in fails(10, "init", tmp_path / "study")


@pytest.mark.parametrize(
    ("code", "entry", "words"),
    [
        (2, "epsilon", "'epsilon' is not an entry"),
        (2, "policy=4", "'policy=4' is not an entry"),
        (2, "policy.=4", "'policy.=4' is not an entry"),
        (10, "policy.epsilon=-1", "The entry policy.epsilon of"),
        (10, "policy.epsilon=high", "The entry policy.epsilon of"),
        (10, "policy.budget=4", "The entry policy.budget of"),
        (10, "nowhere.x=1", "The entry nowhere of"),
        (10, "model.trainable=everything", "The entry model.trainable of"),
    ],
)
def test_a_wrong_entry_makes_nothing(fails, tmp_path, code, entry, words):
    assert words in fails(code, "init", tmp_path / "study", "--set", entry)
    assert not (tmp_path / "study").exists()


def test_a_folder_that_cannot_be_made_is_a_storage_error(fails, tmp_path):
    (tmp_path / "file").write_text("")
    fails(20, "init", tmp_path / "file" / "study")


def test_invitations_are_whole_lines_that_lead_here(run, folder, capsys):
    assert run("invite", folder.root, "--count", 3, "--days", 2) == 0
    lines = capsys.readouterr().out.splitlines()
    invitations = [Invitation.decode(line) for line in lines]
    settings = load_settings(folder.settings).server
    assert {invitation.address for invitation in invitations} == {f"127.0.0.1:{settings.enrolment_port}"}
    assert {invitation.ca_sha256 for invitation in invitations} == {ca_fingerprint(folder)}
    registry = Registry(folder.enrolment)
    assert all(registry.accepts(bytes.fromhex(invitation.secret)) for invitation in invitations)
    assert registry.open_invitations() == 3


def test_with_json_there_is_json_and_nothing_else(run, folder, capsys):
    assert run("invite", folder.root, "--json") == 0
    [line] = json.loads(capsys.readouterr().out)["invitations"]
    Invitation.decode(line)
    assert run("status", folder.root, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["study"], facts["open_invitations"], facts["rounds"]) == ("study", 1, [])


def test_status_is_there_to_be_read(run, folder, capsys):
    assert run("status", folder.root) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "devices 0 enrolled, 0 left, 0 online; 0 open invitations" in text
    assert "epsilon 0.00 of 8.00" in text
    assert "server not running" in text


def test_devices_are_listed_without_their_keys_and_taken_out_by_name(run, fails, small_study, capsys):
    small_study.round(0, 1)
    small_study.round(0)
    root, (first, second, third) = small_study.folder.root, small_study.devices
    assert run("devices", "remove", root, second, second) == 0
    assert capsys.readouterr().out == f"Removed: {second}.\n"
    assert run("devices", "list", root, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    today = rows[0]["enrolled"]
    assert [tuple(row.values()) for row in rows] == [
        (first, today, "enrolled", None, 2, 2, None),
        (second, today, "removed", today, 1, 1, None),
        (third, today, "enrolled", None, 0, None, None),
    ]
    assert list(rows[0]) == ["device", "enrolled", "state", "left", "rounds", "last_round", "replaces"]
    assert run("devices", "list", root) == 0
    assert [second, today, "removed", today, "1", "1"] in map(str.split, capsys.readouterr().out.splitlines())
    assert "There is no device 'somebody'" in fails(2, "devices", "remove", root, first, "somebody")
    assert [device.pseudonym for device in Registry(small_study.folder.enrolment).active()] == [first, third]


def test_an_invitation_can_name_the_device_that_it_replaces(run, fails, small_study, capsys):
    root, (first, *_) = small_study.folder.root, small_study.devices
    assert "There is no device 'somebody'" in fails(2, "invite", root, "--replaces", "somebody")
    assert "replaced by one" in fails(2, "invite", root, "--replaces", first, "--count", "2")
    assert run("invite", root, "--replaces", first) == 0
    invitation = Invitation.decode("".join(capsys.readouterr().out.split()))
    registry = Registry(small_study.folder.enrolment)
    device = registry.enrol(bytes.fromhex(invitation.secret), b"node", b"ledger")
    assert (device.earlier, registry.member(first).how) == ((first,), "removed")
    assert run("devices", "list", root, "--json") == 0
    assert json.loads(capsys.readouterr().out)[-1]["replaces"] == first


def test_a_title_is_shown_as_it_was_written(run, capsys, tmp_path):
    assert run("init", tmp_path / "study", "--set", "study.title=Seminar [/] [red] 2026") == 0
    assert run("status", tmp_path / "study") == 0
    assert "Seminar [/] [red] 2026 (study)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", ["invite", "start", "status", "plan", "renew", "pretrain", "report", "devices list"]
)
def test_where_there_is_no_federation_every_command_says_so(fails, tmp_path, command):
    assert "There is no federation in" in fails(10, *command.split(), tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["invite", "x", "--count", "0"],
        ["invite", "x", "--count", "many"],
        ["invite", "x", "--days", "366"],
        ["start", "x", "--rounds", "0"],
        ["status"],
        ["stats", "x"],
        ["status", "x", "--yaml"],
        [],
    ],
)
def test_a_command_used_wrongly_leaves_with_2_and_makes_nothing(run, arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_of_report_is_refused(fails, folder):
    assert "There is no report format 'docx'" in fails(2, "report", folder.root, "--format", "docx")


def test_before_the_first_round_there_is_nothing_to_report(fails, folder):
    fails(25, "report", folder.root)
    assert not folder.report.exists()


def test_a_new_certificate_keeps_the_authority(run, folder):
    before, fingerprint = folder.certificate.read_bytes(), ca_fingerprint(folder)
    assert run("renew", folder.root) == 0
    assert folder.certificate.read_bytes() != before
    assert ca_fingerprint(folder) == fingerprint


def test_a_certificate_is_brought_with_its_key_or_not_at_all(run, fails, folder, tmp_path):
    chain, key = tmp_path / "chain.pem", tmp_path / "server.key"
    chain.write_bytes(folder.certificate.read_bytes())
    key.write_bytes(folder.certificate_key.read_bytes())
    both = ("--certificate", chain, "--certificate-key", key)
    assert run("renew", folder.root) == 0
    assert run("renew", folder.root, *both) == 0
    assert folder.certificate.read_bytes() == chain.read_bytes()
    assert run("init", tmp_path / "other", *both) == 0
    other = FederationFolder(tmp_path / "other")
    assert ca_fingerprint(other) == ca_fingerprint(folder)
    assert "--certificate CHAIN --certificate-key KEY" in fails(18, "renew", other.root)
    for command, where in (("init", tmp_path / "third"), ("renew", folder.root)):
        assert "belong together" in fails(2, command, where, *both[:2])
        assert "belong together" in fails(2, command, where, *both[2:])
    assert not (tmp_path / "third").exists()


def test_a_certificate_that_runs_out_soon_is_warned_of_at_the_start(run, capsys, small_start, monkeypatch):
    certificates.issue_server_certificate(small_start, "127.0.0.1", 9)
    monkeypatch.setattr("fl_server.server.Server.run", lambda server, last_round: None)
    assert run("start", small_start.root) == 0
    assert "expires in 8 days" in capsys.readouterr().out


@pytest.fixture
def small_start(folder, benchmark, monkeypatch):
    """A federation that starts at once: few benchmark sequences, untrained weights."""
    monkeypatch.setattr("fl_server.server.load_benchmark", lambda spec, scheme: benchmark.sequences)
    text = folder.settings.read_text()
    folder.settings.write_text(text.replace('initial = "starter"', 'initial = "random"'))
    return folder


def test_a_port_that_is_taken_ends_the_start_with_its_name(run, capsys, small_start):
    port = load_settings(small_start.settings).server.fleet_port
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert run("start", small_start.root) == 16
    assert f"error: The address 127.0.0.1:{port} cannot be opened" in capsys.readouterr().err


def test_an_expired_certificate_ends_the_start_before_anything_is_opened(fails, small_start, monkeypatch):
    monkeypatch.setattr(certificates, "_BACKDATED", certificates.dt.timedelta(days=9))
    certificates.issue_server_certificate(small_start, "127.0.0.1", -1)
    assert "fl-server renew" in fails(18, "start", small_start.root)
    assert not small_start.transport.exists()


@pytest.mark.parametrize("scheme", FURTHER_SCHEMES)
def test_a_scheme_that_no_device_could_label_for_ends_the_start(run, fails, tmp_path, scheme):
    assert run("init", tmp_path / "study", "--set", f"model.scheme={scheme}") == 0
    sentence = fails(10, "start", tmp_path / "study")
    assert f"No federation trains for the label scheme {scheme}: on a device a label is one class" in sentence
    assert "basic-7, basic-8, learner-4x4" in sentence


def test_a_missing_key_and_a_changed_ledger_end_the_start(fails, small_start):
    small_start.ledger.write_text('{"seq": 0}\n')
    fails(14, "start", small_start.root)
    small_start.signing_key.unlink()
    fails(10, "start", small_start.root)


def test_an_unknown_source_of_data_ends_the_start(fails, folder):
    text = folder.settings.read_text()
    folder.settings.write_text(text.replace('data = "synthetic"', 'data = "manifest:nowhere.csv"'))
    fails(11, "start", folder.root)


def test_pretraining_does_what_it_is_told(run, folder, monkeypatch, tmp_path):
    called = []
    monkeypatch.setattr("fl_server.pretraining.show.pretrain_and_show", lambda *given: called.append(given))
    assert run("pretrain", folder.root, "--seed", 7) == 0
    options = ["--data", "ferplus:faces", "--out", tmp_path / "w", "--encoder", tmp_path / "e", "--threads", 2]
    assert run("pretrain", folder.root, *options, "--set", "loss=focal", "--set", "batch=32") == 0
    assert run("pretrain", folder.root, "--backbone", tmp_path / "b") == 0
    assert run("pretrain", folder.root, "--backbone", tmp_path / "b", "--encoder", tmp_path / "e") == 2
    recipe = Recipe(loss="focal", batch=32)
    default = folder.root / "pretrained.safetensors"
    assert called == [
        (default, Order("cnn-lstm", "basic-7", ("synthetic",), 7), 1),
        (tmp_path / "w", Order("cnn-lstm", "basic-7", ("ferplus:faces",), 0, recipe, tmp_path / "e"), 2),
        (default, Order("cnn-lstm", "basic-7", ("synthetic",), backbone=tmp_path / "b"), 1),
    ]


def test_as_a_program_it_is_one_sentence_and_one_exit_code(tmp_path):
    command = [sys.executable, "-c", "from fl_server.cli import run; run()", "status", "nowhere"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout) == (10, "")
    assert ended.stderr.startswith("error: There is no federation in nowhere.")
    assert ended.stderr.count("\n") == 1
    assert FederationFolder(tmp_path / "nowhere").root.exists() is False


def test_a_study_on_people_does_not_start_before_its_questions_are_answered(fails, run, capsys, tmp_path):
    folder = FederationFolder(tmp_path / "study")
    assert run("init", folder.root, "--set", "study.purpose=scientific research", "--set", "study.synthetic=false") == 0
    capsys.readouterr()
    said = fails(28, "start", folder.root)
    assert "study.ethics_reference: " in said
    assert "docs/legal-gate.md" in said
    assert not folder.transport.exists()


def test_a_simulation_says_that_it_is_one_when_it_starts(run, capsys, small_start):
    with socket.socket() as other:
        other.bind(("127.0.0.1", load_settings(small_start.settings).server.fleet_port))
        other.listen()
        run("start", small_start.root)
    assert "runs as a research simulation with synthetic data" in capsys.readouterr().out
