"""The real program in front of a known face: whatever it writes, wherever, no piece of that face lies open in it."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from fl_client.keys import open_vault
from fl_client.store import Store
from shared_models.data.faces import HaarFinder, crop_face, single_face
from shared_models.data.synthetic.domains import LAPTOP
from shared_models.data.synthetic.people import person
from shared_models.data.synthetic.video import write_label_script, write_webcam
from tests.plaintext import files_holding

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
PATIENCE_SECONDS = 120
PIECE, FEWEST_GRAYS = 16, 6
PICTURES = (b"\x89PNG\r\n\x1a\n", b"JFIF", b"Exif\x00", b"\xff\xd8\xff\xdb\x00\x43", b"RIFF", b"\x93NUMPY", b"ftyp")

# Notes every file that Python opens for writing; what its libraries write by themselves is found by looking.
PROGRAM = """
import os, sys
noted = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def note(event, facts):
    if event == "open" and isinstance(facts[0], str) and facts[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        os.write(noted, os.path.abspath(facts[0]).encode() + b"\\n")
sys.addaudithook(note)
from fl_client.cli import run
run()
"""


class Scene:
    """A computer of which nothing is written to but `root`, and the camera beside it."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.root, self.home, self.noted = folder / "computer", home, folder / "noted"
        self.video, self.labels, self.passphrase = folder / "camera.avi", folder / "labels.csv", folder / "passphrase"
        for name in ("tmp", "state", "user"):
            (self.root / name).mkdir(parents=True)
        write_label_script(self.labels, write_webcam(self.video, person(3), ["surprise"], LAPTOP, seed=3))
        self.passphrase.write_text("several words")

    def start(self) -> subprocess.Popen[bytes]:
        options = ["--home", self.home, "--camera", self.video, "--labels", self.labels]
        environment = os.environ | {
            "HOME": str(self.root / "user"),
            "TMPDIR": str(self.root / "tmp"),
            "XDG_STATE_HOME": str(self.root / "state"),
            "ATTUNE_PASSPHRASE_FILE": str(self.passphrase),
        }
        output = (self.root / "output").open("ab")
        with output:
            return subprocess.Popen(
                [sys.executable, "-c", PROGRAM, self.noted, "run", *options],
                env=environment,
                stdout=output,
                stderr=output,
                cwd=self.root,
            )

    def pieces(self) -> set[bytes]:
        """Of every face in every frame: some pixels of it, as the frame has them and as they are stored."""
        video, finder, pieces = cv2.VideoCapture(str(self.video)), HaarFinder(), set()
        while (read := video.read())[0]:
            face = single_face(finder, read[1])
            if isinstance(face, str):
                continue
            x, y, width, height = (int(edge) for edge in face.box)
            seen = read[1][y : y + height, x : x + width]
            for picture in (crop_face(read[1], face), seen, cv2.cvtColor(seen, cv2.COLOR_BGR2GRAY)):
                for row in picture[:: max(1, len(picture) // 6)]:
                    middle = row.tobytes()[row.nbytes // 2 :][:PIECE]
                    if len(set(middle)) >= FEWEST_GRAYS:
                        pieces.add(middle)
        return pieces

    def in_the_clear(self, pieces: set[bytes]) -> list[Path]:
        return list(files_holding((*PICTURES, *pieces), (self.root, self.home)))


def test_no_piece_of_a_face_and_nothing_too_old_lies_on_the_disk_running_or_killed(tmp_path, laptop, monkeypatch):
    scene = Scene(tmp_path, laptop.home.root)
    monkeypatch.setenv("ATTUNE_PASSPHRASE_FILE", str(scene.passphrase))
    laptop.enrolment.save(laptop.home)
    laptop.identity.save(laptop.home, open_vault(laptop.home.root))
    pieces = scene.pieces()
    assert len(pieces) > 100
    too_old = laptop.home.store / "sessions" / keep_one_of_last_year(laptop)

    program = scene.start()
    for _ in range(PATIENCE_SECONDS * 10):
        assert scene.in_the_clear(pieces) == []
        status = json.loads(laptop.home.status.read_bytes()) if laptop.home.status.exists() else {}
        if (status.get("stored") and not too_old.exists()) or program.poll() is not None:
            break
        threading.Event().wait(0.1)
    assert program.poll() is None, (scene.root / "output").read_text()
    assert not too_old.exists(), "the janitor sweeps at the start"
    program.send_signal(signal.SIGKILL)
    program.wait()
    assert scene.in_the_clear(pieces) == []

    with Store(laptop.home.store, open_vault(laptop.home.root)) as store:
        [sequence] = store.load_all()
    assert any(piece in sequence.frames.tobytes() for piece in pieces), "these are the pieces to look for"
    written = set(map(Path, scene.noted.read_text().splitlines()))
    places = (scene.root, laptop.home.root, Path("/dev"))
    assert [path for path in written if not any(path.is_relative_to(place) for place in places)] == []


def keep_one_of_last_year(laptop) -> str:
    with Store(laptop.home.store, open_vault(laptop.home.root)) as store:
        name = store.add(np.zeros((1, 1, 4, 4), np.uint8), 0, "neutral", "probe", datetime.now(UTC))
    index = sqlite3.connect(laptop.home.store / "index.sqlite")
    with index:
        index.execute("UPDATE sequences SET day = day - 365")
    index.close()
    return name
