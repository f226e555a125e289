"""A sweep from its grid to its files: resumed, interrupted, failed."""

import json

import pytest

from fl_server.plan.utility import load_utility
from shared_models.errors import RoundError, UsageError
from shared_models.files import only_one
from simulations.sweep.run import raise_if_failed, run_sweep


@pytest.fixture
def measure(monkeypatch, make_row):
    """Measures nothing: a score for each point by its epsilon. `measure.asked` are the points that it was given."""

    def measure(points, workers, done):
        for point in points:
            if len(measure.asked) == measure.until:
                raise KeyboardInterrupt
            measure.asked.append(str(point))
            epsilon = point.options.policy.epsilon
            row = make_row(epsilon=epsilon, seed=point.options.plan.seed, macro_f1=0.5 + epsilon / 20)
            done(point, "it fell over" if str(point) in measure.failing else row)

    measure.asked, measure.failing, measure.until = [], set(), None
    monkeypatch.setattr("simulations.sweep.run.measure_all", measure)
    return measure


@pytest.fixture
def sweep(small, tmp_path):
    def sweep(**axes):
        return run_sweep(small(seed=[0, 1], **axes), tmp_path / "out", 1, lambda *_: None)

    return sweep


def test_an_interrupted_sweep_goes_on_and_gives_the_same_table(sweep, measure, tmp_path) -> None:
    measure.until = 3
    with pytest.raises(KeyboardInterrupt):
        sweep()
    measure.until = None
    assert len(sweep().rows) == 4
    assert len(measure.asked) == len(set(measure.asked)) == 4, "nothing was measured twice"
    resumed = (tmp_path / "out" / "results.csv").read_bytes()
    (tmp_path / "out").rename(tmp_path / "first")
    sweep()
    assert (tmp_path / "out" / "results.csv").read_bytes() == resumed
    assert (tmp_path / "out" / "summary.md").read_bytes() == (tmp_path / "first" / "summary.md").read_bytes()


def test_a_larger_grid_takes_what_is_finished(sweep, measure) -> None:
    sweep(epsilon=[8.0])
    assert len(sweep(epsilon=[1.0, 8.0]).rows) == 4
    assert len(measure.asked) == 4


def test_a_damaged_file_is_measured_again(sweep, measure, tmp_path) -> None:
    sweep(epsilon=[8.0])
    next((tmp_path / "out" / "points").iterdir()).write_text("{")
    assert len(sweep(epsilon=[8.0]).rows) == 2
    assert len(measure.asked) == 3


def test_a_point_that_fails_is_named_and_tried_again(sweep, measure, tmp_path) -> None:
    swept = sweep()
    raise_if_failed(swept)
    measure.failing = {"sequence, epsilon 2, by-subject clients, 1 rounds, classifier, fedavg, seed 0"}
    swept = sweep(epsilon=[2.0])
    assert swept.to_dict()["failed"] == dict.fromkeys(measure.failing, "it fell over")
    assert "it fell over" in (tmp_path / "out" / "summary.md").read_text()
    with pytest.raises(RoundError, match=r"1 of 2 points.*epsilon 2.*it fell over.*tries them again"):
        raise_if_failed(swept)
    measure.failing = set()
    assert sweep(epsilon=[2.0]).failed == {}


def test_the_plan_reads_the_table(sweep, measure, tmp_path) -> None:
    sweep()
    table = load_utility(tmp_path / "out" / "results.csv", "cnn-lstm", "basic-7", "classifier")
    assert (table.sizes(), table.epsilons(), len(table.rows)) == ([10], [1, 8], 4)


def test_two_sweeps_do_not_share_a_folder(sweep, measure, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    with only_one(tmp_path / "out" / ".lock", "another"), pytest.raises(UsageError, match="runs already"):
        sweep()


def test_what_is_printed_is_json(sweep, measure) -> None:
    printed = json.loads(json.dumps(sweep().to_dict()))
    assert (printed["points"], printed["finished"], len(printed["studies"])) == (4, 4, 2)
    assert printed["studies"][0].keys() >= {"at", "seeds", "mean", "half", "without_noise", "epsilon_spent"}
