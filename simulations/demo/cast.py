"""The demo's people and what they film: nobody pretrained on, nobody who is on the benchmark."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared_models.data.labels import scheme_by_name
from shared_models.data.synthetic.domains import LAPTOP
from shared_models.data.synthetic.people import person
from shared_models.data.synthetic.video import write_label_script, write_webcam

SCHEME = scheme_by_name("basic-7")
DEVICES = 4
SEEDS = (0, 1, 2)
_FIRST_STUDENT, _FIRST_BENCHMARK_PERSON = 2000, 3000
_LABELS_PER_CLASS = 8
BENCHMARK_PEOPLE = 20


@dataclass(frozen=True)
class Webcam:
    """One rendered video and the labels that were given during it."""

    folder: Path
    number: int
    repeats: int

    @property
    def video(self) -> Path:
        return self.folder / f"webcam-{self.number}.avi"

    @property
    def labels(self) -> Path:
        return self.folder / f"labels-{self.number}.csv"

    def film(self) -> None:
        """Renders the video, each class `repeats` times in a mixed order, and writes its label script."""
        self.folder.mkdir(parents=True, exist_ok=True)
        order = np.random.default_rng(self.number).permutation(np.tile(SCHEME.classes, self.repeats))
        events = write_webcam(self.video, person(self.number), list(map(str, order)), LAPTOP, seed=self.number)
        write_label_script(self.labels, events)


def students(folder: Path, seed: int) -> list[Webcam]:
    """The webcams of the devices for one seed; different seeds share nobody."""
    first = _FIRST_STUDENT + seed * DEVICES
    return [Webcam(folder, first + device, _LABELS_PER_CLASS) for device in range(DEVICES)]


def benchmark(folder: Path) -> list[Webcam]:
    """The webcams that the benchmark is cut from: the same kind of people and rooms, none of the students."""
    return [Webcam(folder, _FIRST_BENCHMARK_PERSON + n, 1) for n in range(BENCHMARK_PEOPLE)]


def write_manifest(webcams: list[Webcam], path: Path) -> None:
    """One clip for each label: the two seconds before it. Faces are left to whoever reads the manifest."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["clip_id", "subject_id", "label", "path", "start", "end"])
        for webcam in webcams:
            for clip, (seconds, label) in enumerate(_label_events(webcam)):
                subject = f"synthetic-{webcam.number}"
                rows.writerow([f"{subject}-{clip}", subject, label, webcam.video.name, seconds - 2, seconds])


def _label_events(webcam: Webcam) -> Iterator[tuple[float, str]]:
    with webcam.labels.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield float(row["seconds"]), row["label"]
