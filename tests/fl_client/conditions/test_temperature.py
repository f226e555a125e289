from types import SimpleNamespace

import psutil
import pytest

from fl_client.conditions.temperature import cool


def sensors(**celsius):
    return {name: [SimpleNamespace(current=one) for one in values] for name, values in celsius.items()}


@pytest.mark.parametrize(
    ("found", "hottest"),
    [
        (sensors(coretemp=[60.0, 71.0, 65.0]), 71.0),
        (sensors(k10temp=[50.0], nvme=[88.0], iwlwifi=[90.0]), 50.0),
        (sensors(nvme=[88.0]), None),
        ({}, None),
    ],
)
def test_the_hottest_sensor_of_the_processor_counts_and_no_other(monkeypatch, found, hottest):
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: found, raising=False)
    assert cool(85).read() == hottest


def test_a_system_without_the_question_does_not_tell(monkeypatch):
    monkeypatch.delattr(psutil, "sensors_temperatures", raising=False)
    assert cool(85).read() is None


def test_training_waits_above_the_limit():
    assert cool(85).judge(85.0) == ""
    assert cool(85).judge(91.4) == "the processor has 91 degrees"
