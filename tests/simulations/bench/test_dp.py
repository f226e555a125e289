"""The short form of the benchmark: its form and its ways, never its timings."""

import torch

from simulations.bench import dp
from simulations.bench.dp import Case, bench_dp

KEYS = {
    "name",
    "sgd_ms",
    "ratio_fast",
    "ratio_fast_with_noise",
    "ratio_opacus",
    "peak_mib_sgd",
    "peak_mib_fast",
    "peak_mib_opacus",
}
SMALL = Case("head-d8-b2", batch=2, turns=2, features=8)


def test_a_case_has_every_figure(monkeypatch) -> None:
    monkeypatch.setattr(dp, "_peaks", lambda case: {f"peak_mib_{way}": 1.0 for way in ("sgd", "fast", "opacus")})
    seen = []
    measured = bench_dp(lambda *step: seen.append(step), (SMALL,))
    (row,) = measured["cases"]
    assert row.keys() == KEYS
    assert row["name"] == "head-d8-b2"
    assert all(value > 0 for name, value in row.items() if name != "name")
    assert seen[-1] == ("measuring", 1, 1)


def test_every_way_of_the_published_cases_makes_a_step() -> None:
    assert [case.name for case in dp.CASES] == ["head-d128-b32", "head-d576-b64", "full-cnn-lstm", "full-mobilenet"]
    for case in dp.CASES[:1]:
        for way in dp._WAYS.values():
            way(case)()


def test_ordinary_and_private_steps_are_of_one_model_and_batch() -> None:
    (model, inputs, targets), (twin, *_) = SMALL.build(), SMALL.build()
    assert inputs.shape == (2, 1, 16, 8)
    assert targets.shape == (2, 7)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))
