"""A comparison at the command line: what will be trained, progress, and the tables."""

from fl_server.evaluation.compared import Trainer
from fl_server.evaluation.comparison import Contest, compare_models
from fl_server.folder import FederationFolder
from fl_server.pretraining import raising
from fl_server.pretraining.show import stoppable
from fl_server.settings import load_settings
from shared_models import commandline
from shared_models.commandline import err, out, print_json
from shared_models.data.labels import scheme_by_name
from shared_models.data.sources import parse_spec
from shared_models.data.splits import load_benchmark
from shared_models.evaluation.comparison_sheets import comparison_sheets
from shared_models.resources import use_threads


def compare_and_show(folder: FederationFolder, data: str, contest: Contest, threads: int, as_json: bool) -> None:
    """Trains what is missing, scores all models on `data`, and prints tables or JSON."""
    use_threads(threads)
    scheme = scheme_by_name(load_settings(folder.settings).model.scheme)
    err.print(
        f"Models that are not in {folder.compared} yet are trained first, once the data are read. The time left is"
        " shown for each stage; an encoder takes longest. Ctrl-C stops it, and the same command goes on."
    )
    with stoppable() as stopping, commandline.progress_by_stage() as follow:
        held_out = load_benchmark(parse_spec(data), scheme, raising(follow, stopping))
        trainer = Trainer(folder.compared, contest.training(data), held_out, follow, stopping)
        facts = compare_models(contest.models, trainer)
    if as_json:
        print_json({"comparison": facts.model_dump(mode="json")})
        return
    for sheet in comparison_sheets(facts):
        out.print(sheet.for_terminal())
