"""FER2013: web faces with one label each (Goodfellow et al. 2013, arXiv 1307.0414), from the challenge's CSV file.

The file, `fer2013.csv` or `icml_face_data.csv`, has the columns emotion, pixels and Usage in any order: a number from
0 to 6, then 2,304 gray values of a 48x48 face with spaces between them, then the split.
"""

import csv
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from shared_models.data.crops import pixel_digest
from shared_models.data.labels import LabelScheme
from shared_models.data.layout import require
from shared_models.data.sequences import CROP_SIZE, Sequences
from shared_models.errors import DataError

Split = Literal["Training", "PublicTest", "PrivateTest"]
SPLITS: tuple[str, ...] = get_args(Split)
EMOTIONS = {0: "anger", 1: "disgust", 2: "fear", 3: "happiness", 4: "sadness", 5: "surprise", 6: "neutral"}
_COLUMNS = ("emotion", "pixels", "Usage")
_LAYOUT = "Name fer2013.csv or icml_face_data.csv, which has the columns emotion, pixels and Usage"
_log = logging.getLogger(__name__)


def load_fer2013(file: Path, split: Split, scheme: LabelScheme) -> Sequences:
    """The faces of one split as stills (N, 1, 1, 48, 48). FER2013 names no subjects, and nothing is dropped.

    Raises DataError, naming the line, where the file is incomplete or cannot be read, or `scheme` does not fit.
    """
    targets = scheme.targets(EMOTIONS)
    labels, images = [], []
    for emotion, image in _rows(require(file, "FER2013", _LAYOUT), split):
        if emotion in targets:
            labels.append(targets[emotion])
            images.append(image)
    if not images:
        raise DataError(f"{file} holds no image of {split}", why="it is not the whole file", fix=_LAYOUT)
    _log.info("FER2013 %s: %d images", split, len(images))
    return Sequences(
        scheme=scheme,
        frames=np.stack(images)[:, None, None],
        targets=np.array(labels, np.float32),
        subjects=(None,) * len(images),
        digests=tuple(pixel_digest([image]) for image in images),
    )


def _rows(file: Path, split: Split) -> Iterator[tuple[int, np.ndarray]]:
    """Emotion and image (48, 48) uint8 of the rows of `split`."""
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            table = csv.reader(lines)
            names = [name.strip() for name in next(table, [])]  # icml_face_data.csv has spaces before them
            if sorted(names) != sorted(_COLUMNS):
                raise DataError(f"{file} is not the table of FER2013", why=f"its columns are {names}", fix=_LAYOUT)
            emotion, pixels, usage = (names.index(name) for name in _COLUMNS)
            for row in table:
                try:
                    if SPLITS.index(row[usage]) == SPLITS.index(split):
                        yield _emotion(row[emotion]), _image(row[pixels])
                except (ValueError, IndexError) as error:
                    raise DataError(
                        f"Line {table.line_num} of {file} is not a face of FER2013",
                        why=f"it should hold a number from 0 to 6, {CROP_SIZE**2} gray values and the split",
                        fix="Unpack the file again",
                    ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read", why=str(error), fix=_LAYOUT) from error


def _emotion(text: str) -> int:
    number = int(text)
    if number not in EMOTIONS:
        raise ValueError(text)
    return number


def _image(text: str) -> np.ndarray:
    """Raises ValueError where `text` is not 2,304 numbers from 0 to 255."""
    return np.frombuffer(bytes(map(int, text.split())), np.uint8).reshape(CROP_SIZE, CROP_SIZE)
