"""The short form of the benchmark: its figures and their meaning, never their size."""

import json
import os
import subprocess
import sys

import pytest

from shared_models.errors import UsageError
from simulations import cli
from simulations.bench import transport
from simulations.bench.light_devices import Call
from simulations.bench.server_meter import ServerMeter
from simulations.bench.transport import TransportOptions, bench_transport, figures, model_for

ASKED_FOR = {
    "devices",
    "cohort",
    "rounds",
    "checkin_p50_ms",
    "checkin_p99_ms",
    "cpu_s",
    "rss_mb",
    "wall_s",
}


@pytest.mark.e2e
def test_a_few_devices_and_two_rounds_by_the_command(leave, capsys) -> None:
    """A real server, devices that enrol, connect, take tasks and send updates that it accepts."""
    options = ["--devices", 8, "--cohort", 4, "--rounds", 2, "--update-mb", 0.001, "--poll-seconds", 0.5, "--json"]
    assert leave(cli.run, "bench", "transport", *options) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured.keys() >= ASKED_FOR
    assert (measured["devices"], measured["cohort"], measured["rounds"], measured["failed_calls"]) == (8, 4, 2, 0)
    assert measured["update_mb"] == 0.004
    assert measured["checkins"] > 0
    assert all(measured[name] > 0 for name in ASKED_FOR)


class Meter:
    """A server that uses half a core and grows by a MiB a second."""

    began = 100.0

    def cpu_seconds(self, since, until):
        return (until - since) / 2

    def peak_mb(self, since, until):
        return until - self.began


def call(kind, began, seconds, round_=0):
    return Call(kind, began, began, began + seconds, round_)


def test_a_check_in_counts_by_whether_a_round_has_answers_to_come() -> None:
    calls = [
        call("checkin", 105, 0.010),
        call("task", 110, 1, 1),
        call("checkin", 112, 0.500),
        call("push", 114, 1, 1),
        call("checkin", 116, 0.020),
        call("checkin", 117, 0.030),
        call("task", 130, 1, 2),
        call("push", 131, 1, 2),
        call("failed", 139, 1),
        call("failed", 140, 1),  # the last round is over
    ]
    measured = figures(TransportOptions(10, 2, 2, poll_seconds=5), calls, [115.5, 140.0], Meter())
    assert (measured["checkins"], measured["checkin_p50_ms"]) == (3, 20.0)
    assert measured["burst_checkin_p99_ms"] == 500.0
    assert (measured["round_s"], measured["failed_calls"]) == ([15.5, 14.5], 1)
    assert (measured["cpu_s"], measured["rss_mb"], measured["wall_s"]) == (20.0, 40.0, 40.0)
    assert (measured["idle_cores"], measured["idle_cpu_ms_per_checkin"]) == (0.5, 2500.0)


def test_the_model_is_the_smallest_that_sends_as_much_as_was_asked_for() -> None:
    sizes = [model_for(1e-6 + low)[2] for low in (0, 0.01, 0.6, 1.5, 2.3)]
    assert sizes == sorted(sizes)
    assert len({(name, part) for name, part, _ in map(model_for, (0.001, 0.1, 1, 2, 5))}) == len(transport.BY_SIZE)
    with pytest.raises(UsageError, match="No model has an update of 6 MB"):
        model_for(6)


@pytest.mark.parametrize("options", [TransportOptions(10, 11), TransportOptions(10, 1), TransportOptions(rounds=1)])
def test_numbers_that_do_not_fit_are_refused(options) -> None:
    with pytest.raises(UsageError):
        bench_transport(options, lambda *_: None)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_meter_reads_another_process_and_outlives_it() -> None:
    spin = "import sys; b = b'x' * (50 << 20); print(flush=True); [0 for _ in range(10**7)]; sys.stdin.read(1)"
    with subprocess.Popen([sys.executable, "-c", spin], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with ServerMeter(other.pid) as meter:
            other.communicate(b"x")
        assert meter.peak_mb(0, float("inf")) > 50
        assert meter.cpu_seconds(0, float("inf")) >= 0
    with pytest.raises(UsageError):
        ServerMeter(other.pid if not os.path.exists(f"/proc/{other.pid}") else 2**22 + 1)
