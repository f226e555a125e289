"""RAVDESS: 24 actors who say two sentences in eight ways (Livingstone and Russo 2018, PLoS ONE 13(5) e0196391).

Read from the layout of its archives, `Video_Speech_Actor_01/Actor_01/NAME.mp4`, or the `Actor_01` folders alone. The
name is the label: modality, channel, emotion, intensity, statement, repetition and actor, two digits each. Actors with
odd numbers are male, those with even numbers female.
"""

import logging
import re
from collections import Counter
from pathlib import Path

from shared_models.data.films import Clip
from shared_models.data.labels import LabelScheme
from shared_models.data.layout import require, visible
from shared_models.errors import DataError

EMOTIONS = {
    "01": "neutral", "02": "calm", "03": "happy", "04": "sad", "05": "angry", "06": "fearful", "07": "disgust",
    "08": "surprised",
}  # fmt: skip
CLIPS_AN_ACTOR = 60  # of speech: 2 statements, 2 repetitions, 7 emotions at 2 intensities and a neutral one
_NAME = re.compile(r"(0[12])-(01)-(0[1-8])-(0[12])-(0[12])-(0[12])-(\d\d)")
_LAYOUT = (
    "Unpack RAVDESS so that the folder holds Actor_01 and on, or Video_Speech_Actor_01/Actor_01 and on, each with"
    f" {CLIPS_AN_ACTOR} videos of speech such as 01-01-06-01-02-01-12.mp4"
)
_log = logging.getLogger(__name__)


def ravdess_clips(folder: Path, scheme: LabelScheme) -> list[Clip]:
    """The spoken clips of the actors that are there; an actor is a subject, and calm counts as neutral.

    Left out: songs, sound without pictures, and the copy without sound of a clip that is there with sound.

    Raises DataError where an actor's clips are incomplete, none is there, or `scheme` does not fit.
    """
    takes: dict[str, Path] = {}
    for path in visible(require(folder, "RAVDESS", _LAYOUT), "**/Actor_*/*.mp4"):
        if _NAME.fullmatch(path.stem):
            takes.setdefault(path.stem[3:], path)  # 01, with sound, comes before 02, the same without
    _check_complete(folder, Counter(take[-2:] for take in takes))
    targets = scheme.targets(EMOTIONS)
    clips = [
        Clip(path.stem, f"actor-{take[-2:]}", targets[take[3:5]], path, groups={"gender": _gender(take[-2:])})
        for take, path in sorted(takes.items(), key=lambda item: (item[0][-2:], item[0]))
        if take[3:5] in targets
    ]
    _log.info("RAVDESS: %d clips", len(clips))
    return clips


def _gender(actor: str) -> str:
    return "male" if int(actor) % 2 else "female"


def _check_complete(folder: Path, found: Counter[str]) -> None:
    folders = {path.name[-2:] for path in visible(folder, "**/Actor_*") if path.is_dir()}
    if not folders:
        raise DataError(f"{folder} holds no actor", why="this is not a copy of RAVDESS", fix=_LAYOUT)
    for actor in sorted(folders):
        if found[actor] < CLIPS_AN_ACTOR:
            raise DataError(
                f"Actor_{actor} of {folder} has {found[actor]} of {CLIPS_AN_ACTOR} videos of speech",
                why="the copy was only partly unpacked",
                fix=_LAYOUT,
            )
