import json
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from fl_client.settings import Settings as ClientSettings
from fl_server.settings import ModelSettings, Settings, load_settings
from shared_models.data.labels import FURTHER_SCHEMES, SCHEMES
from shared_models.errors import SettingsError
from shared_models.networks.model import TRAINABLE_PARTS
from shared_models.networks.names import FAMILY

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"
REQUIRED = """
[study]
id = "seminar"
title = "Emotions"
controller = "University"
contact = "dpo@example.org"
consent_text = "Do you agree?"
[server]
fleet_port = 4433
enrolment_port = 4434
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "federation.toml"


@pytest.fixture
def load(path):
    def load(text):
        path.write_text(text)
        return load_settings(path)

    return load


def documented(chapter: str) -> dict[str, dict[str, str]]:
    """Default by entry by section, from the tables of a chapter of docs/settings.md."""
    text = DOCS.read_text(encoding="utf-8").split("\n## ")
    [body] = [part for part in text if part.startswith(chapter)]
    sections = {}
    for section in body.split("\n### ")[1:]:
        name = re.match(r"`\[(\w+)\]`", section)[1]
        rows = [row.split(" | ") for row in section.splitlines() if row.startswith("| `")]
        assert all(len(row) == 4 and len(row[3]) > 10 for row in rows)
        sections[name] = {row[0].strip("| `"): row[2].strip("`") for row in rows}
    return sections


def defaults(model) -> dict[str, dict[str, str]]:
    """The same, from the settings themselves."""
    return {
        name: {
            entry: "required" if field.is_required() else _toml(field.default)
            for entry, field in section.annotation.model_fields.items()
        }
        for name, section in model.model_fields.items()
    }


def _toml(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)


def test_every_entry_of_the_server_is_documented_with_its_default():
    assert documented("The server") == defaults(Settings)


def test_every_entry_of_the_laptop_is_documented_with_its_default():
    assert documented("The laptop") == defaults(ClientSettings)


def test_what_is_not_named_keeps_its_default(load):
    settings = load(REQUIRED + "[policy]\nepsilon = 4\n")
    assert (settings.policy.epsilon, settings.policy.delta, settings.server.bind) == (4.0, 1e-5, "127.0.0.1")
    assert settings.benchmark.data == "synthetic"


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("", "study"),
        (REQUIRED.replace('id = "seminar"\n', ""), "study.id"),
        (REQUIRED.replace("seminar", "Seminar 1"), "study.id"),
        (REQUIRED.replace("seminar", "s" * 64), "study.id"),
        (REQUIRED.replace("4433", "0"), "server.fleet_port"),
        (REQUIRED.replace("4434", "65536"), "server.enrolment_port"),
        (REQUIRED.replace("4434", '"door"'), "server.enrolment_port"),
        (REQUIRED + "max_body_mib = 0", "server.max_body_mib"),
        (REQUIRED + '[study2]\nid = "x"', "study2"),
        (REQUIRED + "[policy]\nepsilom = 4", "policy.epsilom"),
        (REQUIRED + "[policy]\nepsilon = 0", "policy.epsilon"),
        (REQUIRED + "[policy]\nepsilon = nan", "policy.epsilon"),
        (REQUIRED + "[policy]\nnoise_multiplier = 0", "policy.noise_multiplier"),
        (REQUIRED + "[policy]\nq = 0.005", "policy.q"),
        (REQUIRED + "[policy]\nsigma = 3", "policy.sigma"),
        (REQUIRED + "[policy]\nunit = 'none'", "policy.unit"),
        (REQUIRED + "[policy]\ndelta = 1", "policy.delta"),
        (REQUIRED + "[policy]\nmomentum = 1", "policy.momentum"),
        (REQUIRED + "[policy]\nreply_seconds = -1", "policy.reply_seconds"),
        (REQUIRED + "[policy]\nsteps = 1.5", "policy.steps"),
        (REQUIRED + "[rounds]\nmin_devices = 0", "rounds.min_devices"),
        (REQUIRED + "[rounds]\ndeadline_seconds = 0", "rounds.deadline_seconds"),
        (REQUIRED + "[aggregation]\nrule = 'krum'", "aggregation.rule"),
        (REQUIRED + "[aggregation]\ntrim = 0.5", "aggregation.trim"),
        (REQUIRED + "[aggregation]\nserver_learning_rate = 0", "aggregation.server_learning_rate"),
        (REQUIRED + "[aggregation]\nbeta2 = 1", "aggregation.beta2"),
        (REQUIRED + "[model]\ntrainable = 'clasifier'", "model.trainable"),
        (REQUIRED + "[model]\nscheme = 'basic-9'", "model.scheme"),
        (REQUIRED + "[model]\nname = 'resnet-50'", "model.name"),
        (REQUIRED + "[model]\nname = 'cnn'\ntrainable = 'head'", "model"),
        (REQUIRED + "[benchmark]\ndata = 4", "benchmark.data"),
    ],
)
def test_a_wrong_missing_or_unknown_entry_is_named(load, path, text, entry):
    with pytest.raises(SettingsError) as refused:
        load(text)
    assert f"The entry {entry} of {path} is wrong: " in str(refused.value)
    assert "docs/settings.md" in refused.value.fix


@pytest.mark.parametrize("content", [b"[study", b"\xff\xfe", b"id seminar"])
def test_what_is_not_toml_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="is not valid TOML"):
        load_settings(path)


def test_where_there_is_no_federation_it_says_how_to_make_one(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "nothing", tmp_path / "file"):
        with pytest.raises(SettingsError, match="There is no federation in") as refused:
            load_settings(folder / "federation.toml")
        assert f"fl-server init {folder}" in refused.value.fix


def test_the_policy_in_force_is_calibrated_from_the_entries(load):
    settings = load(REQUIRED + "[policy]\nepsilon = 4\nparticipations = 3\nsteps = 2\n[model]\ntrainable = 'head'\n")
    policy = settings.privacy_policy()
    assert (policy.unit, policy.trainable, policy.participations, policy.steps) == ("sequence", "head", 3, 2)
    assert policy.epsilon_after(3) <= 4 < policy.epsilon_after(4)
    assert policy.hash == settings.privacy_policy().hash


CHANGED = {
    "unit": "participant",
    "epsilon": 4.0,
    "delta": 1e-6,
    "participations": 7,
    "steps": 5,
    "lifetime_steps": 20,
    "min_rounds_between": 1,
    "clip_norm": 0.3,
    "noise_multiplier": 9.0,
    "q": 0.5,
    "views": 2,
    "update_clip": 0.2,
    "update_noise": 9.0,
    "min_survivors": 3,
    "colluders": 0,
    "stack_units": True,
    "denominator": 41,
    "max_sequences": 61,
    "pseudo_labels": True,
    "learning_rate": 1.5,
    "momentum": 0.5,
    "proximal": 0.25,
    "reply_seconds": 11.0,
}
SHARED = {"unit": "participant", "update_clip": 0.1}


def test_the_table_of_changes_names_every_entry_of_the_policy():
    assert CHANGED.keys() == Settings.model_fields["policy"].annotation.model_fields.keys()


@pytest.mark.parametrize("entry", CHANGED)
def test_every_entry_of_the_policy_changes_its_hash(load, entry):
    around = SHARED if entry in ("unit", "update_clip", "update_noise", "stack_units") else {}
    before = {} if entry == "unit" else around
    hashes = set()
    for policy in (before, around | {entry: CHANGED[entry]}):
        lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in policy.items())
        hashes.add(load(f"{REQUIRED}[policy]\n{lines}").privacy_policy().hash)
    assert len(hashes) == 2


def test_the_names_that_are_allowed_are_those_that_exist():
    allowed = {name: get_args(field.annotation) for name, field in ModelSettings.model_fields.items()}
    assert allowed["trainable"] == TRAINABLE_PARTS
    assert allowed["scheme"] == tuple(SCHEMES | FURTHER_SCHEMES)


@pytest.mark.parametrize("name", FAMILY)
def test_every_model_of_the_family_can_be_named(load, name):
    assert load(f"{REQUIRED}[model]\nname = '{name}'").model.name == name


def test_a_wrong_model_or_part_is_answered_with_those_there_are(load):
    with pytest.raises(SettingsError, match=f"no model 'none'.*Use one of: {re.escape(', '.join(FAMILY))};"):
        load(f"{REQUIRED}[model]\nname = 'none'")
    with pytest.raises(SettingsError, match=r"cnn has no part 'head', only classifier, head\+affine, all"):
        load(f"{REQUIRED}[model]\nname = 'cnn'\ntrainable = 'head'")


def test_the_required_entries_are_all_that_is_required():
    assert Settings.model_validate(tomllib.loads(REQUIRED)).study.purpose == "research simulation"
