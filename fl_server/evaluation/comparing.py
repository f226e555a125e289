"""A comparison for people: what will be trained, progress, and the document."""

from fl_server.evaluation.compared import Trainer
from fl_server.evaluation.comparison import Contest, compare_models
from fl_server.evaluation.document import Document, Section
from fl_server.folder import FederationFolder
from fl_server.pretraining import raising
from fl_server.pretraining.show import stoppable
from fl_server.report.blocks import Facts
from fl_server.settings import load_settings
from shared_models.commandline import err, progress_by_stage
from shared_models.data.labels import scheme_by_name
from shared_models.data.sources import parse_spec
from shared_models.data.splits import load_held_out
from shared_models.evaluation.comparison import Comparison
from shared_models.evaluation.comparison_sheets import emotion_sheets, overall_sheets


def compare_in(folder: FederationFolder, data: str | None, contest: Contest) -> Document:
    """Trains what is missing, and scores all models on the part of `data` that is reported on.

    data: a data source; that of the settings where it is None

    Raises what `compare_models` raises, and SettingsError where there is no federation.
    """
    settings = load_settings(folder.settings)
    spec = data or settings.benchmark.data
    err.print(
        f"Models that are not in {folder.compared} yet are trained first, once the data are read. The time left is"
        " shown for each stage; an encoder takes longest. Ctrl-C stops it, and the same command goes on."
    )
    with stoppable() as stopping, progress_by_stage() as follow:
        scheme = scheme_by_name(settings.model.scheme)
        held = load_held_out(parse_spec(spec), scheme, "report", raising(follow, stopping))
        trainer = Trainer(folder.compared, contest.training(spec), held.sequences, follow, stopping)
        facts = compare_models(contest.models, trainer)
    return document_of_comparison(facts, settings.study.title, f"{spec}: {held.split}")


def document_of_comparison(facts: Comparison, title: str, scored: str) -> Document:
    """scored: the data source and its part, in words"""
    return Document(
        facts=facts,
        title=title,
        subject=", ".join(model.name for model in facts.models),
        warnings=[],
        sections=[
            Section("scores", "Scores", list(overall_sheets(facts))),
            Section("emotions", "Emotion by emotion", list(emotion_sheets(facts))),
            Section("provenance", "Where the figures come from", [_provenance(facts, scored)]),
        ],
    )


def _provenance(facts: Comparison, scored: str) -> Facts:
    rows = [("Data", scored)]
    if facts.training:
        recipe = ", ".join(f"{name} {value}" for name, value in facts.training.recipe.items())
        rows += [
            ("Trained on", f"{facts.training.data}, its part to train on"),
            ("Seeds", ", ".join(map(str, facts.training.seeds))),
            ("Recipe", recipe),
        ]
    sizes = [(model.name, f"{model.parameters:,} parameters; encoder: {model.encoder}") for model in facts.models]
    return Facts(rows + sizes)
