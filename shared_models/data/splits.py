"""Which part of a public data set may be pretrained on, which belongs to simulated clients, which scores.

FERPlus names no people, so its training images are parted by their content: copies of one image always fall on the
same side, and pretraining and clients share no image.
"""

from pathlib import Path

import numpy as np

from shared_models.data.faces import HaarFinder
from shared_models.data.ferplus import Split, load_ferplus
from shared_models.data.labels import LabelScheme
from shared_models.data.manifest import load_manifest
from shared_models.data.partition import unseen
from shared_models.data.sequences import Sequences
from shared_models.data.sources import DataSpec
from shared_models.data.stills import to_sequences
from shared_models.data.synthetic.domains import STUDIO
from shared_models.data.synthetic.sequences import render_sequences
from shared_models.errors import DataError, UsageError

PUBLIC_PEOPLE = range(0, 400)
BENCHMARK_PEOPLE = range(1000, 1020)
_PUBLIC_PER_CLASS = 600
_BENCHMARK_PER_CLASS = 30
_PUBLIC_SHARE = 0.9


def load_public(spec: DataSpec, scheme: LabelScheme, seed: int) -> tuple[Sequences, str]:
    """What pretraining may see, and a sentence that says what it is.

    Raises DataError where the data does not fit `scheme`.
    """
    if spec.kind == "synthetic":
        data = render_sequences(_PUBLIC_PER_CLASS, scheme.name, STUDIO, seed=seed, people=PUBLIC_PEOPLE)
        return data, f"{len(data)} rendered sequences of {len(PUBLIC_PEOPLE)} rendered people, seed {seed}"
    if spec.kind == "ferplus":
        stills = _ferplus(spec, scheme, "FER2013Train")
        public = stills.take(np.flatnonzero(_places(stills) < _PUBLIC_SHARE))
        return public, (
            f"{len(public)} images of FERPlus FER2013Train ({_PUBLIC_SHARE:.0%} of it, parted by content), votes as"
            f" soft labels; images from the FER2013 challenge, research use; labels MIT; seed {seed}"
        )
    data = load_manifest(required_path(spec), scheme, HaarFinder())
    return data, f"{len(data)} sequences of {spec}"


def load_benchmark(spec: DataSpec, scheme: LabelScheme) -> Sequences:
    """The held-out sequences (N, T, 1, H, W) that score a model; the same ones each time."""
    if spec.kind == "synthetic":
        return render_sequences(_BENCHMARK_PER_CLASS, scheme.name, STUDIO, seed=0, people=BENCHMARK_PEOPLE)
    if spec.kind == "ferplus":
        return to_sequences(ferplus_held_out(spec, scheme)[0])
    return load_manifest(required_path(spec), scheme, HaarFinder())


def ferplus_clients(spec: DataSpec, scheme: LabelScheme) -> Sequences:
    """The stills of FER2013Train that `load_public` leaves to simulated clients."""
    stills = _ferplus(spec, scheme, "FER2013Train")
    return stills.take(np.flatnonzero(_places(stills) >= _PUBLIC_SHARE))


def ferplus_held_out(spec: DataSpec, scheme: LabelScheme) -> tuple[Sequences, str]:
    """FER2013Test where it is there, else FER2013Valid, without the images that are in FER2013Train too."""
    split: Split = "FER2013Test" if (required_path(spec) / "FER2013Test").is_dir() else "FER2013Valid"
    stills = _ferplus(spec, scheme, split)
    kept = stills.take(unseen(stills, _ferplus(spec, scheme, "FER2013Train")))
    return kept, f"{split} without its {len(stills) - len(kept)} images that FER2013Train holds too"


def required_path(spec: DataSpec) -> Path:
    """The path of a source that has one; raises UsageError where it was not given."""
    if spec.path is None:
        raise UsageError(f"The data source '{spec.kind}' needs a path")
    return spec.path


def _ferplus(spec: DataSpec, scheme: LabelScheme, split: Split) -> Sequences:
    stills = load_ferplus(required_path(spec), split)
    if stills.scheme != scheme:
        raise DataError(f"FERPlus has the label scheme {stills.scheme.name}, not {scheme.name}")
    return stills


def _places(stills: Sequences) -> np.ndarray:
    """(N,) in [0, 1): where each image lies, by its content."""
    return np.array([int(digest[:8], 16) / 2**32 for digest in stills.digests])
