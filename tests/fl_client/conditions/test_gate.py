"""All conditions together, with readings that the test gives."""

import sys

import psutil
import pytest

from fl_client.conditions.condition import Condition
from fl_client.conditions.gate import Gate, HeldUp, gate_of
from fl_client.conditions.last_input import linux
from fl_client.settings import TrainingSettings


class Reading:
    """A condition's reading, and how often it was read; what it holds up is what it is, in words."""

    def __init__(self, reads, value=""):
        self.reads, self.value, self.count = reads, value, 0

    def __call__(self):
        self.count += 1
        return self.value

    @property
    def condition(self):
        return Condition(self.reads, self, lambda value: value)


@pytest.fixture
def clock():
    class Clock:
        now = 100.0

        def __call__(self):
            return self.now

    return Clock()


@pytest.fixture
def readings():
    return [Reading("the power"), Reading("the load"), Reading("the user")]


@pytest.fixture
def gate(readings, clock):
    return Gate([one.condition for one in readings], clock)


def test_it_is_open_while_nothing_holds_training_up(gate):
    assert gate.obstacle() == ""
    gate.look_up()


def test_the_first_obstacle_is_named_and_nothing_behind_it_is_read(gate, readings):
    readings[1].value, readings[2].value = "busy", "in use"
    assert gate.obstacle() == "busy"
    assert [one.count for one in readings] == [1, 1, 0]


def test_what_this_computer_does_not_tell_holds_nothing_up_and_is_said_once(gate, readings, caplog):
    caplog.set_level("INFO")
    readings[0].value = None
    assert [gate.obstacle(), gate.obstacle()] == ["", ""]
    assert gate.unknown == ["the power"]
    assert caplog.text.count("this computer does not tell the power") == 1
    readings[0].value = "on battery"
    assert gate.obstacle() == "on battery"
    assert gate.unknown == []


def test_whoever_trains_is_stopped_within_half_a_second(gate, readings, clock):
    gate.obstacle()
    readings[2].value = "in use"
    clock.now += 0.4
    gate.look_up()
    clock.now += 0.1
    with pytest.raises(HeldUp, match="in use"):
        gate.look_up()


def test_looking_up_often_costs_two_readings_a_second(gate, readings, clock):
    for _ in range(1000):
        clock.now += 0.01
        gate.look_up()
    assert 19 <= readings[0].count <= 21


def reads(gate):
    return [condition.reads for condition in gate._conditions]


def test_by_default_every_condition_holds(laptop):
    assert reads(gate_of(TrainingSettings(), laptop.consent, laptop.enrolment.policy.hash)) == [
        "what you agreed to",
        "the time of day",
        "whether it is plugged in",
        "what other programs use",
        "how warm the processor is",
        "when it was last used",
    ]


def test_consent_is_the_one_that_no_setting_switches_off(laptop):
    settings = TrainingSettings(mains_only=False, idle_seconds=0, max_cpu_percent=100, max_celsius=1000)
    gate = gate_of(settings, laptop.consent, laptop.enrolment.policy.hash)
    assert "when it was last used" not in reads(gate)
    assert "whether it is plugged in" not in reads(gate)
    assert gate.obstacle() == ""
    laptop.consent.pause()
    assert gate.obstacle() == "taking part is paused"


@pytest.mark.skipif(sys.platform != "linux", reason="a machine without a screen is a Linux server here")
def test_a_machine_without_screen_battery_and_sensors_waits_for_nothing_but_the_load(laptop, monkeypatch):
    def missing(program, *options):
        raise FileNotFoundError(program)

    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(linux, "output_of", missing)
    monkeypatch.setattr(psutil, "sensors_battery", lambda: None, raising=False)
    monkeypatch.setattr(psutil, "sensors_temperatures", dict, raising=False)
    gate = gate_of(TrainingSettings(max_cpu_percent=100), laptop.consent, laptop.enrolment.policy.hash)
    assert gate.obstacle() == ""
    assert {"how warm the processor is", "when it was last used"} <= set(gate.unknown)
