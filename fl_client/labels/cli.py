"""`fl-client probe`: the open question in a terminal."""

from collections.abc import Sequence
from typing import Annotated

import click
import typer
from rich.table import Table

from fl_client.home import Home
from fl_client.options import DEFAULT_HOME, HomeOption, JsonOption
from shared_models.commandline import out, print_json

_SKIP = "s"


def probe(
    home: HomeOption = DEFAULT_HOME,
    skip: Annotated[bool, typer.Option("--skip", help="Skip the question without being shown it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the question that the running program asks now, and take your answer."""
    from fl_client.labels.terminal import RunningProgram
    from fl_client.labels.wording import question, table

    program, words = RunningProgram(Home(home).questions), table()["probe"]
    waiting = program.pending()
    if as_json:
        print_json(waiting and waiting.facts)
        return
    if waiting is None:
        out.print(words["none"])
        return
    # An answer is no option: the shell would write it into its history.
    typed = _SKIP
    if not skip:
        out.print(question(waiting.choices))
        out.print(words["shown"].format(time=f"{waiting.shown_at.astimezone():%H:%M:%S}"))
        out.print(_numbered(waiting.choices))
        allowed = click.Choice([*map(str, range(1, len(waiting.choices) + 1)), _SKIP])
        typed = typer.prompt(words["prompt"], type=allowed, show_choices=False)
    if typed == _SKIP:
        program.skip(waiting.id)
        out.print(words["skipped"])
    else:
        program.answer(waiting.id, waiting.choices[int(typed) - 1])
        out.print(words["noted"])


def _numbered(choices: Sequence[str]) -> Table:
    """The choices with their numbers: one a line, or a grid of states by levels."""
    from fl_client.labels.wording import by_state, label_words, table

    grid = Table(box=None, show_header=False)
    if ":" not in choices[0]:
        for number, label in enumerate(choices, 1):
            grid.add_row(str(number), label_words(label))
        return grid
    for state, labels in by_state(choices).items():
        cells = (f"{choices.index(label) + 1} {table()['level'][label.partition(':')[2]]}" for label in labels)
        grid.add_row(state, *cells)
    return grid
