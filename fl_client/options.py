"""What the student's commands share: their options, how a server's text is shown, how a passphrase is asked for."""

import getpass
import sys
from pathlib import Path
from typing import Annotated

import platformdirs
import typer
from rich.markup import escape

from fl_client.home import Home
from shared_models import commandline
from shared_models.errors import SettingsError

_PATIENCE_SECONDS = 5.0
DEFAULT_HOME = Path(platformdirs.user_data_dir("attune"))


def _pass_on(home: Path) -> Path:
    """Whatever is done with a device that has left: first its server is told, where it has not heard yet."""
    if Home(home).withdrawal.exists():
        from fl_client.withdrawal import tell

        heard = tell(Home(home), _PATIENCE_SECONDS)
        said = "has heard now" if heard else "does not answer and has not heard yet"
        commandline.err.print(f"The study's server {said} that this device has left.")
    return home


HomeOption = Annotated[
    Path,
    typer.Option("--home", help="Folder of this device.", show_default="the user's data folder", callback=_pass_on),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def shown(text: str) -> str:
    """Text of a server's, as it is: no markup and no control character of its own reaches the terminal."""
    return escape("".join(c if c.isprintable() or c == "\n" else "?" for c in text))


def ask_passphrase(prompt: str) -> str:
    """Raises SettingsError where nobody sits at a terminal."""
    if not sys.stdin.isatty():
        raise SettingsError(
            "A passphrase is needed and there is nobody to ask",
            fix="Name a file that holds it in ATTUNE_PASSPHRASE_FILE",
        )
    return getpass.getpass(f"{prompt}: ")
