"""What the three programs' command lines share: one way to fail, one way to print facts."""

import datetime as dt
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click
import platformdirs
import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.text import Text

from shared_models.errors import AttuneError, StorageError
from shared_models.files import atomic_write
from shared_models.logs import log_to as log_to  # the programs call it by this name

EXIT_INTERRUPTED = 130
EXIT_UNEXPECTED = 1
_PARTS = 20
out = Console(highlight=False)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def program(help_text: str) -> typer.Typer:
    """A command line whose errors are sentences, never tracebacks."""
    return typer.Typer(help=help_text, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


def run(app: typer.Typer) -> NoReturn:
    """Runs `app` and leaves with its exit code: 0, an AttuneError's, 2 for wrong usage, 130 when interrupted."""
    try:
        code = app(standalone_mode=False)
    except AttuneError as error:
        _print_error(str(error))
        code = error.exit_code
    except click.exceptions.Exit as finished:
        code = finished.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = EXIT_INTERRUPTED
    except Exception:
        _print_error(f"Something unexpected happened. {_keep_traceback()}.")
        code = EXIT_UNEXPECTED
    sys.exit(code if isinstance(code, int) else 0)


def print_json(facts: Any) -> None:
    """Facts for a program to read: JSON and nothing else on standard output."""
    sys.stdout.write(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def progress_by_stage() -> Iterator[Callable[[str, int, int], None]]:
    """A bar a stage on standard error, with the time left, moved by calling what this yields with (stage, done, total).

    Where standard error is no terminal, it gets a line for each twentieth of a stage instead.
    """
    if not err.is_terminal:
        yield _Lines().follow
        return
    with Progress(console=err) as bars:
        tasks: dict[str, TaskID] = {}

        def follow(stage: str, done: int, total: int) -> None:
            if stage not in tasks:  # what an earlier process did is no measure of the pace
                tasks[stage] = bars.add_task(stage, total=total, completed=done)
            bars.update(tasks[stage], completed=done)

        yield follow


class _Lines:
    """Progress for a log file."""

    def __init__(self) -> None:
        self._began: dict[str, tuple[float, int]] = {}
        self._told: dict[str, int] = {}

    def follow(self, stage: str, done: int, total: int) -> None:
        began, at = self._began.setdefault(stage, (time.monotonic(), done))
        part = _PARTS * done // total
        if part <= self._told.get(stage, _PARTS * at // total):
            return
        self._told[stage] = part
        left = (time.monotonic() - began) / max(done - at, 1) * (total - done)
        err.print(f"{stage}: {done} of {total}, {dt.timedelta(seconds=round(left))} left at this pace")


def _print_error(sentence: str) -> None:
    err.print(Text.assemble(("error:", "bold red"), " ", sentence))


def _keep_traceback() -> str:
    """Writes the details where only their owner can read them, and says where."""
    folder = Path(platformdirs.user_state_dir("attune"))
    path = folder / f"{Path(sys.argv[0]).stem}-error.log"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic_write(path, traceback.format_exc().encode())
    except (OSError, StorageError):
        return "The details could not be kept"
    return f"The details are in {path}"
