"""A comparison for people: what will be trained, progress, and the document."""

from fl_server.evaluation.compared import Trainer
from fl_server.evaluation.comparison import Contest, compare_models
from fl_server.evaluation.document import Document, Section
from fl_server.folder import FederationFolder
from fl_server.pretraining import raising
from fl_server.pretraining.show import stoppable
from fl_server.settings import load_settings
from shared_models.commandline import err, progress_by_stage
from shared_models.data.labels import scheme_by_name
from shared_models.data.sources import parse_spec
from shared_models.data.splits import load_held_out
from shared_models.evaluation.comparison_sheets import comparison_sheets


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
    return Document(
        facts=facts,
        title=settings.study.title,
        subject=f"{len(facts.models)} models, on {held.split}",
        warnings=[],
        sections=[Section("comparison", "Models side by side", list(comparison_sheets(facts)))],
    )
