"""Rendered webcams: a video of one person, and when they labelled what; the stand-in for camera and taps."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from shared_models.data.synthetic.domains import Domain
from shared_models.data.synthetic.expression import perform
from shared_models.data.synthetic.people import Person
from shared_models.data.synthetic.render import render_frame
from shared_models.errors import StorageError

_SIZE = (480, 640)
_WINDOW_SECONDS = 2.0
_GAP_SECONDS = 0.25


@dataclass(frozen=True)
class LabelEvent:
    """`label` was given `seconds` after the video's start, about the two seconds before."""

    seconds: float
    label: str


def write_webcam(
    path: Path, person: Person, labels: Sequence[str], domain: Domain, seed: int, fps: int = 8
) -> list[LabelEvent]:
    """Write a 640x480 Motion JPEG video (`path` ends in .avi) of `person` performing `labels` one by one.

    A quarter of a neutral second lies before and after each performance. Returns when each label was given: at the
    end of its performance. Raises DataError for a label the renderer does not know and StorageError where the
    video cannot be written.
    """
    rng = np.random.default_rng((seed, person.number))
    window, gap = round(_WINDOW_SECONDS * fps), round(_GAP_SECONDS * fps)
    stretches, events, length = [_neutral(person, domain, gap, fps, rng)], [], gap
    for label in labels:
        stretches.append(perform(label, domain.display, person.manner, window, fps, rng))
        length += window
        events.append(LabelEvent(length / fps, label))
        stretches.append(_neutral(person, domain, gap, fps, rng))
        length += gap
    scene = domain.scene(rng)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, _SIZE[::-1])
    if not writer.isOpened():
        raise StorageError(
            f"The video {path} cannot be written",
            fix="Check that its folder exists, is writable and has space",
        )
    try:
        poses = domain.poses(length, fps, rng)
        for actions, pose in zip(np.concatenate(stretches), poses, strict=True):
            writer.write(render_frame(person.identity, actions, pose, scene, rng, _SIZE))
    finally:
        writer.release()
    return events


def write_label_script(path: Path, events: Sequence[LabelEvent]) -> None:
    """Write `events` as CSV with the header `seconds,label`."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["seconds", "label"])
        rows.writerows([f"{event.seconds:.3f}", event.label] for event in events)


def _neutral(person: Person, domain: Domain, frames: int, fps: int, rng: np.random.Generator) -> np.ndarray:
    return perform("neutral", domain.display, person.manner, frames, fps, rng)
