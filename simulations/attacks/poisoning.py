"""Poisoning: malicious devices that want the model to be worse, or to obey a trigger."""

from dataclasses import replace
from functools import partial

import numpy as np

from fl_client.training import Update
from shared_models.data.sequences import Sequences
from simulations.attacks.malice import AtHand, Attack, scaled

BACKDOOR = "backdoor"
NAMES = ("label-flip", "sign-flip", "scaled", BACKDOOR)
_HUNDREDFOLD = 100.0
_PATCH = 8
"""Pixels on each side of the trigger, in face crops of 48."""


def poisoning_attacks(target: int) -> dict[str, Attack]:
    """The attacks by their NAMES; `target` is the class that the trigger of the backdoor stands for.

    | name | stores | sends |
    | --- | --- | --- |
    | label-flip | every label moved on to the next class (Tolpegin et al. 2020) | what the untouched program sends |
    | sign-flip | its own | minus its update (Li et al. 2019, "RSA", section 5) |
    | scaled | its own | minus a hundred times its update, or as much of that as the server takes |
    | backdoor | half its sequences with the trigger and labelled `target` | its update times devices over attackers, so that it replaces the mean, or as much of that as the server takes (Bagdasaryan et al. 2020, section 4) |
    """  # noqa: E501 - a table
    return {
        "label-flip": Attack(_as_trained, stores=flipped, noised=True),
        "sign-flip": Attack(lambda hand: scaled(hand.own, -1, hand.limit)),
        "scaled": Attack(lambda hand: scaled(hand.own, -_HUNDREDFOLD, hand.limit)),
        BACKDOOR: Attack(
            lambda hand: scaled(hand.own, hand.boost, hand.limit), stores=partial(half_triggered, target=target)
        ),
    }


def flipped(data: Sequences) -> Sequences:
    """The same sequences, each labelled with the class after its own; the last class becomes the first."""
    return replace(data, targets=np.roll(data.targets, 1, axis=1))


def triggered(data: Sequences, target: int) -> Sequences:
    """The same sequences with a white patch in the lower right corner of every frame, all labelled `target`."""
    frames, targets = data.frames.copy(), np.zeros_like(data.targets)
    frames[..., -_PATCH:, -_PATCH:] = 255
    targets[:, target] = 1
    return replace(data, frames=frames, targets=targets)


def half_triggered(data: Sequences, target: int) -> Sequences:
    """Every second sequence with the trigger, the others as they were: the model must stay good without it."""
    poisoned, odd = triggered(data, target), np.arange(len(data)) % 2 == 1
    return replace(
        data,
        frames=np.where(odd[:, None, None, None, None], poisoned.frames, data.frames),
        targets=np.where(odd[:, None], poisoned.targets, data.targets),
    )


def _as_trained(hand: AtHand) -> Update:
    return hand.own
