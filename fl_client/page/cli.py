"""The command that opens the page."""

import webbrowser
from pathlib import Path

from fl_client.home import Home
from fl_client.settings import load_settings
from shared_models.commandline import out, print_json
from shared_models.errors import UsageError
from shared_models.files import is_held


def open_page(home: Path, browser: bool, as_json: bool) -> None:
    """Opens the page of the running program, or prints its address, which opens it once.

    Raises UsageError where there is no page.
    """
    place = Home(home)
    if not is_held(place.lock):
        raise UsageError("Attune is not running, so there is no page", fix="Start it with `fl-client run`")
    if not load_settings(place.settings).page.on:
        raise UsageError("The page is switched off", fix="Set `on = true` in [page] of config.toml, and start again")
    try:
        address = place.page.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError("The page is not there yet", fix="Try again in a moment") from error
    if as_json:
        print_json({"address": address})
    elif browser and webbrowser.open(address):
        out.print("The page is open in your browser.")
    else:
        out.print(address, soft_wrap=True)
        out.print("This address opens the page once; run this command again for another.")
