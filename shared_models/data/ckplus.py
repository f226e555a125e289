"""CK+: posed expressions, filmed from neutral to their peak (Lucey et al. 2010, the extended Cohn-Kanade set).

Read from its own layout: `cohn-kanade-images/S005/001/S005_001_00000001.png` and on are the frames of one sequence,
and `Emotion/S005/001/S005_001_00000011_emotion.txt` holds its label as a number and names its peak.
"""

import logging
from pathlib import Path

from shared_models.data.films import Clip
from shared_models.data.labels import LabelScheme
from shared_models.data.layout import require, require_listed, visible
from shared_models.errors import DataError

EMOTIONS = {
    0: "neutral", 1: "anger", 2: "contempt", 3: "disgust", 4: "fear", 5: "happiness", 6: "sadness", 7: "surprise"
}  # fmt: skip
_SUFFIX = "_emotion.txt"
_LAYOUT = (
    "Unpack CK+ so that the folder holds cohn-kanade-images/SUBJECT/SEQUENCE with the PNG frames, and"
    " Emotion/SUBJECT/SEQUENCE with the label files"
)
_log = logging.getLogger(__name__)


def ckplus_clips(folder: Path, scheme: LabelScheme) -> list[Clip]:
    """The labelled sequences, each from neutral to its peak; a subject is a folder such as S005.

    Left out: sequences without a label file (266 of 593), and those whose label `scheme` lacks, such as contempt in
    basic-7.

    Raises DataError where the layout is incomplete or cannot be read, or `scheme` does not fit.
    """
    images = require(folder / "cohn-kanade-images", "CK+", _LAYOUT)
    labels = visible(require(folder / "Emotion", "CK+", _LAYOUT), f"*/*/*{_SUFFIX}")
    peaks = [images / label.parent.relative_to(folder / "Emotion") / _peak(label) for label in labels]
    missing = [str(peak.relative_to(folder)) for peak in peaks if not peak.is_file()]
    require_listed(missing, len(labels), "peak frames", str(folder / "Emotion"), _LAYOUT)

    targets = scheme.targets(EMOTIONS)
    emotions = [_read_label(label) for label in labels]
    clips = [
        Clip(f"{peak.parts[-3]}/{peak.parts[-2]}", peak.parts[-3], targets[emotion], peak.parent)
        for peak, emotion in zip(peaks, emotions, strict=True)
        if emotion in targets
    ]
    if not clips:
        raise DataError(f"No sequence of {folder} has a usable label", fix=_LAYOUT)
    _log.info("CK+: kept %d of %d labelled sequences", len(clips), len(labels))
    return clips


def _peak(label: Path) -> str:
    """The file name of the frame that a label file names: the last one of its sequence."""
    return label.name.removesuffix(_SUFFIX) + ".png"


def _read_label(file: Path) -> int:
    try:
        number = float(file.read_text(encoding="ascii"))  # such as "   3.0000000e+00"
    except (OSError, ValueError):
        number = -1
    if number not in EMOTIONS:
        raise DataError(f"{file} is not a label of CK+", why="it should hold a number from 0 to 7", fix=_LAYOUT)
    return int(number)
