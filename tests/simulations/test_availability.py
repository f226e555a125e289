import itertools

import numpy as np
import pytest

from fl_server.settings import RoundSettings
from shared_models.errors import UsageError
from simulations.availability import (
    Always,
    Diurnal,
    DropOut,
    LateJoiners,
    Stragglers,
    Together,
    Withdrawals,
    availability_of,
)
from simulations.federation import Turns

MANY = 10_000


@pytest.mark.parametrize("name", ["diurnal", "drop-out", "stragglers", "late-joiners", "withdrawals"])
def test_a_round_is_the_same_whatever_was_asked_before_and_another_with_another_seed(name: str) -> None:
    def seen(seed: int, round_: int) -> list[bool]:
        model = availability_of([name], seed)
        return [*model.present(round_, 300), *model.answering(round_, np.arange(300))]

    model = availability_of([name], 1)
    model.present(1, 300)
    model.answering(1, np.arange(300))
    assert [*model.present(2, 300), *model.answering(2, np.arange(300))] == seen(1, 2)
    assert seen(1, 2) != seen(2, 2)


def test_nobody_fails_where_nothing_is_asked() -> None:
    assert availability_of([], 0).present(1, 5).all()
    assert availability_of(["always"], 0).answering(1, np.arange(5)).all()


def test_by_night_there_are_few() -> None:
    """Rounds every twelve hours: noon, midnight, noon, ..."""
    shares = [Diurnal(0, 12).present(round_, MANY).mean() for round_ in (1, 2, 3)]
    assert shares == pytest.approx([0.53, 0.17, 0.53], abs=0.03)


def test_the_share_that_drops_out_is_the_one_asked_for() -> None:
    assert DropOut(0, 0.2).answering(1, np.arange(MANY)).mean() == pytest.approx(0.8, abs=0.015)


def test_a_round_closes_as_the_server_s_does() -> None:
    """Without spread all answer at 20 s; with it, those later than the grace after the eighth of ten are left out."""
    assert Stragglers(0, 0.0).answering(1, np.arange(10)).all()
    prompt = RoundSettings(straggler_seconds=0)
    assert Stragglers(0, 1.0, prompt).answering(1, np.arange(10)).sum() == 8
    assert not Stragglers(0, 0.0, RoundSettings(deadline_seconds=19)).answering(1, np.arange(10)).any()
    assert Stragglers(0, 1.0).answering(1, np.arange(0)).shape == (0,)


def test_who_has_joined_stays_and_who_has_withdrawn_never_comes_back() -> None:
    joined = [LateJoiners(0, 0.5).present(round_, MANY) for round_ in (1, 2, 3)]
    left = [Withdrawals(0, 0.1).present(round_, MANY) for round_ in (1, 2, 3)]
    assert [present.mean() for present in joined] == pytest.approx([0.5, 0.75, 0.875], abs=0.02)
    assert [present.mean() for present in left] == pytest.approx([1.0, 0.9, 0.81], abs=0.02)
    for before, after in itertools.pairwise(joined):
        assert after[before].all()
    for before, after in itertools.pairwise(left):
        assert not after[~before].any()


def test_models_lie_on_top_of_each_other() -> None:
    parts = [LateJoiners(0, 0.5), DropOut(0, 0.5)]
    together = Together(parts)
    assert np.array_equal(together.present(1, 50), parts[0].present(1, 50))
    assert np.array_equal(together.answering(1, np.arange(50)), parts[1].answering(1, np.arange(50)))


@pytest.mark.parametrize(
    ("text", "said"),
    [("weekends", "no availability 'weekends'"), ("drop-out:2", "'2' is no number"), ("drop-out:x", "'x' is no")],
)
def test_what_is_no_model_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        availability_of([text], 0)


class _Half(Always):
    def present(self, round_: int, devices: int) -> np.ndarray:
        return np.arange(devices) % 2 == 0

    def answering(self, round_: int, asked: np.ndarray) -> np.ndarray:
        return asked > 4


def test_only_those_present_are_asked_and_those_who_do_not_answer_have_paid(make_policy) -> None:
    turns = Turns(10, 10, make_policy(participations=2), seed=0, availability=_Half())
    assert [turns.take(round_) for round_ in (1, 2, 3)] == [[6, 8], [6, 8], []]
    assert turns.most == 2
