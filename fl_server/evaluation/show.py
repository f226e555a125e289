"""Evaluation at the command line: progress, tables, files."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from fl_server.evaluation.evaluate import Order, evaluate
from fl_server.evaluation.facts import Evaluation
from fl_server.evaluation.sections import sections, warnings
from fl_server.evaluation.write import check_name, write
from fl_server.folder import FederationFolder
from fl_server.report.blocks import Facts
from shared_models.commandline import out, print_json, progress_by_stage
from shared_models.evaluation.sheets import Sheet
from shared_models.resources import use_one_core


def evaluate_and_show(folder: FederationFolder, order: Order, file: Path | None, as_json: bool) -> None:
    """Evaluates, writes `file` where one is named, and prints the tables or, with `as_json`, the facts alone."""
    if file is not None:
        check_name(file)
    use_one_core()
    with progress_by_stage() as follow:
        facts = evaluate(folder, order, follow)
    if file is not None:
        write(facts, file)
    if as_json:
        print_json(facts.model_dump(mode="json"))
        return
    show(facts, out)
    if file is not None:
        out.print(f"The evaluation is in {escape(str(file))}", soft_wrap=True)


def show(facts: Evaluation, console: Console) -> None:
    """Warnings first, then every table."""
    for sentence in warnings(facts):
        console.print(f"[bold yellow]Warning:[/] {escape(sentence)}", soft_wrap=True)
    for section in sections(facts):
        for block in section.blocks:
            if isinstance(block, Sheet):
                console.print(block.for_terminal())
            elif isinstance(block, Facts):
                for name, value in block.rows:
                    console.print(f"[bold]{name}[/] {escape(value.replace('`', ''))}", soft_wrap=True)
