"""`fl-server models ...`"""

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from fl_server.folder import FederationFolder
from shared_models.commandline import out, print_json, progress_by_stage
from shared_models.errors import UsageError

app = typer.Typer(help="The models of past rounds.", no_args_is_help=True)

Directory = Annotated[Path, typer.Argument(help="The federation's folder.")]
Round = Annotated[int, typer.Argument(min=0, metavar="ROUND", help="The round's number; 0 is the model of the start.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
_MARKS = ("best", "promoted", "current", "damaged")


@app.command("list", epilog="Example: fl-server models list study")
def list_(directory: Directory, as_json: JsonOption = False) -> None:
    """Every round's model: its scores, whether its weights are kept, and which is best, promoted and current."""
    from fl_server.models.listing import list_models

    models = list_models(FederationFolder(directory))
    if as_json:
        print_json([model.model_dump(mode="json") for model in models])
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for column in ("round", "accuracy", "UAR", "macro F1"):
        table.add_column(column, justify="right")
    for column in ("saved (UTC)", "weights", ""):
        table.add_column(column)
    for model in models:
        table.add_row(
            str(model.round),
            *("-" if score is None else f"{score:.3f}" for score in (model.accuracy, model.uar, model.macro_f1)),
            f"{model.saved_at:%Y-%m-%d %H:%M}" if model.saved_at else "-",
            "kept" if model.weights else "removed",
            ", ".join(mark for mark in _MARKS if getattr(model, mark)),
        )
    out.print(table)


@app.command(epilog="Example: fl-server models show study 5")
def show(directory: Directory, round_: Round, as_json: JsonOption = False) -> None:
    """What the record of one round's model says, with its scores by emotion."""
    from fl_server.models.listing import details

    model = details(FederationFolder(directory), round_)
    if as_json:
        print_json(model.model_dump(mode="json"))
        return
    marks = [mark for mark in _MARKS if getattr(model, mark)]
    out.print(f"[bold]Round {model.round}[/]" + (f" ({', '.join(marks)})" if marks else ""))
    out.print(f"{model.model}, scheme {model.scheme}, saved {model.saved_at:%Y-%m-%d %H:%M} UTC")
    out.print(f"Model {model.model_hash}; its weights are {'kept' if model.weights else 'removed'}", soft_wrap=True)
    out.print(f"Accuracy {model.accuracy:.3f}, UAR {model.uar:.3f}, macro F1 {model.macro_f1:.3f}")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("emotion")
    for column in ("sequences", "precision", "recall", "F1"):
        table.add_column(column, justify="right")
    for name, score in model.metrics["per_class"].items():
        table.add_row(name, str(score["support"]), *(f"{score[key]:.3f}" for key in ("precision", "recall", "f1")))
    out.print(table)


@app.command(epilog="Example: fl-server models promote study 5")
def promote(directory: Directory, round_: Round) -> None:
    """Mark a round's model as the one to hand out; its weights are kept from now on."""
    from fl_server.models.promotion import promote as promote_model
    from fl_server.settings import load_settings

    folder = FederationFolder(directory)
    load_settings(folder.settings)  # is there a federation?
    promote_model(folder, round_)
    out.print(f"The model of round {round_} is the one to hand out.")


@app.command(epilog="Example: fl-server models rollback study 5")
def rollback(directory: Directory, round_: Round) -> None:
    """Let the next round start from an earlier round's model. Stop the server first."""
    from fl_server.models.rollback import roll_back

    restored = roll_back(FederationFolder(directory), round_)
    out.print(f"Round {restored.round + 1} will start from the model of round {restored.to_round}.")
    out.print("Nothing is refunded: what devices spent on later rounds stays spent, and numbers of rounds count on.")


@app.command(epilog="Example: fl-server models export study --format onnx --float16 --json")
def export(
    directory: Directory,
    round_: Annotated[
        int | None, typer.Option("--round", min=0, help="Which round's model; the promoted one, else the best one.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="A weights file instead of a round's model.")] = None,
    format_: Annotated[str, typer.Option("--format", help="onnx.")] = "onnx",
    folder: Annotated[Path | None, typer.Option("--out", help="The folder that the files go to.")] = None,
    float16: Annotated[bool, typer.Option("--float16", help="Also with weights in 16 bits, where that pays.")] = False,
    int8: Annotated[bool, typer.Option("--int8", help="Also with weights in 8 bits, where that pays.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a model for use elsewhere: a window, and a streaming step where it streams, checked against the model."""
    from fl_server.models.export import export_model
    from fl_server.models.precisions import precisions_sheet

    if format_ != "onnx":
        raise UsageError(f"There is no export format '{format_}'", fix="Use onnx")
    if weights and round_ is not None:
        raise UsageError("A model is named by --round or by --weights, not by both")
    precisions = [name for name, wanted in (("float16", float16), ("int8", int8)) if wanted]
    target = folder or directory / "export"
    with progress_by_stage() as follow:
        exported = export_model(FederationFolder(directory), round_, weights, target, precisions, follow)
    if as_json:
        print_json(exported.model_dump(mode="json"))
        return
    named = weights.name if weights else f"Round {exported.round}"
    out.print(f"{named}: {exported.model}, scheme {exported.scheme}, model {exported.model_hash}", soft_wrap=True)
    for file in exported.files:
        out.print(f"Wrote {file}", soft_wrap=True)
    if not exported.streams:
        out.print("It does not stream: there is no step, and live reading needs a model that does, such as cnn-lstm.")
    out.print(f"Largest difference from the model: {exported.max_abs_diff:.1e}, allowed {exported.tolerance:.0e}")
    if exported.precisions:
        out.print(precisions_sheet(exported.precisions, exported.benchmark).for_terminal())
