"""One's own data in a form that any computer can read; from then on it is not encrypted."""

import csv
import io
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from fl_client.pictures import strip
from fl_client.stored_sequence import Damaged, StoredSequence
from shared_models.errors import UsageError
from shared_models.files import atomic_write, storage_errors

_COLUMNS = ("picture", "id", "captured_at", "label", "source", "frames", "height", "width")
_README = """\
Everything that Attune had stored of you on this device: {sequences} sequences.

Each PNG is one sequence: its frames from left to right, gray, as the program keeps them. sequences.csv has a line
for each: its picture, its name in the store, when it was captured (UTC), the label, who or what gave the label, and
the number, height and width of the frames.
{damaged}
These files are not encrypted, and Attune does not know of them: deleting in Attune does not delete them. Delete this
folder when you no longer need it.
"""


class Exported(NamedTuple):
    sequences: int
    damaged: int


def export(found: Iterable[StoredSequence | Damaged], folder: Path) -> Exported:
    """Writes what was `found` into `folder`, which must not exist yet or be empty, readable by its owner only.

    Raises UsageError where something is there already, StorageError where the disk is full: nothing is left then.
    """
    with storage_errors(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder} is there already, and not empty", fix="Name a folder that does not exist yet")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written: list[Path] = []
    try:
        return _write(found, folder, written)
    except BaseException:  # a half is no copy, and it would lie there unencrypted
        for path in written:
            path.unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()
        raise


def _write(found: Iterable[StoredSequence | Damaged], folder: Path, written: list[Path]) -> Exported:
    table, damaged, count = io.StringIO(newline=""), list[Damaged](), 0
    rows = csv.writer(table)
    rows.writerow(_COLUMNS)

    def write(name: str, content: bytes) -> None:
        written.append(folder / name)
        atomic_write(folder / name, content)

    for one in found:
        if isinstance(one, Damaged):
            damaged.append(one)
            continue
        count += 1
        name = f"{count:04d}.png"
        write(name, strip(one.frames))
        time, (frames, _, height, width) = one.captured_at.isoformat(), one.frames.shape
        rows.writerow([name, one.id, time, one.label, one.source, frames, height, width])
    write("sequences.csv", table.getvalue().encode())
    left_out = "".join(f"\nNot among them, since it cannot be opened: {one.id}, {one.why}.\n" for one in damaged)
    write("README.txt", _README.format(sequences=count, damaged=left_out).encode())
    return Exported(count, len(damaged))
