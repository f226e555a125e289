"""Outputs that are not categorical are scored in one way, beside who answers without looking."""

import numpy as np
import pytest
import torch

from shared_models.data.labels import FURTHER_SCHEMES, scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.errors import DataError, ModelError
from shared_models.evaluation.benchmark import Benchmark
from shared_models.evaluation.guesses import own_usual, usual
from shared_models.evaluation.outputs import OutputScores, output_sheet, score_output
from shared_models.networks.registry import build_model

each_scheme = pytest.mark.parametrize("name", FURTHER_SCHEMES)
SUBJECTS = ("a", "a", "a", "b", "b", None)
LEVELS = ((0, 3), (0, 3), (1, 2), (2, 2), (2, 2), (3, 2))
"""Of the first two states; the others are at 0."""


def data(name: str, subjects: tuple[str | None, ...] = SUBJECTS) -> Sequences:
    scheme = scheme_by_name(name)
    if scheme.output == "levels":
        targets = [[level >= step for level in (*own, 0, 0) for step in (1, 2, 3)] for own in LEVELS]
    elif scheme.output == "values":
        targets = [[0.6, -0.2], [0.4, 0.0], [0.2, 0.2], [-0.5, 0.1], [-0.7, 0.5], [0.0, 0.9]]
    else:
        targets = [[n % 2, n < 4, n == 5, 0, 0, 0, 0] for n in range(6)]
    frames = np.random.default_rng(0).integers(0, 256, (6, 2, 1, 16, 16), np.uint8)
    return Sequences(scheme, frames, np.array(targets, np.float32), subjects, ("",) * 6)


@each_scheme
def test_a_model_is_scored_by_what_its_output_reads(name: str) -> None:
    sequences = data(name)
    torch.manual_seed(1)
    model = build_model("cnn", len(sequences.scheme.classes), sequences.scheme.output).eval()
    answers = Benchmark(sequences).probabilities(model)
    with torch.inference_mode():
        logits = model(torch.from_numpy(sequences.frames).float() / 255)
    np.testing.assert_allclose(answers, model.output.read(logits), rtol=1e-4, atol=1e-5)
    scores = score_output(answers, sequences)
    assert scores.model.output == sequences.scheme.output
    assert OutputScores.model_validate_json(scores.model_dump_json()) == scores


@each_scheme
def test_right_answers_are_better_than_any_guess(name: str) -> None:
    sequences = data(name)
    right = output_sheet(score_output(sequences.targets.astype(np.float64), sequences))
    best = {"MAE": "0.000", "RMSE": "0.000", "Kappa": "0.500", "Support": "-", "Precision": "-", "Recall": "-"}
    named = {row[0]: row for row in right.rows}
    for heading, *cells in zip(right.headings[1:], *(named[n][1:] for n in ("mean", "mean, usual")), strict=True):
        assert cells[0] == best.get(heading, "1.000"), heading
        assert cells[0] == "-" or cells[0] != cells[1], heading


def test_everybody_s_usual_answer_is_the_mode_of_levels_and_the_mean_of_others() -> None:
    assert usual(data("learner-levels"))[0].tolist() == [*(0, 0, 0), *(1, 1, 0), *[0] * 6]
    np.testing.assert_allclose(usual(data("valence-arousal")), [[0.0, 0.25]] * 6, atol=1e-7)
    assert usual(data("basic-7-any"))[0, :3].tolist() == pytest.approx([1 / 2, 2 / 3, 1 / 6])


def test_a_person_s_own_usual_answer_is_theirs_and_nobody_s_is_everybody_s() -> None:
    own = own_usual(data("learner-levels"))
    assert own is not None
    assert [row[:6].tolist() for row in own[[0, 3, 5]]] == [[0, 0, 0, 1, 1, 1], [1, 1, 0, 1, 1, 0], [0, 0, 0, 1, 1, 0]]
    values = own_usual(data("valence-arousal"))
    assert values is not None
    np.testing.assert_allclose(values[:, 0], [0.4] * 3 + [-0.6] * 2 + [0.0], atol=1e-7)


def test_where_nobody_is_named_there_is_no_own_guess() -> None:
    scores = score_output(np.zeros((6, 2)), data("valence-arousal", (None,) * 6))
    assert scores.own is None
    assert [row[0] for row in output_sheet(scores).rows] == [
        *("valence", "valence, usual", "arousal", "arousal, usual", "mean", "mean, usual")
    ]


def test_answers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match=r"Answers must be as targets are: \(6, 3\) against \(6, 2\)"):
        score_output(np.zeros((6, 3)), data("valence-arousal"))


def test_a_model_of_another_output_is_refused_even_with_as_many_numbers() -> None:
    with pytest.raises(ModelError, match="does not answer in the label scheme basic-7-any"):
        Benchmark(data("basic-7-any")).probabilities(build_model("cnn", 7))


@each_scheme
def test_the_one_class_of_a_sequence_is_never_made_up(name: str) -> None:
    sequences = data(name)
    with pytest.raises(DataError, match=rf"label scheme {name} is not of one class"):
        _ = sequences.labels
    model = build_model("cnn", len(sequences.scheme.classes), sequences.scheme.output)
    with pytest.raises(DataError, match="is not of one class"):
        Benchmark(sequences).score(model)
