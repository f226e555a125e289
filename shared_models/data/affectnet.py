"""AffectNet: faces from the web with one label each (Mollahosseini, Hasani and Mahoor 2019, arXiv 1708.03985).

Read from the layout of the released data: `train_set` and `val_set`, each with `images/NUMBER.jpg`, a face that is cut
out already, and in `annotations` NUMBER_exp.npy, its label as a number, NUMBER_val.npy and NUMBER_aro.npy, its valence
and arousal. The test set was never released.
"""

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from shared_models.data.crops import pixel_digest, shrink_frames
from shared_models.data.labels import LabelScheme, Target
from shared_models.data.layout import require, require_listed, visible
from shared_models.data.sequences import CROP_SIZE, Sequences
from shared_models.errors import DataError

Split = Literal["train_set", "val_set"]
EMOTIONS = {
    0: "neutral", 1: "happiness", 2: "sadness", 3: "surprise", 4: "fear", 5: "disgust", 6: "anger", 7: "contempt"
}  # fmt: skip
_OTHERS = {8: "none", 9: "uncertain", 10: "no face"}
_SUFFIX = "_exp.npy"
_VALUES = {"valence": "_val.npy", "arousal": "_aro.npy"}
_NO_VALUE = -2.0
_LAYOUT = (
    "Unpack AffectNet so that the folder holds train_set and val_set, each with images/NUMBER.jpg and"
    " annotations/NUMBER_exp.npy"
)
_log = logging.getLogger(__name__)


def load_affectnet(folder: Path, split: Split, scheme: LabelScheme) -> Sequences:
    """The faces of one split as stills (N, 1, 1, 48, 48), shrunk as they were cut out. AffectNet names no subjects.

    Dropped: images whose label `scheme` lacks, such as contempt in basic-7, and those that show no emotion, none for
    certain, or no face. For values: images that have none, which are the uncertain ones and those without a face.

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
        targets=np.array(list(labels.values()), np.float32),
        subjects=(None,) * len(labels),
        digests=tuple(digests),
    )


def _read_labels(folder: Path, scheme: LabelScheme) -> dict[str, Target]:
    """The target of each image that is kept, by its number."""
    target_of = _reading(scheme)
    files = visible(require(folder / "annotations", "AffectNet", _LAYOUT), f"*{_SUFFIX}")
    labels = {}
    for file in files:
        target = target_of(file)
        if target is not None:
            labels[file.name.removesuffix(_SUFFIX)] = target
    if not labels:
        raise DataError(f"No image of {folder} has a usable label", fix=_LAYOUT)
    _log.info("AffectNet %s: kept %d of %d images", folder.name, len(labels), len(files))
    return labels


def _reading(scheme: LabelScheme) -> Callable[[Path], Target | None]:
    """What gives an image, by its label file, its target, or None where `scheme` has none for it."""
    if scheme.output == "values":
        return lambda file: _values(file, scheme)
    emotions = scheme.targets(EMOTIONS)
    return lambda file: emotions.get(_emotion(file))


def _emotion(file: Path) -> int:
    emotion = _number(file)
    if emotion not in EMOTIONS | _OTHERS:
        raise _no_label(file)
    return int(emotion)


def _values(file: Path, scheme: LabelScheme) -> Target | None:
    number = file.name.removesuffix(_SUFFIX)
    values = tuple(_value(file.with_name(number + _VALUES[name])) for name in scheme.classes)
    return None if _NO_VALUE in values else values


def _value(file: Path) -> float:
    value = _number(file)
    if not (-1 <= value <= 1 or value == _NO_VALUE):
        raise _no_label(file)
    return value


def _number(file: Path) -> float:
    """NaN where `file` is missing or holds none."""
    try:
        return float(np.load(file, allow_pickle=False).item())
    except (OSError, ValueError, EOFError, TypeError):
        return math.nan


def _no_label(file: Path) -> DataError:
    return DataError(
        f"{file} is not a label of AffectNet", why="it should hold a number that stands for one", fix="Unpack it again"
    )
