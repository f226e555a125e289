"""What the evaluation of one model says, section by section.

A section is a name and a function from the facts to its blocks; one that has nothing to say gives none and is left out.
"""

from collections.abc import Callable

from fl_server.evaluation.document import Block, Document, Section
from fl_server.evaluation.explaining import example_pictures, examples_sheet
from fl_server.evaluation.facts import Evaluation, OutputEvaluation
from fl_server.evaluation.pictures import confusion_picture, reliability_picture
from fl_server.evaluation.sheets import emotions_sheet, mistakes_sheet, outputs_sheet, scores_sheet
from fl_server.report.blocks import Facts
from shared_models.evaluation.groups import trait_sheet
from shared_models.evaluation.robustness import robustness_sheet


def document_of(facts: Evaluation | OutputEvaluation) -> Document:
    """All that there is to say, in the order of the page."""
    made = _of_output(facts) if isinstance(facts, OutputEvaluation) else _of_classes(facts)
    return Document(
        facts=facts,
        title=facts.study,
        subject=f"{facts.model.name}, {_which(facts)}",
        warnings=_warnings(facts),
        sections=[*made, Section("provenance", "Where the figures come from", _provenance(facts))],
        picture=confusion_picture(facts) if isinstance(facts, Evaluation) else None,
    )


def _of_classes(facts: Evaluation) -> list[Section]:
    made = [Section(id_, title, make(facts)) for id_, title, make in _SECTIONS]
    return [section for section in made if section.blocks]


def _of_output(facts: OutputEvaluation) -> list[Section]:
    return [Section("scores", "Scores", [outputs_sheet(facts)])]


def _which(facts: Evaluation | OutputEvaluation) -> str:
    if facts.model.round is not None:
        return f"round {facts.model.round}"
    return "the weights to start from" if facts.model.source == "initial" else "a weights file"


def _warnings(facts: Evaluation | OutputEvaluation) -> list[str]:
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


def _groups(facts: Evaluation) -> list[Block]:
    return [trait_sheet(trait) for trait in facts.traits]


def _robustness(facts: Evaluation) -> list[Block]:
    return [robustness_sheet(facts.robustness)] if facts.robustness else []


def _explained(facts: Evaluation) -> list[Block]:
    return [examples_sheet(facts.explained), *example_pictures(facts.explained)] if facts.explained else []


def _provenance(facts: Evaluation | OutputEvaluation) -> list[Block]:
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
    ("groups", "Groups", _groups),
    ("robustness", "Robustness", _robustness),
    ("explained", "What it looked at", _explained),
)
