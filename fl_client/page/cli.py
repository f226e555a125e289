"""The command that opens the page."""

import webbrowser
from typing import Annotated

import typer

from fl_client.home import Home
from fl_client.options import DEFAULT_HOME, HomeOption, JsonOption
from fl_client.settings import load_settings
from shared_models.commandline import out, print_json
from shared_models.errors import UsageError
from shared_models.files import is_held


def page(
    home: HomeOption = DEFAULT_HOME,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open a browser, or print the address.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Open the page of the running program: what it does, what is kept, what was sent, and every switch."""
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
