"""The short form of the benchmark: its form, and that loop and engine do the same arithmetic; never its timings."""

import copy
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.errors import RoundError, UsageError
from shared_models.networks.registry import build_model
from simulations.bench import engine_cases, engines
from simulations.bench.engines import Size, bench_engines
from simulations.engines import open_engine

FIGURES = {f"{case}_{figure}" for case in ("floor", "local", "flower") for figure in ("cpu_s", "rss_mb")}
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux
def test_every_case_is_measured_for_sgd_and_for_private_training(monkeypatch) -> None:
    asked = []

    def measure(case, size, policy):
        asked.append((case, size, json.loads(policy)["unit"]))
        return {"cpu_s": 1.0, "rss_mb": 2.0}

    monkeypatch.setattr(engines, "_measure", measure)
    figures = bench_engines(lambda *_: None, Size(4, 2, 1))
    assert figures.keys() == FIGURES | {f"private_{name}" for name in FIGURES}
    assert [unit for *_, unit in asked] == ["none"] * 3 + ["sequence"] * 3
    assert {size for _, size, _ in asked} == {Size(4, 2, 1)}


def test_the_plain_loop_trains_as_the_local_engine_does(monkeypatch, make_policy, weights_of) -> None:
    """Without noise, and clipped so wide that nothing is cut, the two give the same weights."""
    monkeypatch.setattr(engine_cases, "SEQUENCES", 2)
    monkeypatch.setattr(engine_cases, "_FRAMES", 2)
    size, scheme = Size(clients=3, cohort=2, rounds=2), scheme_by_name("basic-7")
    policy = make_policy(
        trainable="all", steps=1, clip_norm=1e3, learning_rate=0.1, denominator=2, participations=2
    ).without_noise()
    torch.manual_seed(0)
    model = build_model("cnn-lstm", 7).eval()
    by_hand = copy.deepcopy(model)
    engine_cases.plain_loop(by_hand, size, policy.model_dump())
    clients = [
        Sequences(scheme, frames, np.eye(7, dtype=np.float32)[classes], (None,) * 2, ("",) * 2)
        for frames, classes in map(engine_cases.client_data, range(size.clients))
    ]
    with open_engine("local", model, clients, 0, "fast", 0) as engine:
        trained = engine.train(policy, size.rounds, size.cohort, lambda done, total: None).model
    torch.testing.assert_close(weights_of(by_hand), weights_of(trained), rtol=0, atol=1e-5)


@linux
def test_all_processes_of_a_command_count_and_so_do_those_that_outlive_it() -> None:
    """The command ends at once; what it started keeps 50 MiB and uses the processor for a while."""
    orphan = "import time\nkept = b'1' * (50 << 20)\nwhile time.process_time() < 0.5: pass"
    command = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {orphan!r}])"
    told = subprocess.run(
        [sys.executable, "-m", "simulations.bench.process_tree", sys.executable, "-c", command],
        capture_output=True,
        text=True,
        check=True,
    )
    figures = json.loads(told.stdout)
    assert figures["cpu_s"] >= 0.5
    assert figures["rss_mb"] > 50


@linux
def test_a_case_that_fails_ends_the_benchmark_in_a_sentence() -> None:
    with pytest.raises(RoundError, match="The case nothing could not be measured"):
        engines._measure("nothing", Size(2, 2, 1), "{}")


def test_a_cohort_larger_than_the_population_is_refused() -> None:
    with pytest.raises(UsageError, match="larger than the population"):
        bench_engines(lambda *_: None, Size(2, 3, 1))
