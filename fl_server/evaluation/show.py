"""A document at the command line: its tables, or its facts alone, and a file where one is named."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from fl_server.evaluation.document import Document
from fl_server.evaluation.write import write
from fl_server.report.blocks import Facts
from shared_models.commandline import out, print_json
from shared_models.evaluation.sheets import Sheet


def show(document: Document, file: Path | None, as_json: bool) -> None:
    """Writes `file` where one is named, and prints the tables or, with `as_json`, the facts."""
    if file is not None:
        write(document, file)
    if as_json:
        print_json(document.facts.model_dump(mode="json"))
        return
    show_tables(document, out)
    if file is not None:
        out.print(f"The evaluation is in {escape(str(file))}", soft_wrap=True)


def show_tables(document: Document, console: Console) -> None:
    """Warnings first, then every table."""
    for sentence in document.warnings:
        console.print(f"[bold yellow]Warning:[/] {escape(sentence)}", soft_wrap=True)
    for section in document.sections:
        for block in section.blocks:
            if isinstance(block, Sheet):
                console.print(block.for_terminal())
            elif isinstance(block, Facts):
                for name, value in block.rows:
                    console.print(f"[bold]{name}[/] {escape(value.replace('`', ''))}", soft_wrap=True)
