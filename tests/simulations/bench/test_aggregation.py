"""The short form of the benchmark: its form, and that both ways do the same work; never its timings."""

import json

import numpy as np

from simulations import cli
from simulations.bench.aggregation import Arriving, attune, fedavg

KEYS = ["clients", "parameters", "seconds", "peak_mib", "fedavg_seconds", "fedavg_peak_mib"]


def test_both_ways_find_the_mean_of_the_same_updates() -> None:
    updates = [update["weights"].numpy() for update in Arriving(7, 1000)]
    assert len({update.tobytes() for update in updates}) == 7
    for way in (attune, fedavg):
        mean, seconds = way(7, 1000)
        np.testing.assert_allclose(mean, np.mean(updates, axis=0, dtype="f8"), atol=1e-6)
        assert seconds > 0


def test_the_command_prints_every_figure(leave, capsys) -> None:
    """20 updates of 2 MB: FedAvg holds them all, 40 MB; Attune one at a time and a sum of 4 MB."""
    assert leave(cli.run, "bench", "aggregation", "--clients", "20", "--parameters", "500000", "--json") == 0
    measured = json.loads(capsys.readouterr().out)
    assert list(measured) == KEYS
    assert (measured["clients"], measured["parameters"]) == (20, 500_000)
    assert 0 < measured["peak_mib"] < 30 < measured["fedavg_peak_mib"]


def test_without_json_it_is_a_table(leave, capsys, monkeypatch) -> None:
    figures = dict.fromkeys(KEYS, 1) | {"peak_mib": 159.5, "fedavg_peak_mib": 4050.2}
    monkeypatch.setattr("simulations.bench.aggregation.bench_aggregation", lambda *arguments: figures)
    assert leave(cli.run, "bench", "aggregation") == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("Attune", "FedAvg", "159.5", "4050.2"))
