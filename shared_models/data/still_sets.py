"""Data sets of stills: each has an official split, and none names people.

Their training images are parted by content: copies of one image always fall on the same side, and pretraining and
simulated clients share no image.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared_models.data.affectnet import load_affectnet
from shared_models.data.fer2013 import load_fer2013
from shared_models.data.ferplus import load_ferplus
from shared_models.data.labels import LabelScheme
from shared_models.data.partition import unseen
from shared_models.data.sequences import Sequences
from shared_models.data.sources import DataSpec

_PUBLIC_SHARE = 0.9


@dataclass(frozen=True)
class StillSet:
    """load: reads (path, split, scheme).

    terms:   what the pictures may be used for
    scoring: the splits that can score; the first one that is there does
    copies:  whether the training split is known to hold copies of images that score
    """

    name: str
    terms: str
    load: Callable[..., Sequences]
    training: str
    scoring: tuple[str, ...]
    copies: bool

    def scoring_split(self, path: Path) -> str:
        return next((split for split in self.scoring if (path / split).is_dir()), self.scoring[-1])


STILL_SETS = {
    "ferplus": StillSet(
        "FERPlus",
        "labels from votes; images from the FER2013 challenge, research use; labels MIT",
        load_ferplus,
        "FER2013Train",
        ("FER2013Test", "FER2013Valid"),
        copies=True,
    ),
    "fer2013": StillSet(
        "FER2013",
        "images from the FER2013 challenge, research use",
        load_fer2013,
        "Training",
        ("PrivateTest",),
        copies=True,
    ),
    "affectnet": StillSet(
        "AffectNet",
        "non-commercial research, by agreement with its authors",
        load_affectnet,
        "train_set",
        ("val_set",),
        copies=False,
    ),
}


def public_stills(spec: DataSpec, scheme: LabelScheme) -> tuple[Sequences, str]:
    """The part of the training split that pretraining may see, and words that say what it is."""
    chosen = STILL_SETS[spec.kind]
    stills = _training(spec, scheme)
    public = stills.take(np.flatnonzero(_places(stills) < _PUBLIC_SHARE))
    part = f"{chosen.training} ({_PUBLIC_SHARE:.0%} of it, parted by content)"
    return public, f"{len(public)} images of {chosen.name} {part}, {chosen.terms}"


def client_stills(spec: DataSpec, scheme: LabelScheme) -> Sequences:
    """The stills of the training split that `public_stills` leaves to simulated clients."""
    stills = _training(spec, scheme)
    return stills.take(np.flatnonzero(_places(stills) >= _PUBLIC_SHARE))


def scoring_stills(spec: DataSpec, scheme: LabelScheme) -> tuple[Sequences, str]:
    """The official split that scores, without known copies of training images, and words that say what it is."""
    chosen = STILL_SETS[spec.kind]
    split = chosen.scoring_split(spec.required_path)
    stills = chosen.load(spec.required_path, split, scheme)
    if not chosen.copies:
        return stills, split
    kept = stills.take(unseen(stills, _training(spec, scheme)))
    return kept, f"{split} without its {len(stills) - len(kept)} images that {chosen.training} holds too"


def _training(spec: DataSpec, scheme: LabelScheme) -> Sequences:
    chosen = STILL_SETS[spec.kind]
    return chosen.load(spec.required_path, chosen.training, scheme)


def _places(stills: Sequences) -> np.ndarray:
    """(N,) in [0, 1): where each image lies, by its content."""
    return np.array([int(digest[:8], 16) / 2**32 for digest in stills.digests])
