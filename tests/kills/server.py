"""The real `fl-server start`, in a process that dies where it is told to."""

import contextlib
import os
import sys
from pathlib import Path

import fl_server.live
import fl_server.server  # noqa: F401 - both are here before the fork, so that a start does not wait for them
from fl_server import cli
from fl_server.folder import FederationFolder
from tests.kills.probe import Doom, Probe

OPEN_ROUND = "open-round"


def serve(folder: FederationFolder, rounds: int, notes: Path, doom: Doom) -> None:
    """Keeps under `notes` every file of an open round, each as it was when it got its name."""

    def keep(path: Path) -> None:
        if path.parent.name == OPEN_ROUND and not path.name.startswith("."):
            kept = len(os.listdir(notes))
            with contextlib.suppress(FileExistsError):
                os.link(path, notes / f"{kept:06d}-{path.name}")

    Probe(folder.root, notes.with_suffix(".trace"), doom, keep).install()
    sys.argv = ["fl-server", "start", str(folder.root), "--rounds", str(rounds)]
    cli.run()
