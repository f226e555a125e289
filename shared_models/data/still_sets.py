"""Data sets of stills: each has an official split, and none names people.

Their training images are parted by content: copies of one image always fall on the same side, and pretraining,
choosing between models and simulated clients share no image.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shared_models.data.affectnet import load_affectnet
from shared_models.data.fer2013 import load_fer2013
from shared_models.data.ferplus import load_ferplus
from shared_models.data.labels import LabelScheme
from shared_models.data.partition import unseen
from shared_models.data.sequences import Sequences
from shared_models.data.sources import DataSpec

_PUBLIC_SHARE = 0.9
_SELECTING_SHARE = 0.02  # of the public share, where a data set has no split of its own to choose models on


@dataclass(frozen=True)
class StillSet:
    """load: reads (path, split, scheme).

    terms:     what the pictures may be used for
    selecting: the splits that models can be chosen on; the first one that is there is taken. Empty: a part of training
    reporting: the splits that can be reported on; likewise
    copies:    whether a split is known to hold copies of another's images
    """

    name: str
    terms: str
    load: Callable[..., Sequences]
    training: str
    selecting: tuple[str, ...]
    reporting: tuple[str, ...]
    copies: bool

    @property
    def public_share(self) -> float:
        """The share of the training split that pretraining may see."""
        return _PUBLIC_SHARE if self.selecting else _PUBLIC_SHARE - _SELECTING_SHARE


STILL_SETS = {
    "ferplus": StillSet(
        "FERPlus",
        "labels from votes; images from the FER2013 challenge, research use; labels MIT",
        load_ferplus,
        "FER2013Train",
        ("FER2013Valid", "FER2013Test"),
        ("FER2013Test", "FER2013Valid"),
        copies=True,
    ),
    "fer2013": StillSet(
        "FER2013",
        "images from the FER2013 challenge, research use",
        load_fer2013,
        "Training",
        ("PublicTest",),
        ("PrivateTest",),
        copies=True,
    ),
    "affectnet": StillSet(
        "AffectNet",
        "non-commercial research, by agreement with its authors",
        load_affectnet,
        "train_set",
        (),
        ("val_set",),
        copies=False,
    ),
}


def public_stills(spec: DataSpec, scheme: LabelScheme) -> tuple[Sequences, str]:
    """The part of the training split that pretraining may see, and words that say what it is."""
    chosen = STILL_SETS[spec.kind]
    stills = _training(spec, scheme)
    public = stills.take(np.flatnonzero(_places(stills) < chosen.public_share))
    part = f"{chosen.training} ({chosen.public_share:.0%} of it, parted by content)"
    return public, f"{len(public)} images of {chosen.name} {part}, {chosen.terms}"


def client_stills(spec: DataSpec, scheme: LabelScheme) -> Sequences:
    """The stills of the training split that `public_stills` leaves to simulated clients."""
    stills = _training(spec, scheme)
    return stills.take(np.flatnonzero(_places(stills) >= _PUBLIC_SHARE))


def selecting_stills(spec: DataSpec, scheme: LabelScheme) -> tuple[Sequences, str]:
    """What models are chosen on, and words that say what it is. No image of it is trained on or reported on."""
    chosen = STILL_SETS[spec.kind]
    if not chosen.selecting:
        stills = _training(spec, scheme)
        places = _places(stills)
        part = stills.take(np.flatnonzero((places >= chosen.public_share) & (places < _PUBLIC_SHARE)))
        return part, f"{_SELECTING_SHARE:.0%} of {chosen.training}, parted by content and not trained on"
    split, reported = (_first_there(spec, splits) for splits in (chosen.selecting, chosen.reporting))
    others = [chosen.training] if split == reported else [chosen.training, reported]
    return _without_copies(spec, scheme, split, others)


def scoring_stills(spec: DataSpec, scheme: LabelScheme) -> tuple[Sequences, str]:
    """The official split that is reported on, without copies of training images, and words that say what it is."""
    chosen = STILL_SETS[spec.kind]
    return _without_copies(spec, scheme, _first_there(spec, chosen.reporting), [chosen.training])


def one_split_for_both(spec: DataSpec) -> bool:
    """Whether models are chosen on the split that is reported on, since no other is there."""
    chosen = STILL_SETS[spec.kind]
    return bool(chosen.selecting) and _first_there(spec, chosen.selecting) == _first_there(spec, chosen.reporting)


def _first_there(spec: DataSpec, splits: tuple[str, ...]) -> str:
    return next((split for split in splits if (spec.required_path / split).is_dir()), splits[0])


def _without_copies(spec: DataSpec, scheme: LabelScheme, split: str, others: list[str]) -> tuple[Sequences, str]:
    """The images of `split` that none of `others` holds too, and words that say which were left out."""
    chosen = STILL_SETS[spec.kind]
    stills = chosen.load(spec.required_path, split, scheme)
    left_out = []
    for other in others if chosen.copies else ():
        kept = stills.take(unseen(stills, chosen.load(spec.required_path, other, scheme)))
        left_out.append(f"without its {len(stills) - len(kept)} images that {other} holds too")
        stills = kept
    return stills, " ".join([split, ", ".join(left_out)]).strip()


def _training(spec: DataSpec, scheme: LabelScheme) -> Sequences:
    chosen = STILL_SETS[spec.kind]
    return chosen.load(spec.required_path, chosen.training, scheme)


def _places(stills: Sequences) -> np.ndarray:
    """(N,) in [0, 1): where each image lies, by its content."""
    return np.array([int(digest[:8], 16) / 2**32 for digest in stills.digests])
