"""Data sets of recorded people: whoever scores is never trained on.

DAiSEE has an official split. Where there is none, a fixed fifth of the people scores; of IEMOCAP its last session.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared_models.data.ckplus import ckplus_clips
from shared_models.data.daisee import SPLITS, Split, daisee_clips
from shared_models.data.films import Clip, Progress, default_reader, read_films
from shared_models.data.iemocap import iemocap_clips
from shared_models.data.labels import LabelScheme
from shared_models.data.manifest import manifest_clips
from shared_models.data.ravdess import ravdess_clips
from shared_models.data.sequences import Sequences
from shared_models.data.sources import DataSpec
from shared_models.errors import DataError

_EVERY = 5
_SCORING_SESSION = "Ses05"


@dataclass(frozen=True)
class PeopleSet:
    """clips: everybody's; training, scoring: those of the people who are trained on and those who score.

    terms:    what the recordings may be used for
    official: words for the data set's own split, which holds in simulations too; empty where it has none
    """

    name: str
    terms: str
    clips: Callable[[Path, LabelScheme], list[Clip]]
    training: Callable[[Path, LabelScheme], list[Clip]]
    scoring: Callable[[Path, LabelScheme], list[Clip]]
    official: str = ""


def _parted(
    name: str,
    terms: str,
    clips: Callable[[Path, LabelScheme], list[Clip]],
    scorers: Callable[[Sequence[str]], Sequence[str]],
) -> PeopleSet:
    """A set whose `clips` are parted by person: `scorers` says which of the subjects, in order, score."""

    def part(path: Path, scheme: LabelScheme, scoring: bool) -> list[Clip]:
        everything = clips(path, scheme)
        chosen = set(scorers(sorted({str(clip.subject) for clip in everything})))
        kept = [clip for clip in everything if (clip.subject in chosen) == scoring]
        if not kept:
            raise DataError(f"There are too few people in {path} to train on some and score on others")
        return kept

    return PeopleSet(
        name,
        terms,
        clips,
        lambda path, scheme: part(path, scheme, scoring=False),
        lambda path, scheme: part(path, scheme, scoring=True),
    )


def _every_fifth(subjects: Sequence[str]) -> Sequence[str]:
    return subjects[_EVERY - 1 :: _EVERY]


def _last_session(subjects: Sequence[str]) -> Sequence[str]:
    return [subject for subject in subjects if subject.startswith(_SCORING_SESSION)]


def _daisee(*splits: Split) -> Callable[[Path, LabelScheme], list[Clip]]:
    return lambda folder, scheme: [clip for split in splits for clip in daisee_clips(folder, split, scheme)]


PEOPLE_SETS = {
    "ckplus": _parted("CK+", "non-commercial research, by agreement with its authors", ckplus_clips, _every_fifth),
    "ravdess": _parted("RAVDESS", "CC BY-NC-SA 4.0", ravdess_clips, _every_fifth),
    "iemocap": _parted("IEMOCAP", "research, by agreement with its authors", iemocap_clips, _last_session),
    "daisee": PeopleSet(
        "DAiSEE",
        "research, by agreement with its authors",
        _daisee(*SPLITS),
        _daisee("Train"),
        _daisee("Test"),
        official="trained on the official Train, scored on the official Test",
    ),
    # Whoever writes a manifest parts the people: one file to train on, another to score on.
    "manifest": PeopleSet("the manifest", "as its author knows", manifest_clips, manifest_clips, manifest_clips),
}


def training_people(spec: DataSpec, scheme: LabelScheme, progress: Progress) -> tuple[Sequences, str]:
    """The sequences of the people who may be trained on, and words that say what they are."""
    chosen = PEOPLE_SETS[spec.kind]
    data = _read(spec, scheme, chosen.training, progress)
    if spec.kind == "manifest":
        return data, f"{len(data)} sequences of {spec}"
    return data, f"{len(data)} sequences of {len(set(data.subjects))} people of {chosen.name}, {chosen.terms}"


def scoring_people(spec: DataSpec, scheme: LabelScheme, progress: Progress) -> Sequences:
    """The sequences of the people who score; none of them is in `training_people`, but for a manifest."""
    return _read(spec, scheme, PEOPLE_SETS[spec.kind].scoring, progress)


def everybody(spec: DataSpec, scheme: LabelScheme, progress: Progress) -> Sequences:
    """All sequences of the data set, for whoever parts its people anew."""
    return _read(spec, scheme, PEOPLE_SETS[spec.kind].clips, progress)


def _read(
    spec: DataSpec, scheme: LabelScheme, clips: Callable[[Path, LabelScheme], list[Clip]], progress: Progress
) -> Sequences:
    return read_films(clips(spec.required_path, scheme), scheme, str(spec.path), default_reader(), progress)
