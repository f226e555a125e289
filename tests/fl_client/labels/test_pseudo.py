"""The model's own labels: rare, sure, of basic emotions only, and only where they are wanted."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from fl_client import cli
from fl_client.keys import open_vault
from fl_client.labels import LabelEvent
from fl_client.labels.pseudo import PseudoLabels
from fl_client.settings import LabelSettings
from fl_client.store import Store
from shared_models.data.labels import scheme_by_name
from tests.fl_client.labels.desk import Reader, Reading

BASIC, LEARNER = scheme_by_name("basic-7"), scheme_by_name("learner-4x4")


def labels(reader, scheme=BASIC, hold=lambda: False, **settings):
    return PseudoLabels(reader, scheme, LabelSettings(**{"pseudo": True} | settings), hold)


def test_a_sure_reading_becomes_a_label_that_says_who_gave_it():
    assert labels(Reader(Reading(4.0))).due(5.0) == [LabelEvent(4.0, "surprise", "pseudo")]


@pytest.mark.parametrize(
    ("reading", "changes"),
    [
        (None, {}),
        (Reading(4.0, 0.94), {}),
        (Reading(4.0, math.nan), {}),
        (Reading(4.0, 0.97), {"pseudo_confidence": 0.98}),
        (Reading(4.0, whole=False), {}),
        (Reading(6.0), {}),  # later than what is asked for
        (Reading(4.0, label="melancholy"), {}),  # a model of another scheme
        (Reading(4.0), {"hold": lambda: True}),
        (Reading(4.0), {"pseudo": False}),
        (Reading(4.0, label="boredom:3"), {"scheme": LEARNER}),
    ],
)
def test_nothing_else_does(reading, changes):
    assert labels(Reader(reading), **changes).due(5.0) == []


def test_it_is_off_unless_the_settings_want_it():
    assert PseudoLabels(Reader(Reading(4.0)), BASIC, LabelSettings(), lambda: False).due(5.0) == []


def test_there_is_one_in_the_shortest_interval_at_most():
    reader = Reader()
    source, times = labels(reader, shortest_minutes=10), []
    for second in range(3600):
        reader.now = Reading(float(second))
        times += [event.seconds for event in source.due(second)]
    assert times == [0, 600, 1200, 1800, 2400, 3000]


def test_a_camera_that_starts_anew_is_followed():
    reader = Reader(Reading(900.0))
    source = labels(reader)
    assert source.due(900)
    reader.now = Reading(1.0)
    assert source.due(1.0)


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (["probe", "pseudo", "pseudo"], ["3 sequences, ", "\n2 of them were labelled by the model itself\n"]),
        (["probe"], ["1 sequences, "]),
    ],
)
def test_they_are_counted_apart_where_data_is_listed(tmp_path, monkeypatch, leave, capsys, laptop, sources, said):
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery staple")
    monkeypatch.setenv("ATTUNE_PASSPHRASE_FILE", str(secret))
    monkeypatch.setattr("fl_client.keys.find_backend", lambda backend: None)
    with Store(laptop.home.store, open_vault(laptop.home.root)) as store:
        for source in sources:
            store.add(np.zeros((2, 1, 48, 48), np.uint8), 0, "neutral", source, datetime.now(UTC))
    assert leave(cli.run, "data", "list", "--home", str(laptop.home.root)) == 0
    out = capsys.readouterr().out
    assert all(part in out for part in said)
    assert ("model itself" in out) == ("pseudo" in sources)
