"""FERPlus: web faces with ten votes each (Barsoum et al. 2016, arXiv 1608.01041), as stills.

Read from the layout that Microsoft's FERPlus tools write: one folder a split with 48x48 gray PNG files and
a `label.csv` without a header line: file name, box, then the votes in the order of `VOTES`.
"""

import csv
import logging
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from shared_models.data.crops import pixel_digest
from shared_models.data.labels import LabelScheme
from shared_models.data.layout import require, require_listed
from shared_models.data.sequences import CROP_SIZE, Sequences
from shared_models.errors import DataError

Split = Literal["FER2013Train", "FER2013Valid", "FER2013Test"]
EMOTIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
VOTES = (*EMOTIONS, "unknown", "not a face")
_ONE_VOTE = 1
_ENOUGH = 0.3
_LAYOUT = (
    "Unpack FERPlus so that the folder holds FER2013Train, FER2013Valid or FER2013Test, "
    "each with label.csv and its PNG files"
)
_log = logging.getLogger(__name__)


def load_ferplus(folder: Path, split: Split, scheme: LabelScheme) -> Sequences:
    """The faces of one split as stills (N, 1, 1, 48, 48). FERPlus names no subjects.

    Of basic-7 and basic-8, targets are shares of the votes for their emotions. Dropped everywhere: images without such
    a vote, and those where something else has more: "unknown", "not a face" and, of basic-7, contempt. Dropped from the
    splits for evaluation, Valid and Test, too: images whose top vote is tied, since no answer would be right.

    Of basic-7-any, targets are the emotions that enough voted for, see `_several`.

    Raises DataError, naming the file or line, where the layout is incomplete or cannot be read, or for another scheme.
    """
    names, votes = _read_votes(folder / split)
    targets, usable = _targets(votes, scheme, allow_ties=split == "FER2013Train")
    if not usable.any():
        raise DataError(f"No image of {folder / split} has a usable label", fix="Check its label.csv")
    _log.info("%s: kept %d of %d images", split, usable.sum(), len(usable))
    names = [names[i] for i in np.flatnonzero(usable)]
    images = _read_images(folder / split, names)
    return Sequences(
        scheme=scheme,
        frames=images[:, None, None],
        targets=targets[usable].astype(np.float32),
        subjects=(None,) * len(names),
        digests=tuple(pixel_digest([image]) for image in images),
    )


def _targets(votes: np.ndarray, scheme: LabelScheme, *, allow_ties: bool) -> tuple[np.ndarray, np.ndarray]:
    """Targets (N, K), and which of them can be used, (N,) bool, for votes (N, 10)."""
    columns = [EMOTIONS.index(name) for name in scheme.classes if name in EMOTIONS]
    if scheme.name in ("basic-7", "basic-8"):
        emotions = votes[:, columns]
        shares = emotions / np.maximum(emotions.sum(axis=1, keepdims=True), 1)
        return shares, _usable(votes, emotions, allow_ties=allow_ties)
    if scheme.name == "basic-7-any":
        several, usable = _several(votes)
        return several[:, columns], usable & several[:, columns].any(axis=1)
    raise DataError(f"FERPlus has the label schemes basic-8, basic-7 and basic-7-any, not {scheme.name}")


def _several(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of VOTES count, (N, 10) bool, and which images can be used, (N,) bool.

    As in the program of FERPlus's authors: a single vote is left out, what has three tenths of the rest counts, and an
    image is usable where these have more than half of all votes, and an emotion the most.
    """
    votes = np.where(votes > _ONE_VOTE, votes, 0)
    total = votes.sum(axis=1, keepdims=True)
    counts = (votes > 0) & (votes >= _ENOUGH * total)
    usable = (votes * counts).sum(axis=1) > total[:, 0] / 2
    return counts, usable & (votes.argmax(axis=1) < len(EMOTIONS))


def _usable(votes: np.ndarray, emotions: np.ndarray, *, allow_ties: bool) -> np.ndarray:
    """(N,) bool for votes (N, 10), of which `emotions` (N, K) are for the scheme's classes."""
    top_emotion = emotions.max(axis=1)
    usable = (top_emotion > 0) & (top_emotion >= votes.max(axis=1))
    if not allow_ties:
        usable &= (votes == votes.max(axis=1, keepdims=True)).sum(axis=1) == 1
    return usable


def _read_votes(folder: Path) -> tuple[list[str], np.ndarray]:
    """File names and votes (N, 10) of a split's label.csv."""
    table = require(folder / "label.csv", "FERPlus", _LAYOUT)
    names, votes = [], []
    with table.open(newline="", encoding="utf-8", errors="replace") as lines:
        reader = csv.reader(lines)
        for row in reader:
            try:
                name, _box, *counts = row
                votes.append([int(count) for count in counts])
            except ValueError:
                counts = []
            if len(counts) != len(VOTES):
                raise DataError(
                    f"Line {reader.line_num} of {table} is not a FERPlus label",
                    why=f"it should hold a file name, a box and {len(VOTES)} vote counts",
                    fix=_LAYOUT,
                )
            names.append(name)
    return names, np.array(votes, dtype=np.int64).reshape(-1, len(VOTES))


def _read_images(folder: Path, names: list[str]) -> np.ndarray:
    """(N, 48, 48) uint8."""
    present = {path.name for path in folder.iterdir()}
    missing = [name for name in names if name not in present]
    require_listed(missing, len(names), "images", str(folder / "label.csv"), _LAYOUT)
    images = np.empty((len(names), CROP_SIZE, CROP_SIZE), dtype=np.uint8)
    for out, name in zip(images, names, strict=True):
        image = cv2.imread(str(folder / name), cv2.IMREAD_GRAYSCALE)
        if image is None or image.shape != out.shape:
            raise DataError(
                f"{folder / name} is not a readable image of {CROP_SIZE}x{CROP_SIZE} pixels",
                fix="Unpack FERPlus again",
            )
        out[:] = image
    return images
