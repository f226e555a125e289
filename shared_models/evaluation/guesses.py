"""What somebody answers who never looks: what is usual in the data, or what is usual for each person.

A model that scores no more than the second knows people, not their faces. For outputs that are not categorical.
"""

import numpy as np

from shared_models.data.labels import LabelScheme
from shared_models.data.sequences import Sequences
from shared_models.data.targets import reached
from shared_models.evaluation.levels import levels_of


def usual(sequences: Sequences) -> np.ndarray:
    """(N, K): the usual target of all sequences, for each of them."""
    return np.tile(_usual(sequences.targets, sequences.scheme), (len(sequences), 1))


def own_usual(sequences: Sequences) -> np.ndarray | None:
    """(N, K): for each sequence the usual target of its person; everybody's for a sequence of nobody known.

    None where nobody is named.
    """
    people = {subject for subject in sequences.subjects if subject is not None}
    if not people:
        return None
    whose, answers = np.array(sequences.subjects, dtype=object), usual(sequences)
    for person in people:
        answers[whose == person] = _usual(sequences.targets[whose == person], sequences.scheme)
    return answers


def _usual(targets: np.ndarray, scheme: LabelScheme) -> np.ndarray:
    """(K,): of levels the most frequent one of each state, else the mean, which is the share that has a class."""
    if scheme.output != "levels":
        return targets.mean(axis=0, dtype=np.float64)
    levels = levels_of(targets, len(scheme.states))
    modes = {state: int(np.bincount(own).argmax()) for state, own in zip(scheme.states, levels.T, strict=True)}
    return np.array(reached(scheme, modes))
