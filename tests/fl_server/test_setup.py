import socket
import stat

import pytest

from fl_server.enrolment.registry import Registry
from fl_server.folder import FederationFolder
from fl_server.settings import load_settings
from fl_server.setup import CONSENT_TEXT, create_federation
from shared_models.errors import PolicyError, SettingsError, StorageError


def test_what_it_writes_can_be_started(tmp_path):
    root = tmp_path / "autumn"
    settings = create_federation(root, {})
    folder = FederationFolder(root)
    assert load_settings(folder.settings) == settings
    assert (settings.study.id, settings.study.consent_text) == ("autumn", CONSENT_TEXT)
    for path in (folder.ca_certificate, folder.certificate, folder.signing_key, folder.enrolment):
        assert path.stat().st_size > 0
    assert Registry(folder.enrolment).devices() == []
    assert stat.S_IMODE(folder.settings.stat().st_mode) == 0o600


def test_every_entry_is_in_the_file(tmp_path):
    settings = create_federation(tmp_path / "study", {})
    text = (tmp_path / "study" / "federation.toml").read_text()
    for section in settings.model_dump(exclude_none=True).values():
        for entry in section:
            assert f"\n{entry} = " in text
    assert load_settings(tmp_path / "study" / "federation.toml") == settings


def test_entries_given_replace_the_defaults(tmp_path):
    overrides = {"policy": {"epsilon": 4.0}, "study": {"id": "pilot"}, "server": {"host": "fl.example.org"}}
    settings = create_federation(tmp_path / "study", overrides)
    assert (settings.policy.epsilon, settings.study.id, settings.server.host) == (4.0, "pilot", "fl.example.org")


@pytest.mark.parametrize("given", [{}, {"fleet_port": 0, "enrolment_port": 0}])
def test_ports_that_are_not_given_are_free_ones(tmp_path, given):
    server = create_federation(tmp_path / "study", {"server": given}).server
    assert server.fleet_port != server.enrolment_port
    for port in (server.fleet_port, server.enrolment_port):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


def test_a_port_that_is_given_is_kept(tmp_path):
    server = create_federation(tmp_path / "study", {"server": {"fleet_port": 4433}}).server
    assert server.fleet_port == 4433


def test_a_federation_is_never_written_over(tmp_path):
    create_federation(tmp_path / "study", {})
    before = {path: path.read_bytes() for path in (tmp_path / "study").rglob("*") if path.is_file()}
    with pytest.raises(SettingsError, match="holds a federation already"):
        create_federation(tmp_path / "study", {"study": {"id": "another"}})
    assert {path: path.read_bytes() for path in (tmp_path / "study").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("overrides", "entry"),
    [
        ({"policy": {"epsilon": -1}}, "policy.epsilon"),
        ({"nowhere": {"x": 1}}, "nowhere"),
        ({"study": {"id": "Not An Id"}}, "study.id"),
        ({"model": {"trainable": "everything"}}, "model.trainable"),
    ],
)
def test_a_wrong_entry_is_named_and_nothing_is_made(tmp_path, overrides, entry):
    with pytest.raises(SettingsError, match=f"The entry {entry} of"):
        create_federation(tmp_path / "study", overrides)
    assert not (tmp_path / "study").exists()


def test_a_rule_that_voids_the_claim_is_refused_and_nothing_is_made(tmp_path):
    overrides = {"policy": {"unit": "participant", "update_clip": 0.1}, "aggregation": {"rule": "median"}}
    with pytest.raises(PolicyError, match="does not go with the unit 'participant'"):
        create_federation(tmp_path / "study", overrides)
    assert not (tmp_path / "study").exists()


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        create_federation(tmp_path / "file" / "study", {})


@pytest.mark.parametrize(
    ("name", "study"),
    [("Étude 7", "tude-7"), ("心", "study"), ("-a_b-", "a-b"), ("Seminar.2026", "seminar-2026"), ("x" * 80, "x" * 63)],
)
def test_any_folder_name_gives_a_study_a_valid_id(tmp_path, name, study):
    assert create_federation(tmp_path / name, {}).study.id == study
