"""Every number of a comparison is the one that the model scores alone, and every one reaches the page."""

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from shared_models.data.labels import scheme_by_name
from shared_models.errors import DataError
from shared_models.evaluation.comparison import Answers, Comparison, Entry, SameTraining, compare
from shared_models.evaluation.comparison_sheets import emotion_sheets, overall_sheets
from shared_models.evaluation.metrics import score
from shared_models.evaluation.resampling import Estimate, interval_words

CLASSES = scheme_by_name("basic-7").classes
COUNT = 84
TARGETS = np.arange(COUNT) % 6  # nobody shows fear
SUBJECTS = tuple(f"s{number // 6}" for number in range(COUNT))


def answers(right: float, seed: int) -> Answers:
    """Right about a share of the sequences, and otherwise anything."""
    rng = np.random.default_rng(seed)
    chosen = np.where(rng.random(COUNT) < right, TARGETS, rng.integers(0, 7, COUNT))
    return Answers(f"{seed:064x}", seed, "bars", 0.8 * np.eye(7)[chosen] + 0.2 / 7)


WEAK = Entry("cnn", 100, "trained as cnn", [answers(0.3, 1), answers(0.4, 2)])
STRONG = Entry("cnn-lstm", 12_345, "trained as cnn", [answers(0.9, 3), answers(0.8, 4)])
SINGLE = Entry("efficientnet-lstm", 4_730_500, "as the file has it", [replace(answers(0.5, 5), seed=None)])
WRONG = np.eye(7)[(TARGETS + 1) % 6]
TRAINING = SameTraining(data="synthetic", seeds=[1, 2], recipe={"frame_epochs": 12, "bfloat16": False, "loss": "focal"})


@pytest.fixture(scope="module")
def facts() -> Comparison:
    return compare([WEAK, STRONG, SINGLE], TARGETS, CLASSES, SUBJECTS, TRAINING)


def within(found: Estimate) -> bool:
    """Whether the value lies in its interval, which has a width."""
    return found.low is not None and found.high is not None and found.low < found.value < found.high


def test_a_model_scores_the_mean_of_its_runs(facts: Comparison) -> None:
    alone = [score(run.probabilities, TARGETS, CLASSES, SUBJECTS) for run in STRONG.runs]
    model = facts.models[1]
    assert [run.metrics for run in model.runs] == alone
    assert model.macro_f1.value == pytest.approx((alone[0].macro_f1 + alone[1].macro_f1) / 2)
    assert model.uar == pytest.approx((alone[0].uar + alone[1].uar) / 2)
    assert model.ece == pytest.approx((alone[0].ece + alone[1].ece) / 2)
    assert model.by_emotion["anger"].f1 == pytest.approx(np.mean([own.per_class["anger"].f1 for own in alone]))
    assert within(model.macro_f1)


def test_an_emotions_accuracy_is_of_it_against_the_rest(facts: Comparison) -> None:
    said = SINGLE.runs[0].probabilities.argmax(axis=1)
    for number, emotion in enumerate(CLASSES):
        right = ((said == number) == np.equal(TARGETS, number)).mean()
        assert facts.models[2].by_emotion[emotion].accuracy == pytest.approx(right)


def test_each_model_is_held_against_the_first(facts: Comparison) -> None:
    weak, strong, single = facts.models
    assert weak.difference is None
    assert strong.difference is not None
    assert strong.difference.macro_f1.value == pytest.approx(strong.macro_f1.value - weak.macro_f1.value)
    assert strong.difference.by_run == pytest.approx(
        [own.metrics.macro_f1 - first.metrics.macro_f1 for own, first in zip(strong.runs, weak.runs, strict=True)]
    )
    assert within(strong.difference.macro_f1)
    assert single.difference is not None
    assert single.difference.by_run == []


def test_the_same_people_are_drawn_for_both_models() -> None:
    """A model is as good as itself in every draw, and one that is right once more about everybody always better."""
    twin = compare([STRONG, STRONG], TARGETS, CLASSES, SUBJECTS).models[1].difference
    assert twin is not None
    assert (twin.macro_f1, twin.by_run) == (Estimate(value=0, low=0, high=0), [0, 0])
    first = np.arange(COUNT) % 6 == 0
    mends = replace(SINGLE.runs[0], probabilities=np.where(first[:, None], np.eye(7)[TARGETS], WRONG))
    misses = replace(SINGLE.runs[0], probabilities=WRONG)
    pair = [replace(SINGLE, runs=[misses]), replace(SINGLE, runs=[mends])]
    gain = compare(pair, TARGETS, CLASSES, SUBJECTS).models[1].difference
    assert gain is not None
    assert gain.macro_f1.low == pytest.approx(gain.macro_f1.high)


def test_it_says_who_scored(facts: Comparison) -> None:
    assert (facts.sequences, facts.unit, facts.units) == (84, "subject", 14)
    assert facts.support == {name: 14 if name != "fear" else 0 for name in CLASSES}
    unnamed = compare([WEAK], TARGETS, CLASSES, (None,) * COUNT)
    assert (unnamed.unit, unnamed.units) == ("sequence", 84)


def test_it_outlives_json(facts: Comparison) -> None:
    assert Comparison.model_validate_json(facts.model_dump_json()) == facts


def test_the_sheets_hold_every_number(facts: Comparison) -> None:
    sheets = {sheet.title: sheet for sheet in overall_sheets(facts) + emotion_sheets(facts)}
    overall = {row[0]: row for row in sheets["All emotions"].rows}
    against = {row[0]: row for row in sheets["Macro F1 above cnn"].rows}
    for column, model in enumerate(facts.models, start=2):
        values = (model.accuracy, model.uar, model.ece, model.macro_f1.value)
        assert overall[model.name][1:] == (*(f"{value:.3f}" for value in values), interval_words(model.macro_f1))
        for score_name in ("accuracy", "precision", "recall", "f1"):
            sheet = next(sheet for title, sheet in sheets.items() if title.lower().startswith(f"{score_name} by"))
            assert sheet.headings[column] == model.name
            expected = {name: f"{getattr(own, score_name):.3f}" for name, own in model.by_emotion.items()}
            assert {row[0]: row[column] for row in sheet.rows} == expected | {"fear": "-"}
        if model.difference:
            found = model.difference.macro_f1
            by_seed = ", ".join(f"{value:+.3f}" for value in model.difference.by_run) or "-"
            assert against[model.name][1:] == (f"{found.value:+.3f}", interval_words(found, "+.3f"), by_seed)


def test_three_models_fit_eighty_columns(facts: Comparison) -> None:
    console = Console(file=StringIO(), width=80)
    for sheet in overall_sheets(facts) + emotion_sheets(facts):
        console.print(sheet.for_terminal())
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in console.file.getvalue()


def test_a_single_model_is_above_nothing() -> None:
    titles = [sheet.title for sheet in overall_sheets(compare([WEAK], TARGETS, CLASSES, SUBJECTS))]
    assert not any("above" in title for title in titles)


def test_without_people_sequences_are_drawn_and_the_note_says_so() -> None:
    sheets = overall_sheets(compare([WEAK, STRONG], TARGETS, CLASSES, (None,) * COUNT))
    assert all("bootstrap over" in sheet.note and "84 sequences" in sheet.note for sheet in sheets)


def test_means_are_called_so_where_a_model_has_several_runs() -> None:
    several, one = (compare([entry], TARGETS, CLASSES, SUBJECTS) for entry in (STRONG, SINGLE))
    assert "means over seeds" in overall_sheets(several)[0].note
    assert "means" not in overall_sheets(one)[0].note


def test_an_interval_without_width_promises_nothing() -> None:
    perfect = replace(SINGLE, runs=[replace(SINGLE.runs[0], probabilities=np.eye(7)[TARGETS])])
    sure, unsure = (compare([entry], TARGETS, CLASSES, SUBJECTS) for entry in (perfect, SINGLE))
    assert "without width" in overall_sheets(sure)[0].note
    assert "without width" not in overall_sheets(unsure)[0].note


def test_answers_that_are_no_distribution_are_refused() -> None:
    broken = Entry("cnn", 1, "", [Answers("", 0, "", np.ones((COUNT, 7)))])
    with pytest.raises(DataError, match="sum to 1"):
        compare([broken], TARGETS, CLASSES, SUBJECTS)
