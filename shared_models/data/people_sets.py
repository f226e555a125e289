"""Data sets of recorded people: some are trained on, on others models are chosen, on others again they are reported on.

DAiSEE has an official split. Where there is none, a fixed fifth of the people is reported on and another one chosen on;
of IEMOCAP its last session and the one before.
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
_SELECTING_SESSION, _SCORING_SESSION = "Ses04", "Ses05"
_Clips = Callable[[Path, LabelScheme], list[Clip]]


@dataclass(frozen=True)
class PeopleSet:
    """clips: everybody's; training, selecting, scoring: those of the people who are trained on, whom models are chosen
    on, and who are reported on.

    terms:         what the recordings may be used for
    selecting_who, scoring_who: words for these people
    official:      words for the data set's own split, which holds in simulations too; empty where it has none
    """

    name: str
    terms: str
    clips: _Clips
    training: _Clips
    selecting: _Clips
    scoring: _Clips
    selecting_who: str
    scoring_who: str
    official: str = ""


@dataclass(frozen=True)
class _Group:
    """Some of the people. choose: which of the subjects, in the order of their ids"""

    who: str
    choose: Callable[[Sequence[str]], Sequence[str]]


def _fifth(place: int) -> Callable[[Sequence[str]], Sequence[str]]:
    return lambda subjects: subjects[place - 1 :: _EVERY]


def _session(name: str) -> Callable[[Sequence[str]], Sequence[str]]:
    return lambda subjects: [subject for subject in subjects if subject.startswith(name)]


_FIFTHS = (
    _Group("every fifth person from the fourth on", _fifth(4)),
    _Group("every fifth person", _fifth(5)),
)
_SESSIONS = (
    _Group("session 4", _session(_SELECTING_SESSION)),
    _Group("session 5", _session(_SCORING_SESSION)),
)


def _parted(name: str, terms: str, clips: _Clips, held_out: tuple[_Group, _Group]) -> PeopleSet:
    """A set whose `clips` are parted by person; `held_out`: whom models are chosen on, and who are reported on."""

    def part(number: int | None) -> _Clips:
        """Those of the held-out group with this number; of everybody else where it is None."""

        def kept(path: Path, scheme: LabelScheme) -> list[Clip]:
            everything = clips(path, scheme)
            subjects = sorted({str(clip.subject) for clip in everything})
            group_of = {who: n for n, group in enumerate(held_out) for who in group.choose(subjects)}
            found = [clip for clip in everything if group_of.get(str(clip.subject)) == number]
            if not found:
                raise DataError(
                    f"There are too few people in {path} to train on some, choose models on others and score on others"
                )
            return found

        return kept

    selecting, scoring = held_out
    return PeopleSet(name, terms, clips, part(None), part(0), part(1), selecting.who, scoring.who)


def _daisee(*splits: Split) -> _Clips:
    return lambda folder, scheme: [clip for split in splits for clip in daisee_clips(folder, split, scheme)]


PEOPLE_SETS = {
    "ckplus": _parted("CK+", "non-commercial research, by agreement with its authors", ckplus_clips, _FIFTHS),
    "ravdess": _parted("RAVDESS", "CC BY-NC-SA 4.0", ravdess_clips, _FIFTHS),
    "iemocap": _parted("IEMOCAP", "research, by agreement with its authors", iemocap_clips, _SESSIONS),
    "daisee": PeopleSet(
        "DAiSEE",
        "research, by agreement with its authors",
        _daisee(*SPLITS),
        _daisee("Train"),
        _daisee("Validation"),
        _daisee("Test"),
        "the official Validation",
        "the official Test",
        official="trained on the official Train, scored on the official Test",
    ),
    # Whoever writes a manifest parts the people: one file to train on, one to choose on, one to report on.
    "manifest": PeopleSet(
        "the manifest",
        "as its author knows",
        manifest_clips,
        manifest_clips,
        manifest_clips,
        manifest_clips,
        "the whole manifest",
        "the whole manifest",
    ),
}


def training_people(spec: DataSpec, scheme: LabelScheme, progress: Progress) -> tuple[Sequences, str]:
    """The sequences of the people who may be trained on, and words that say what they are."""
    chosen = PEOPLE_SETS[spec.kind]
    data = _read(spec, scheme, chosen.training, progress)
    if spec.kind == "manifest":
        return data, f"{len(data)} sequences of {spec}"
    return data, f"{len(data)} sequences of {len(set(data.subjects))} people of {chosen.name}, {chosen.terms}"


def selecting_people(spec: DataSpec, scheme: LabelScheme, progress: Progress) -> Sequences:
    """The sequences of the people whom models are chosen on; but for a manifest, none of them is in another part."""
    return _read(spec, scheme, PEOPLE_SETS[spec.kind].selecting, progress)


def scoring_people(spec: DataSpec, scheme: LabelScheme, progress: Progress) -> Sequences:
    """The sequences of the people who are reported on; but for a manifest, none of them is in another part."""
    return _read(spec, scheme, PEOPLE_SETS[spec.kind].scoring, progress)


def everybody(spec: DataSpec, scheme: LabelScheme, progress: Progress) -> Sequences:
    """All sequences of the data set, for whoever parts its people anew."""
    return _read(spec, scheme, PEOPLE_SETS[spec.kind].clips, progress)


def _read(spec: DataSpec, scheme: LabelScheme, clips: _Clips, progress: Progress) -> Sequences:
    return read_films(clips(spec.required_path, scheme), scheme, str(spec.path), default_reader(), progress)
