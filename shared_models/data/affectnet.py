"""AffectNet: faces from the web with one label each (Mollahosseini, Hasani and Mahoor 2019, arXiv 1708.03985).

Read from the layout of the released data: `train_set` and `val_set`, each with `images/NUMBER.jpg`, a face that is cut
out already, and `annotations/NUMBER_exp.npy`, its label as a number. The test set was never released.
"""

import logging
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from shared_models.data.crops import pixel_digest, shrink_frames
from shared_models.data.labels import LabelScheme
from shared_models.data.layout import require, require_listed, visible
from shared_models.data.sequences import CROP_SIZE, Sequences
from shared_models.errors import DataError

Split = Literal["train_set", "val_set"]
EMOTIONS = {
    0: "neutral", 1: "happiness", 2: "sadness", 3: "surprise", 4: "fear", 5: "disgust", 6: "anger", 7: "contempt"
}  # fmt: skip
_OTHERS = {8: "none", 9: "uncertain", 10: "no face"}
_SUFFIX = "_exp.npy"
_LAYOUT = (
    "Unpack AffectNet so that the folder holds train_set and val_set, each with images/NUMBER.jpg and"
    " annotations/NUMBER_exp.npy"
)
_log = logging.getLogger(__name__)


def load_affectnet(folder: Path, split: Split, scheme: LabelScheme) -> Sequences:
    """The faces of one split as stills (N, 1, 1, 48, 48), shrunk as they were cut out. AffectNet names no subjects.

    Dropped: images whose label `scheme` lacks, such as contempt in basic-7, and those that show no emotion, none for
    certain, or no face.

    Raises DataError, naming the file, where the layout is incomplete or cannot be read, or `scheme` does not fit.
    """
    labels = _read_labels(folder / split, scheme)
    images = require(folder / split / "images", "AffectNet", _LAYOUT)
    files = {path.stem: path for path in images.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png")}
    missing = [number for number in labels if number not in files]
    require_listed(missing, len(labels), "images", str(folder / split / "annotations"), _LAYOUT)

    frames = np.empty((len(labels), 1, 1, CROP_SIZE, CROP_SIZE), np.uint8)
    digests = []
    for out, number in zip(frames, labels, strict=True):
        image = cv2.imread(str(files[number]), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise DataError(f"{files[number]} cannot be read as an image", fix="Unpack AffectNet again")
        out[0, 0] = shrink_frames([image])[0]
        digests.append(pixel_digest([image]))
    return Sequences(
        scheme=scheme,
        frames=frames,
        targets=np.eye(len(scheme.classes), dtype=np.float32)[list(labels.values())],
        subjects=(None,) * len(labels),
        digests=tuple(digests),
    )


def _read_labels(folder: Path, scheme: LabelScheme) -> dict[str, int]:
    """The class index of each image that is kept, by its number."""
    targets = scheme.indices(EMOTIONS)
    files = visible(require(folder / "annotations", "AffectNet", _LAYOUT), f"*{_SUFFIX}")
    labels = {}
    for file in files:
        emotion = _read_label(file)
        if emotion in targets:
            labels[file.name.removesuffix(_SUFFIX)] = targets[emotion]
    if not labels:
        raise DataError(f"No image of {folder} has a usable label", fix=_LAYOUT)
    _log.info("AffectNet %s: kept %d of %d images", folder.name, len(labels), len(files))
    return labels


def _read_label(file: Path) -> int:
    try:
        emotion = int(np.load(file, allow_pickle=False).item())
    except (OSError, ValueError, EOFError, TypeError):
        emotion = -1
    if emotion not in EMOTIONS | _OTHERS:
        raise DataError(f"{file} is not a label of AffectNet", why="it should hold a number", fix="Unpack it again")
    return emotion
