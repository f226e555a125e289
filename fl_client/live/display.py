"""A reading in the terminal: one bar a class, how sure, and what became of the face."""

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fl_client.live.reader import READING, LiveReader
from fl_client.live.reading import Reading

_BAR = 40
_FACES = {
    "clear": "one clear face",
    "no_face": "no face in the picture",
    "several_faces": "more than one face: nothing is read",
    "small_face": "the face is too far away",
    "turned": "the face is turned away",
    "too_dark": "the face is too dark",
    "too_bright": "the face is too bright",
    "blurred": "the face is blurred",
}


def picture(reader: LiveReader) -> RenderableType:
    """What `reader` knows now."""
    reading = reader.reading()
    face = Text(f"Camera: {_FACES.get(reader.face, reader.face.replace('_', ' '))}", style="dim")
    if reading is None:
        waits = "Nothing to read right now" if reader.state == READING else reader.state
        return Group(Text(waits), face, _footer())
    return Group(_bars(reading), _sentence(reading), face, _footer())


def _bars(reading: Reading) -> Table:
    table = Table.grid(padding=(0, 1))
    for name, probability in zip(reading.classes, reading.probabilities, strict=True):
        chosen = "bold" if name == reading.label else ""
        bar = ProgressBar(total=1.0, completed=float(probability), width=_BAR, complete_style="cyan")
        table.add_row(Text(name, style=chosen), bar, Text(f"{probability:4.0%}", style=chosen))
    return table


def _sentence(reading: Reading) -> Text:
    basis = "the last two seconds" if reading.whole else f"{reading.frames} frames so far"
    return Text(f"The model's guess: {reading.label}, {reading.sure} ({reading.probability:.0%}), from {basis}")


def _footer() -> Text:
    return Text("A guess about a face, not a fact about you. Nothing is stored or sent. Ctrl-C ends it.", style="dim")
