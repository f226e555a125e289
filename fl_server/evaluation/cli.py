"""`fl-server evaluate`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fl_server.folder import FederationFolder
from fl_server.settings import parse_entries
from shared_models.commandline import progress_by_stage
from shared_models.data.sources import HELP
from shared_models.errors import UsageError

if TYPE_CHECKING:
    from fl_server.evaluation.document import Document
    from fl_server.evaluation.evaluate import Order

app = typer.Typer()

_COMPARED_ONLY = "With --compare: "


@app.command(epilog="Example: fl-server evaluate study --data ferplus:faces --out evaluation.html")
def evaluate(
    directory: Annotated[Path, typer.Argument(help="The federation's folder.")],
    data: Annotated[str | None, typer.Option(help=f"{HELP} The benchmark's unless given.")] = None,
    round_: Annotated[
        str | None, typer.Option("--round", metavar="N|best", help="A round's model; the last one's unless given.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="A weights file in place of a round's model.")] = None,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Also in low light, blurred, covered, far away: ten passes more.")
    ] = False,
    explain: Annotated[
        int, typer.Option(min=0, help="Sequences in which to show what the model looked at; the page shows faces.")
    ] = 0,
    compare: Annotated[
        str | None, typer.Option(help="Models side by side instead: names, or weights files, parted by commas.")
    ] = None,
    train_on: Annotated[
        str | None, typer.Option(help=f"{_COMPARED_ONLY}what they are trained on; else --data.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help=f"{_COMPARED_ONLY}the seeds of training; else 0.")] = None,
    encoder: Annotated[
        Path | None, typer.Option(help=f"{_COMPARED_ONLY}weights whose encoder all keep; else it is trained.")
    ] = None,
    entry: Annotated[
        list[str] | None, typer.Option("--set", help=f"{_COMPARED_ONLY}an entry of the recipe, as name=value.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Processor threads.")] = 1,
    file: Annotated[Path | None, typer.Option("--out", help="Also write it: .html, .md, .json or .svg.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Score a model on held-out data that nothing was chosen on: by emotion, with intervals and baselines."""
    from fl_server.evaluation.evaluate import Order
    from fl_server.evaluation.show import show
    from fl_server.evaluation.write import check_name
    from shared_models.resources import use_threads

    if file is not None:
        check_name(file, pictures=compare is None)
    use_threads(threads)
    folder = FederationFolder(directory)
    if compare is None:
        if train_on or seeds or encoder or entry:
            raise UsageError("Only models that are compared are trained", fix="Name them with --compare")
        document = _of_one(folder, Order(data, round_, weights, robustness, explain))
    else:
        if round_ is not None or weights is not None or robustness or explain:
            raise UsageError("A comparison is of the models that --compare names", fix="Name a weights file among them")
        document = _of_several(folder, data, compare, train_on, seeds or "0", entry or [], encoder)
    show(document, file, as_json)


def _of_one(folder: FederationFolder, order: "Order") -> "Document":
    from fl_server.evaluation.evaluate import evaluate as evaluate_model
    from fl_server.evaluation.sections import document_of

    with progress_by_stage() as follow:
        return document_of(evaluate_model(folder, order, follow))


def _of_several(
    folder: FederationFolder,
    data: str | None,
    models: str,
    train_on: str | None,
    seeds: str,
    entries: list[str],
    encoder: Path | None,
) -> "Document":
    from fl_server.evaluation.comparing import compare_in
    from fl_server.evaluation.comparison import parse_contest
    from fl_server.pretraining.recipe import recipe_with

    recipe = recipe_with(parse_entries([f"recipe.{text}" for text in entries]).get("recipe", {}))
    return compare_in(folder, data, parse_contest(models, train_on, seeds, recipe, encoder))
