"""Intervals of outputs that are not categorical: people are drawn, and every figure has its own."""

import numpy as np
import pytest

from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.evaluation.output_intervals import output_intervals


def values(subjects: tuple[str | None, ...], targets: np.ndarray) -> Sequences:
    count = len(subjects)
    frames = np.zeros((count, 1, 1, 4, 4), np.uint8)
    return Sequences(scheme_by_name("valence-arousal"), frames, targets.astype(np.float32), subjects, ("",) * count)


def test_people_are_drawn_with_all_their_sequences() -> None:
    """Two people, one answered rightly and one half a unit off: a draw has none, one or both of them."""
    rng = np.random.default_rng(1)
    targets = np.tile(rng.uniform(-0.4, 0.4, (20, 2)), (2, 1))
    answers = targets + np.repeat([[0.0], [0.5]], 20, axis=0)
    drawn = output_intervals(answers, values(("a",) * 20 + ("b",) * 20, targets), draws=200)
    rmse = drawn.figures["valence"][2]
    assert rmse is not None
    assert (rmse.low, rmse.high) == pytest.approx((0, 0.5), abs=1e-6)
    assert (drawn.unit, drawn.units) == ("subject", 2)
    pearson = drawn.figures["mean"][1]
    assert pearson is not None
    assert pearson.high == pytest.approx(1)


def test_a_figure_lies_in_its_interval_and_more_people_make_it_narrower() -> None:
    rng, widths = np.random.default_rng(1), []
    for people in (10, 90):
        targets = rng.uniform(-1, 1, (people, 2))
        answers = targets + rng.normal(0, 0.3, targets.shape)
        drawn = output_intervals(answers, values(tuple(map(str, range(people))), targets), draws=200)
        error, interval = np.sqrt(((answers - targets)[:, 0] ** 2).mean()), drawn.figures["valence"][2]
        assert interval is not None
        assert interval.low < error < interval.high
        widths.append(interval.high - interval.low)
    assert widths[1] < widths[0] / 2


def test_of_one_person_nothing_can_be_said_of_others() -> None:
    drawn = output_intervals(np.zeros((3, 2)), values(("a",) * 3, np.eye(3)[:, :2]))
    assert drawn.units == 1
    assert set(drawn.figures) == {"valence", "arousal", "mean"}
    assert all(interval is None for found in drawn.figures.values() for interval in found)


def test_where_nobody_is_named_sequences_are_drawn() -> None:
    assert output_intervals(np.zeros((3, 2)), values((None,) * 3, np.eye(3)[:, :2]), draws=5).unit == "sequence"


def test_counts_and_what_a_draw_lacks_have_none() -> None:
    scheme, targets = scheme_by_name("basic-7-any"), np.zeros((4, 7), np.float32)
    targets[0, 1] = targets[:, 0] = 1
    data = Sequences(scheme, np.zeros((4, 1, 1, 4, 4), np.uint8), targets, ("a", "b", "c", "d"), ("",) * 4)
    figures = output_intervals(targets * 0.9, data, draws=20).figures
    assert set(figures) == {"neutral", "happiness", "mean"}
    support, average_precision, *_ = figures["happiness"]
    assert support is None
    assert average_precision is not None
    assert average_precision.low == 1, "of the draws that have somebody happy"
