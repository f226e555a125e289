"""When a question is asked, when it is not, and what becomes of an answer."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_client.capture.window import Refusal
from fl_client.labels import LabelEvent
from shared_models.errors import DataError
from tests.fl_client.labels.desk import CROP, Desk

MINUTE = 60


def test_a_question_comes_after_ten_to_fifteen_minutes_at_no_fixed_time():
    waits = {Desk(seed=seed).spend(16 * MINUTE) for seed in range(20)}
    assert all(10 * MINUTE <= wait <= 15 * MINUTE for wait in waits)
    assert len(waits) > 10
    assert min(waits) < 11.5 * MINUTE < 13.5 * MINUTE < max(waits)


def test_an_answer_is_a_label_at_the_time_the_question_was_shown(desk):
    probe = desk.until_asked()
    shown = desk.camera
    desk.spend(40)
    desk.prober.answer(probe.id, "happy")
    assert desk.prober.due(shown - 0.1) == []
    assert desk.prober.due(desk.camera) == [LabelEvent(shown, "happiness", "probe")]
    assert desk.prober.due(math.inf) == []
    assert desk.prober.pending() is None


def test_the_frames_that_a_question_is_about_are_needed_until_its_answer_is_stored(desk):
    assert desk.prober.asked() is None
    probe = desk.until_asked()
    shown = desk.camera
    desk.spend(40)
    assert desk.prober.asked() == shown
    desk.prober.answer(probe.id, "happy")
    assert desk.prober.asked() == shown
    assert desk.prober.due(desk.camera)
    assert desk.prober.asked() == shown
    assert not desk.prober.due(desk.camera)
    assert desk.prober.asked() is None


@pytest.mark.parametrize("end", ["skip", "expire", "pause"])
def test_they_are_not_needed_where_no_answer_comes(desk, end):
    probe = desk.until_asked()
    if end == "skip":
        desk.prober.skip(probe.id)
    elif end == "pause":
        desk.allowed = False
        desk.prober.tick()
    else:
        desk.spend(61)
    assert desk.prober.asked() is None


def test_a_question_names_its_choices_and_its_times(desk):
    probe = desk.until_asked()
    assert probe.choices == desk.scheme.classes
    assert probe.shown_at == desk.clock.now()
    assert (probe.answer_by - probe.shown_at).total_seconds() == desk.settings.answer_seconds
    assert probe.facts["choices"] == list(desk.scheme.classes)


def test_learner_states_are_asked_for_with_their_levels():
    desk = Desk("learner-4x4")
    desk.prober.answer(desk.until_asked().id, "confused:2")
    assert [event.label for event in desk.prober.due(math.inf)] == ["confusion:2"]


def refused(act, why):
    with pytest.raises(DataError, match="takes no answer any more") as error:
        act()
    assert why in error.value.why
    assert error.value.fix


@pytest.mark.parametrize("first", ["answer", "skip"])
@pytest.mark.parametrize("second", ["answer", "skip"])
def test_a_question_takes_one_tap(desk, first, second):
    probe = desk.until_asked()
    tap = {"answer": lambda: desk.prober.answer(probe.id, "fear"), "skip": lambda: desk.prober.skip(probe.id)}
    tap[first]()
    refused(tap[second], {"answer": "it was answered already", "skip": "it was skipped already"}[first])
    assert len(desk.prober.due(math.inf)) == (first == "answer")


def test_of_many_taps_at_once_one_counts(desk):
    probe, together = desk.until_asked(), threading.Barrier(8)

    def tap(_):
        together.wait(10)
        try:
            desk.prober.answer(probe.id, "fear")
        except DataError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(tap, range(8))) == 1
    assert len(desk.prober.due(math.inf)) == 1


@pytest.mark.parametrize("act", ["answer", "skip"])
def test_a_question_that_nobody_answers_expires(desk, act):
    probe = desk.until_asked()
    desk.spend(59)
    assert desk.prober.pending() == probe
    desk.clock.wait(1)
    assert desk.prober.pending() is None
    refused(lambda: getattr(desk.prober, act)(probe.id, *["fear"][: act == "answer"]), "it waited for 60 seconds")
    assert desk.prober.due(math.inf) == []


def test_a_label_that_the_scheme_has_not_leaves_the_question_open(desk):
    probe = desk.until_asked()
    with pytest.raises(DataError, match="'boredom:1' is not in the scheme basic-7"):
        desk.prober.answer(probe.id, "boredom:1")
    assert desk.prober.pending() == probe
    desk.prober.answer(probe.id, "sad")
    assert len(desk.prober.due(math.inf)) == 1


def test_a_question_of_long_ago_or_of_nobody_is_named(desk):
    refused(lambda: desk.prober.answer("0123456789abcdef", "fear"), "not one that this program has asked lately")
    refused(lambda: desk.prober.skip("é"), "not one that this program has asked lately")


@pytest.mark.parametrize("look", [Refusal.NO_FACE, Refusal.SEVERAL_FACES, Refusal.BLURRED])
def test_an_empty_chair_is_not_asked(look):
    desk = Desk()
    assert desk.spend(60 * MINUTE, look) == 60 * MINUTE
    assert desk.prober.pending() is None


def test_who_comes_back_after_the_longest_interval_is_not_asked_at_once(desk):
    desk.spend(20 * MINUTE, Refusal.NO_FACE)
    assert desk.spend(5 * MINUTE) == 5 * MINUTE


def test_a_due_question_waits_for_a_clear_window_and_no_longer_than_the_longest_interval():
    waits = set()
    for seed in range(20):
        desk = Desk(seed=seed)
        for _ in range(15 * MINUTE // 5):  # a face that turns away before two seconds are whole
            desk.spend(1)
            desk.spend(4, Refusal.BLURRED)
        assert desk.shown == []
        waits.add(desk.spend(16 * MINUTE))
    assert min(waits) >= 10 * MINUTE


def test_without_frames_nobody_is_asked(desk):
    desk.spend(9 * MINUTE)
    assert desk.spend(10 * MINUTE, camera=False) == 10 * MINUTE


def test_nobody_is_asked_while_it_is_not_allowed(desk):
    desk.allowed = False
    assert desk.spend(60 * MINUTE) == 60 * MINUTE
    desk.allowed = True
    assert 10 * MINUTE <= desk.spend(16 * MINUTE) <= 15 * MINUTE


def test_a_pause_takes_the_question_back_and_what_was_not_handed_out(desk):
    probe = desk.until_asked()
    desk.prober.answer(probe.id, "fear")
    desk.allowed = False
    assert desk.prober.pending() is None
    desk.allowed = True
    assert desk.prober.due(math.inf) == []
    again = desk.until_asked()
    desk.allowed = False
    refused(lambda: desk.prober.answer(again.id, "fear"), "paused")


def test_a_sleep_takes_the_question_back_and_fires_no_burst(desk):
    probe = desk.until_asked()
    desk.clock.sleep(8 * 3600)
    assert desk.prober.pending() is None
    refused(lambda: desk.prober.answer(probe.id, "fear"), "slept")
    assert 10 * MINUTE <= desk.spend(16 * MINUTE) <= 15 * MINUTE


def test_where_the_monotonic_clock_counts_a_sleep_it_fires_no_burst_either(desk):
    desk.spend(5 * MINUTE)
    desk.clock.wait(8 * 3600)
    assert 10 * MINUTE <= desk.spend(16 * MINUTE) <= 15 * MINUTE


@pytest.mark.parametrize("jump", [-86400, 3600])
def test_a_clock_that_is_set_fires_no_burst(desk, jump):
    desk.spend(5 * MINUTE)
    desk.clock.sleep(jump)
    assert 10 * MINUTE <= desk.spend(16 * MINUTE) <= 15 * MINUTE


def test_a_camera_that_starts_anew_takes_the_question_back(desk):
    probe = desk.until_asked()
    desk.camera = 0.0
    desk.spend(1)
    refused(lambda: desk.prober.answer(probe.id, "fear"), "paused")


def test_it_asks_by_itself_until_it_is_told_to_stop(desk):
    class Stop:
        """Set once a question was seen."""

        seen = None

        def wait(self, seconds):
            desk.clock.wait(seconds)
            desk.camera += seconds / 2
            desk.prober.see(desk.camera - seconds / 4, CROP)
            desk.prober.see(desk.camera, CROP)
            self.seen = desk.prober.pending()
            return self.seen is not None

    stop = Stop()
    desk.prober.run(stop)
    assert stop.seen is not None
    assert desk.prober.pending() is None
    refused(lambda: desk.prober.skip(stop.seen.id), "paused")


STEPS = st.one_of(
    st.tuples(st.just("sit"), st.integers(1, 900)),
    st.tuples(st.just("leave"), st.integers(1, 900)),
    st.tuples(st.just("no camera"), st.integers(1, 900)),
    st.tuples(st.just("sleep"), st.integers(1, 10**6)),
    st.tuples(st.just("sleep counted"), st.integers(1, 10**6)),
    st.tuples(st.just("set the clock"), st.integers(-(10**7), 10**7)),
    st.tuples(st.just("pause"), st.integers(1, 900)),
    st.tuples(st.just("new camera"), st.just(0)),
    st.tuples(st.just("answer"), st.just(0)),
    st.tuples(st.just("skip"), st.just(0)),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(STEPS, max_size=12), st.integers(0, 99))
def test_two_questions_are_never_closer_than_the_shortest_interval(steps, seed):
    desk = Desk(seed=seed, shortest_minutes=2, longest_minutes=3)
    began = desk.clock.seconds
    for step, amount in steps:
        probe = desk.prober.pending()
        match step:
            case "sit":
                desk.spend(amount)
            case "leave":
                desk.spend(amount, Refusal.NO_FACE)
            case "no camera":
                desk.spend(amount, camera=False)
            case "sleep" | "set the clock":
                desk.clock.sleep(amount)
            case "sleep counted":
                desk.clock.wait(amount)
            case "pause":
                desk.allowed = False
                desk.spend(amount)
                desk.allowed = True
            case "new camera":
                desk.camera = 0.0
            case "answer" if probe:
                desk.prober.answer(probe.id, "fear")
            case "skip" if probe:
                desk.prober.skip(probe.id)
    times = [began, *desk.shown]
    assert all(later - earlier >= 2 * MINUTE for earlier, later in pairwise(times))
