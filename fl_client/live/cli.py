"""`fl-client watch`"""

import json
import signal
import sys
from contextlib import ExitStack
from threading import Event
from typing import Annotated

import typer

from fl_client.options import DEFAULT_HOME, HomeOption
from shared_models.commandline import err, out
from shared_models.errors import ModelError, UsageError

JsonLinesOption = Annotated[bool, typer.Option("--json", help="Print a line of JSON a reading and nothing else.")]
_REDRAWS_A_SECOND = 8


def watch(
    home: HomeOption = DEFAULT_HOME,
    camera: Annotated[str, typer.Option(help="A camera's number, a video file or a folder of images.")] = "0",
    as_json: JsonLinesOption = False,
) -> None:
    """Show what the model makes of your face, here and now, until Ctrl-C. Nothing of it is stored or sent."""
    from rich.live import Live

    from fl_client.capture.finder import face_finder
    from fl_client.capture.sources import open_source
    from fl_client.consent import ConsentBook, Scope
    from fl_client.home import Home, load_enrolment
    from fl_client.live.display import picture
    from fl_client.live.reader import READING, LiveReader
    from fl_client.live.reading import Reading
    from fl_client.live.watch import watch as read
    from fl_client.settings import load_settings
    from shared_models.files import is_held

    place, stop = Home(home), Event()
    enrolment, settings, consent = load_enrolment(place), load_settings(place.settings), ConsentBook(home)
    reader = LiveReader.of_device(place, enrolment.policy)
    consent.require(Scope.CAPTURE, enrolment.policy.hash)
    if is_held(place.lock):
        raise UsageError(
            f"The device in {home} is running, and it has the camera",
            fix="Look at the reading on its page, or stop it first",
        )
    err.print("Getting the model ready ...")
    reader.refresh()
    if reader.state != READING:
        raise ModelError(
            "There is no model to read with yet", why=reader.state, fix="The study's first task brings one"
        )
    capture = settings.capture
    finder = face_finder(capture)
    for received in (signal.SIGINT, signal.SIGTERM):
        signal.signal(received, lambda *_: stop.set())

    def print_line(reading: Reading) -> None:
        sys.stdout.write(json.dumps(reading.to_dict()) + "\n")
        sys.stdout.flush()

    with ExitStack() as stack:
        source = stack.enter_context(open_source(camera, capture.fps))
        if not as_json:
            live = Live(get_renderable=lambda: picture(reader), console=out, refresh_per_second=_REDRAWS_A_SECOND)
            stack.enter_context(live)
        read(
            enrolment, reader, consent, source, finder, stop, print_line if as_json else lambda reading: None, settings
        )
