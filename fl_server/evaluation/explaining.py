"""`fl-server evaluate --explain N`: what the model looked at in a few of the sequences that it was scored on.

The pictures show faces of the data set. They go to the page alone; the facts hold none, and name nobody.
"""

import struct
from base64 import b64encode

import numpy as np
from markupsafe import Markup
from pydantic import Field

from fl_server.report.blocks import Picture
from fl_server.report.svg import picture
from shared_models.data.sequences import Sequences
from shared_models.documented import Documented
from shared_models.evaluation.examples import surest
from shared_models.evaluation.explanation import Explanation, by_third, explain
from shared_models.evaluation.sheets import Sheet
from shared_models.evaluation.strip import strip
from shared_models.networks.model import EmotionModel

_ROWS, _COLUMNS = ("upper", "middle", "lower"), ("left", "centre", "right")
_NOTE = (
    "The surest right and the surest wrong answers, class by class. Place: the ninth of the picture with the most heat"
    " (Grad-CAM of the answer). First, middle, last: shares of these thirds in the attention over time. It shows where"
    " the answer came from, not why."
)


class Example(Documented):
    """One sequence, and what the model's answer to it hangs on."""

    index: int
    """its number among the scored sequences, from 0"""
    true: str
    """the class that it is of"""
    answer: str
    """the class that the model gave"""
    confidence: float
    """the probability that it gave to this class"""
    attention: list[float]
    """the share of each frame in the attention over time, first to last"""
    place: tuple[str, str] | None
    """the ninth of the picture with the most heat, such as `["lower", "centre"]`; `null` where there is none"""


class Examples(Documented):
    """Sequences that the model was surest of."""

    examples: list[Example]
    """class by class a right one and a wrong one, the surest first"""
    strips: list[bytes] = Field(default=[], exclude=True, repr=False)
    """the frames of each example as a PNG: for the page alone, never in JSON"""


def explain_surest(model: EmotionModel, sequences: Sequences, probabilities: np.ndarray, most: int) -> Examples:
    """Explains the model's own answers, (N, K) probabilities, for up to `most` of the sequences; see `surest`."""
    rows = surest(probabilities, sequences.labels, most)
    explanations = [explain(model, sequences.frames[row], int(probabilities[row].argmax())) for row in rows]
    return Examples(
        examples=[_example(row, one, sequences) for row, one in zip(rows, explanations, strict=True)],
        strips=[strip(sequences.frames[row], one) for row, one in zip(rows, explanations, strict=True)],
    )


def examples_sheet(facts: Examples) -> Sheet:
    """One row an example."""
    return Sheet(
        "What the model looked at",
        ("No.", "Is", "Called", "Sure", "Place", "First", "Middle", "Last"),
        [_row(example) for example in facts.examples],
        _NOTE,
    )


def example_pictures(facts: Examples) -> list[Picture]:
    """The strips as figures of the page, each with its picture in it, in words as well."""
    return [_picture(*pair) for pair in zip(facts.examples, facts.strips, strict=True)]


def _example(row: int, explanation: Explanation, sequences: Sequences) -> Example:
    classes, place = sequences.scheme.classes, explanation.place
    return Example(
        index=row,
        true=classes[sequences.labels[row]],
        answer=classes[explanation.class_index],
        confidence=float(explanation.outputs[explanation.class_index]),
        attention=explanation.weights.tolist(),
        place=None if place is None else (_ROWS[place[0]], _COLUMNS[place[1]]),
    )


def _row(example: Example) -> tuple[str, ...]:
    thirds = [f"{share:.0%}" for share in by_third(np.array(example.attention))]
    return (str(example.index), example.true, example.answer, f"{example.confidence:.0%}", _place(example), *thirds)


def _picture(example: Example, png: bytes) -> Picture:
    width, height = struct.unpack(">II", png[16:24])  # as the head of every PNG says
    image = Markup('<image width="{}" height="{}" href="data:image/png;base64,{}"/>').format(
        width, height, b64encode(png).decode()
    )
    verdict = "rightly" if example.answer == example.true else f"but it is {example.true}"
    first, middle, last = by_third(np.array(example.attention))
    return picture(
        f"example-{example.index}",
        (width, height),
        f"Sequence {example.index}: called {example.answer} at {example.confidence:.0%}, {verdict}",
        f"{len(example.attention)} frames, first to last, tinted where the answer came from."
        f" Most heat: {_place(example)}. Attention over time: {first:.0%} on the first third, {middle:.0%} on the"
        f" middle, {last:.0%} on the last.",
        [image],
    )


def _place(example: Example) -> str:
    return "none" if example.place is None else " ".join(example.place)
