"""The one in-memory form of labelled data: what loaders return and training, simulation and benchmark take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from shared_models.data.labels import LabelScheme
from shared_models.errors import DataError

SEQUENCE_FRAMES = 16
CROP_SIZE = 48
INPUT_SHAPE = (SEQUENCE_FRAMES, 1, CROP_SIZE, CROP_SIZE)
"""Of one sequence, as devices store it and models take it: (T, 1, H, W)."""


@dataclass(frozen=True)
class Sequences:
    """N labelled sequences of one label scheme.

    frames:   (N, T, 1, H, W) uint8, aligned gray face crops; T = 1 for stills
    targets:  (N, K) float32, a column for each of `scheme.classes`, as its output has them: a distribution
              (one-hot, or votes), whether each class is there or each level is reached, or values in [-1, 1]
    subjects: N subject ids, None where the data set has none
    digests:  N hex strings, the first 16 characters of the SHA-256 of the source pixels, so that two
              data sets can be shown to be disjoint
    groups:   by the name of a trait, such as `gender`, the value of each sequence, None where it is not known; read
              by evaluation alone
    """

    scheme: LabelScheme
    frames: np.ndarray
    targets: np.ndarray
    subjects: tuple[str | None, ...]
    digests: tuple[str, ...]
    groups: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.frames)
        if self.frames.ndim != 5 or self.frames.dtype != np.uint8:
            raise DataError(
                "Frames must be uint8 of shape (N, T, 1, H, W)",
                why=f"got {self.frames.dtype} {self.frames.shape}",
            )
        if self.targets.shape != (count, len(self.scheme.classes)):
            raise DataError(
                "Targets must have one row a sequence and one column a class", why=f"got {self.targets.shape}"
            )
        if len(self.subjects) != count or len(self.digests) != count:
            raise DataError("Subjects and digests must name every sequence")
        if any(len(values) != count for values in self.groups.values()):
            raise DataError("Groups must have one value, or None, a sequence")

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64: the majority class of each sequence. Raises DataError where the output is not categorical."""
        if self.scheme.output != "categorical":
            raise DataError(f"A sequence of the label scheme {self.scheme.name} is not of one class")
        return self.targets.argmax(axis=1).astype(np.int64)

    def take(self, indices: Sequence[int] | np.ndarray) -> "Sequences":
        """The sequences at `indices`, in that order."""
        index = np.asarray(indices, dtype=np.int64)
        return replace(
            self,
            frames=self.frames[index],
            targets=self.targets[index],
            subjects=tuple(self.subjects[i] for i in index),
            digests=tuple(self.digests[i] for i in index),
            groups={name: tuple(values[i] for i in index) for name, values in self.groups.items()},
        )


def joined(parts: Sequence[Sequences]) -> Sequences:
    """All sequences of `parts`, at least one, whose scheme and shape of frames are the same; groups that all have."""
    traits = set(parts[0].groups).intersection(*(part.groups for part in parts))
    return Sequences(
        parts[0].scheme,
        np.concatenate([part.frames for part in parts]),
        np.concatenate([part.targets for part in parts]),
        tuple(subject for part in parts for subject in part.subjects),
        tuple(digest for part in parts for digest in part.digests),
        {trait: tuple(value for part in parts for value in part.groups[trait]) for trait in sorted(traits)},
    )
