from types import SimpleNamespace

import psutil
import pytest

from fl_client.conditions.power import on_mains


@pytest.mark.parametrize(
    ("battery", "plugged_in"),
    [
        (None, True),
        (SimpleNamespace(power_plugged=True), True),
        (SimpleNamespace(power_plugged=False), False),
        (SimpleNamespace(power_plugged=None), None),
    ],
)
def test_a_computer_without_a_battery_is_on_mains(monkeypatch, battery, plugged_in):
    monkeypatch.setattr(psutil, "sensors_battery", lambda: battery, raising=False)
    assert on_mains().read() is plugged_in


def test_a_system_without_the_question_does_not_tell(monkeypatch):
    monkeypatch.delattr(psutil, "sensors_battery", raising=False)
    assert on_mains().read() is None


def test_training_waits_on_battery():
    assert (on_mains().judge(False), on_mains().judge(True)) == ("on battery", "")
