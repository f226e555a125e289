"""What an evaluation says, section by section: the one list behind the terminal, the page, Markdown and the picture.

A section is a name and a function from the facts to its blocks; one that has nothing to say gives none and is left out.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fl_server.evaluation.facts import Evaluation
from fl_server.evaluation.pictures import confusion_picture, reliability_picture
from fl_server.evaluation.sheets import emotions_sheet, mistakes_sheet, scores_sheet
from fl_server.report.blocks import Facts, Picture
from shared_models.evaluation.sheets import Sheet

Block = Sheet | Picture | Facts


@dataclass(frozen=True)
class Section:
    id: str
    title: str
    blocks: list[Block]


def sections(facts: Evaluation) -> list[Section]:
    """Those that have something to say, in the order of the page."""
    made = [Section(id_, title, list(make(facts))) for id_, title, make in _SECTIONS]
    return [section for section in made if section.blocks]


def warnings(facts: Evaluation) -> list[str]:
    """What a reader must know before any figure."""
    said = []
    if facts.selection.same_data:
        said.append(
            f"Choosing and reporting fell on the same split ({facts.data.split}): models that were chosen by their"
            " scores on it look better here than they are."
        )
    if facts.data.trained_on:
        said.append(
            f"The weights were trained on {facts.data.trained_on} of the sequences of this split; these were left out."
        )
    if facts.data.trained_on is None:
        said.append("What the weights were trained on is not recorded: sequences of this split may be among it.")
    if facts.data.subject_disjoint is False:
        said.append("Some of the people in this split are in what the weights were trained on.")
    return said


def _scores(facts: Evaluation) -> list[Block]:
    return [scores_sheet(facts), emotions_sheet(facts)]


def _mistakes(facts: Evaluation) -> list[Block]:
    mistakes = mistakes_sheet(facts)
    return [confusion_picture(facts), *([mistakes] if mistakes.rows else []), reliability_picture(facts)]


def _provenance(facts: Evaluation) -> list[Block]:
    data, model = facts.data, facts.model
    people = "people not named" if data.subjects is None else f"{data.subjects} people"
    disjoint = {True: "yes", False: "no", None: "not known"}[data.subject_disjoint]
    rows = [
        ("Data", f"{data.spec}: {data.split}"),
        ("Scored", f"{data.sequences} sequences, {people}, label scheme {data.scheme}"),
        ("Nobody in it trained on", disjoint),
        ("Model", f"{model.name}, {model.parameters:,} parameters; {model.trained_parameters:,} of them are trained"),
        ("Chosen", facts.selection.how + ("" if model.round is None else f" (round {model.round})")),
        ("Rounds are scored on", f"{facts.selection.data}, its part to choose on"),
        ("Trained before any device on", model.training_data),
        ("Weights", f"`{model.hash}`"),
    ]
    return [Facts(rows)]


_SECTIONS: tuple[tuple[str, str, Callable[[Evaluation], list[Block]]], ...] = (
    ("scores", "Scores", _scores),
    ("mistakes", "Mistakes", _mistakes),
    ("provenance", "Where the figures come from", _provenance),
)
