"""IEMOCAP: ten actors in five sessions of two, playing scenes (Busso et al. 2008, doi 10.1007/s10579-008-9076-6).

Read from the layout of the full release: `Session1/dialog/avi/DivX/Ses01F_impro01.avi` shows both actors side by side,
and `Session1/dialog/EmoEvaluation/Ses01F_impro01.txt` has a line for each utterance: its time, name, label and values.
The name's letter behind the session, F or M, is the actor who wears the markers; the one behind the last `_` speaks.
"""

import logging
import re
from collections.abc import Callable
from pathlib import Path

from shared_models.data.films import Clip
from shared_models.data.labels import LabelScheme, Target
from shared_models.data.layout import require, require_listed, visible
from shared_models.errors import DataError

SESSIONS = range(1, 6)
EMOTIONS = {
    "ang": "anger", "dis": "disgust", "exc": "happiness", "fea": "fear", "hap": "happiness", "neu": "neutral",
    "sad": "sadness", "sur": "surprise",
}  # fmt: skip
_UTTERANCE = re.compile(
    r"\[([\d.]+) - ([\d.]+)\]\t((Ses\d\d)([FM])_\w+_([FM])\w+)\t(?P<emotion>\w+)"
    r"\t\[(?P<valence>\d+\.?\d*), (?P<arousal>\d+\.?\d*), [\d.]+\]"
)
_GENDERS = {"F": "female", "M": "male"}
_MIDDLE, _REACH = 3.0, 2.0  # judges' values go from 1 to 5; the last one, dominance, is not read
_BAND = 0.22, 0.78  # of the height: above and below, the picture is black
_LAYOUT = (
    "Unpack IEMOCAP_full_release so that the folder holds Session1 to Session5, each with dialog/avi/DivX and"
    " dialog/EmoEvaluation"
)
_log = logging.getLogger(__name__)


def iemocap_clips(folder: Path, scheme: LabelScheme) -> list[Clip]:
    """The utterances with a label of `scheme`, each as the half of the picture that its speaker sits in.

    A subject is session and speaker, such as Ses01F. Excitement counts as happiness, as most work on IEMOCAP does.
    Left out: utterances of frustration, of another emotion, and those that the judges did not agree on. For values,
    none is left out: the judges' means, 1 to 5, become -1 to 1.

    Raises DataError, naming the file, where the layout is incomplete or cannot be read, or `scheme` does not fit.
    """
    target_of, clips, listed = _reading(scheme), list[Clip](), 0
    for session in SESSIONS:
        dialogs = require(folder / f"Session{session}" / "dialog", "IEMOCAP", _LAYOUT)
        videos = require(dialogs / "avi" / "DivX", "IEMOCAP", _LAYOUT)
        tables = visible(require(dialogs / "EmoEvaluation", "IEMOCAP", _LAYOUT), "Ses*.txt")
        missing = [f"{table.stem}.avi" for table in tables if not (videos / f"{table.stem}.avi").is_file()]
        require_listed(missing, len(tables), "videos", str(dialogs / "EmoEvaluation"), _LAYOUT)
        for table in tables:
            utterances = _read_utterances(table)
            listed += len(utterances)
            clips += [
                _clip(match, videos / f"{table.stem}.avi", target)
                for match in utterances
                if (target := target_of(match)) is not None
            ]
    if not clips:
        raise DataError(f"No utterance of {folder} has a usable label", fix=_LAYOUT)
    _log.info("IEMOCAP: kept %d of %d utterances", len(clips), listed)
    return clips


def _reading(scheme: LabelScheme) -> Callable[[re.Match[str]], Target | None]:
    """What gives an utterance its target, or None where `scheme` has none for it."""
    if scheme.output == "values":
        return lambda utterance: tuple(_value(utterance[name]) for name in scheme.classes)
    emotions = scheme.targets(EMOTIONS)
    return lambda utterance: emotions.get(utterance["emotion"])


def _value(mean: str) -> float:
    return min(max((float(mean) - _MIDDLE) / _REACH, -1.0), 1.0)


def _clip(utterance: re.Match[str], video: Path, target: Target) -> Clip:
    start, end, name, session, marked, speaker, *_ = utterance.groups()
    # The actor with the markers sits on the left of the picture.
    left, right = (0.0, 0.5) if speaker == marked else (0.5, 1.0)
    region = left, _BAND[0], right, _BAND[1]
    gender = {"gender": _GENDERS[speaker]}
    return Clip(name, session + speaker, target, video, float(start), float(end), region, groups=gender)


def _read_utterances(table: Path) -> list[re.Match[str]]:
    try:
        lines = table.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise DataError(f"{table} cannot be read", why=error.strerror or str(error), fix=_LAYOUT) from error
    utterances = []
    for number, line in enumerate(lines, start=1):
        if not line.startswith("["):
            continue  # the header, and what each judge said
        match = _UTTERANCE.match(line)
        if match is None or float(match[1]) >= float(match[2]):
            raise DataError(
                f"Line {number} of {table} is not an utterance of IEMOCAP",
                why="it should hold [START - END], a name, a label and three values, with tabs between them",
                fix=_LAYOUT,
            )
        utterances.append(match)
    if not utterances:
        raise DataError(f"{table} lists no utterances", why="the copy was only partly unpacked", fix=_LAYOUT)
    return utterances
