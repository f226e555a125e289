"""One point of a sweep is one `fl-sim run`."""

from pathlib import Path

import pytest

from shared_models.errors import PolicyError, UsageError
from simulations.run import run_simulation
from simulations.sweep.grid import Grid, Sweep
from simulations.sweep.pool import Measurer


def test_a_point_scores_what_the_run_of_its_options_scores(small, tmp_path) -> None:
    points = small(epsilon=[8.0], algorithm=["fedavg", "fedadam"]).points()
    measure = Measurer({points[0].group: None})
    for point in points:
        row, result = measure(point), run_simulation(point.options, tmp_path, lambda *_: None)
        assert row.macro_f1 == round(result["metrics"]["macro_f1"], 4)
        assert row.uar_without_noise == round(result["baselines"]["non_private"]["uar"], 4)
        assert row.uar_before == round(result["initial_metrics"]["uar"], 4)
        assert (row.clients, row.cohort, row.sequences, row.participations) == (4, 4, 2, 1)
        assert row.epsilon_spent == pytest.approx(result["claims"][0]["epsilon"])
        assert row.upload_bytes == result["cost"]["upload_bytes_per_update"]


def test_fewer_rendered_clients_are_the_first_of_more(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("simulations.populations.dealt._SYNTHETIC_HELD_OUT_PER_CLASS", 1)
    sweep = Sweep(init="random", per_client=1, grid=Grid(clients=[2, 3], rounds=[1], seed=[0]))
    points = sweep.points()
    assert points[0].group == points[1].group
    measure = Measurer({points[0].group: 3})
    for point in points:
        result = run_simulation(point.options, tmp_path, lambda *_: None)
        assert measure(point).macro_f1 == round(result["metrics"]["macro_f1"], 4)


@pytest.mark.parametrize(
    ("sweep", "error", "said"),
    [
        (Sweep(grid=Grid(epsilon=[1e-9])), PolicyError, "epsilon"),
        (Sweep(grid=Grid(unit=["participant"])), PolicyError, "update_clip"),
        (Sweep(population=["height"]), UsageError, "no population 'height'"),
        (Sweep(availability=["weekends"]), UsageError, "no availability 'weekends'"),
        (Sweep(grid=Grid(cohort=[11])), UsageError, "cohort of 11 is larger than the population"),
        (Sweep(grid=Grid(clients=[1])), UsageError, "No round with 1 clients"),
        (
            Sweep(settings={"update_clip": 1, "aggregation.rule": "median"}, grid=Grid(unit=["participant"])),
            PolicyError,
            "drops shares",
        ),
    ],
)
def test_what_cannot_be_is_refused_beforehand(sweep, error, said) -> None:
    with pytest.raises(error, match=said):
        sweep.points()[0].check()


def test_what_goes_wrong_is_a_sentence_for_the_summary(small) -> None:
    [point] = small(epsilon=[8.0]).points()
    Path(point.options.data.removeprefix("manifest:")).write_text("clip_id\n")
    outcome = Measurer({point.group: None})(point)
    assert isinstance(outcome, str)
    assert "people.csv" in outcome
