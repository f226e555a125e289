"""Intervals: people are drawn whole, and in repeated studies the interval holds the truth as often as it says."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from shared_models.evaluation import bootstrap
from shared_models.evaluation.bootstrap import Interval, intervals
from shared_models.evaluation.metrics import score

CLASSES = ("a", "b", "c")


def answers(predicted: np.ndarray, confidence: float = 0.8) -> np.ndarray:
    rows = np.full((len(predicted), len(CLASSES)), (1 - confidence) / (len(CLASSES) - 1))
    rows[np.arange(len(predicted)), predicted] = confidence
    return rows


def study(rng: np.random.Generator, people: int, each: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Of people who are read well or badly, right with a chance of .9 or .5 as the person is: .7 on average."""
    targets = rng.integers(0, 3, people * each)
    chance = np.repeat(rng.choice([0.5, 0.9], people), each)
    wrong = (targets + rng.integers(1, 3, people * each)) % 3
    predicted = np.where(rng.random(people * each) < chance, targets, wrong)
    return answers(predicted), targets, tuple(f"p{i // each}" for i in range(people * each))


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """200 studies of 30 people, 95 % intervals of an accuracy that is .7.

    Three standard errors of so many studies around 95 % are 90.4 and 99.6 %; percentile intervals of few people
    cover a little less than they say. Drawn over single sequences they would be far too narrow.
    """
    rng, studies, covered = np.random.default_rng(0), 200, {"subject": 0, "sequence": 0}
    for _ in range(studies):
        probabilities, targets, subjects = study(rng, 30, 8)
        for who, draws in ((subjects, 200), ((None,) * len(targets), 50)):
            found = intervals(probabilities, targets, CLASSES, who, draws=draws, seed=1)
            covered[found.unit] += found.accuracy.low <= 0.7 <= found.accuracy.high
    assert 0.9 <= covered["subject"] / studies <= 0.996
    assert covered["sequence"] / studies < 0.87


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[list[int]]], None]:
    """`drawing(times)`: from now on the draws are these, each saying how often every person is drawn."""

    def drawing(times: list[list[int]]) -> None:
        monkeypatch.setattr(bootstrap, "draw", lambda units, draws, seed: iter([np.array(times)]))

    return drawing


def test_it_is_every_draw_of_a_tiny_case(drawing) -> None:
    """Three people can be drawn in 27 ways, and each way has the scores of the sequences of those who are drawn."""
    targets = np.array([0, 1, 0, 1, 2, 2, 0])
    probabilities = answers(np.array([0, 1, 1, 1, 2, 0, 0]))
    subjects = ("p", "p", "q", "q", "r", "r", "r")
    ways = list(product("pqr", repeat=3))
    every = []
    for draw in ways:
        taken = [place for who in draw for place, own in enumerate(subjects) if own == who]
        every.append(score(probabilities[taken], targets[taken], CLASSES))
    drawing([[draw.count(who) for who in "pqr"] for draw in ways])
    found = intervals(probabilities, targets, CLASSES, subjects)
    for name in ("accuracy", "uar", "macro_f1", "ece"):
        assert_between(getattr(found, name), [getattr(metrics, name) for metrics in every])
    for name in CLASSES:
        held = [metrics.per_class[name] for metrics in every if metrics.per_class[name].support]
        assert_between(found.per_class[name].f1, [scores.f1 for scores in held])
        assert_between(found.per_class[name].recall, [scores.recall for scores in held])
    assert len(held) < len(every), "some draws have none of the last class"


def assert_between(interval: Interval, values: list[float]) -> None:
    low, high = np.quantile(values, [0.025, 0.975])
    assert (interval.low, interval.high) == (pytest.approx(low), pytest.approx(high))


def test_everything_of_a_drawn_person_comes_along(drawing) -> None:
    drawing([[2, 0]])
    targets, subjects = np.array([0, 0, 1, 1, 1]), ("p", "q", "p", "q", "q")
    found = intervals(answers(np.array([0, 1, 1, 0, 0])), targets, CLASSES, subjects)
    assert found.accuracy == Interval(low=1, high=1), "both sequences of the first one twice, and none of the other"
    assert found.per_class["a"].recall == Interval(low=1, high=1)


def test_as_many_are_drawn_as_there_are() -> None:
    draws = np.concatenate(list(bootstrap.draw(7, 250, seed=0)))
    assert draws.shape == (250, 7)
    assert (draws.sum(axis=1) == 7).all()
    assert draws.mean(axis=0) == pytest.approx(np.ones(7), abs=0.2)


def test_where_nobody_is_named_sequences_are_drawn_and_it_says_so() -> None:
    probabilities, targets, _ = study(np.random.default_rng(0), 4, 10)
    found = intervals(probabilities, targets, CLASSES, (None,) * 40)
    assert (found.unit, found.units) == ("sequence", 40)


def test_a_sequence_of_nobody_named_is_a_unit_of_its_own() -> None:
    found = intervals(answers(np.array([0, 1, 0])), np.array([0, 1, 0]), CLASSES, ("p", None, None))
    assert (found.unit, found.units) == ("subject", 3)


def test_of_one_person_nothing_is_said() -> None:
    found = intervals(answers(np.array([0, 1])), np.array([0, 0]), CLASSES, ("p", "p"))
    assert (found.units, found.accuracy, found.ece, found.per_class["a"].f1) == (1, None, None, None)


def test_of_a_class_that_the_data_lacks_nothing_is_said() -> None:
    found = intervals(answers(np.array([0, 1, 2])), np.array([0, 1, 1]), CLASSES, ("p", "q", "r"))
    assert (found.per_class["c"].f1, found.per_class["c"].recall) == (None, None)
    assert found.per_class["b"].f1 is not None


def test_one_seed_gives_one_interval_and_more_draws_move_it_little() -> None:
    case = study(np.random.default_rng(0), 20, 10)
    one = intervals(case[0], case[1], CLASSES, case[2])
    assert one == intervals(case[0], case[1], CLASSES, case[2])
    more = intervals(case[0], case[1], CLASSES, case[2], draws=4000, seed=7)
    assert more.accuracy.low == pytest.approx(one.accuracy.low, abs=0.02)
    assert (one.draws, one.level, more.seed) == (1000, 0.95, 7)
