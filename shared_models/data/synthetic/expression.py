"""Facial actions, the expressions made of them, and their course over time.

The actions follow the action units of the Facial Action Coding System (Ekman, Friesen and Hager, 2002); the
mixes are simplified prototypes. Surprise and fear share one apex: a still frame cannot tell them apart, only
their course over time can. Surprise bursts and fades; fear builds up and breaks off. One is drawn as the
other reversed in time, so that even the set of all frames, taken without their order, says nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, auto

import numpy as np

from shared_models.errors import DataError


class Action(IntEnum):
    """Index into an action array (2, len(Action)): a row for each half of the face, left of picture first."""

    INNER_BROW_RAISE = 0  # AU 1
    OUTER_BROW_RAISE = auto()  # AU 2
    BROW_LOWER = auto()  # AU 4
    LID_RAISE = auto()  # AU 5
    CHEEK_RAISE = auto()  # AU 6
    LID_TIGHTEN = auto()  # AU 7
    NOSE_WRINKLE = auto()  # AU 9
    UPPER_LIP_RAISE = auto()  # AU 10
    LIP_CORNER_PULL = auto()  # AU 12
    LIP_CORNER_DEPRESS = auto()  # AU 15
    CHIN_RAISE = auto()  # AU 17
    LIP_STRETCH = auto()  # AU 20
    LIP_PRESS = auto()  # AU 24
    LIPS_PART = auto()  # AU 25
    JAW_DROP = auto()  # AU 26
    EYE_CLOSE = auto()  # AU 43


Mix = Mapping[Action, float]

EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")
_STARTLE = "startle"
_APEX_NAMES = ("neutral", "happiness", "sadness", "anger", "disgust", _STARTLE)
_BLINKS_PER_SECOND = 0.2
_IDLE = 0.04


@dataclass(frozen=True)
class Display:
    """How a group of people shows expressions.

    mixes:        actions at the apex, at full strength, by apex name (surprise and fear are both `startle`)
    intensity:    range of the strength, drawn for each performance
    asymmetry:    spread of the difference between the halves of the face, relative
    idiosyncrasy: spread of each person's own weight of each action, on a log scale
    """

    mixes: Mapping[str, Mix]
    intensity: tuple[float, float]
    asymmetry: float
    idiosyncrasy: float


@dataclass(frozen=True)
class Manner:
    """How one person departs from their group's display.

    deviations: (apexes, 3, actions), standard normal: both halves of the face together, the left, the right
    """

    deviations: np.ndarray

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Manner":
        both_sides = rng.standard_normal((len(_APEX_NAMES), 1, len(Action)))
        one_side = rng.standard_normal((len(_APEX_NAMES), 2, len(Action)))
        return cls(np.concatenate([both_sides, one_side], axis=1))


def apex(label: str, display: Display, manner: Manner) -> np.ndarray:
    """(2, actions) float: what one person's face does at the apex of `label`, at full strength.

    Raises DataError where the renderer does not know the expression.
    """
    if label not in EXPRESSIONS:
        raise DataError(f"The renderer has no expression '{label}'", fix=f"Use one of: {', '.join(EXPRESSIONS)}")
    name = _STARTLE if label in ("surprise", "fear") else label
    strengths = np.zeros(len(Action))
    for action, strength in display.mixes[name].items():
        strengths[action] = strength
    own = manner.deviations[_APEX_NAMES.index(name)]
    return strengths * np.exp(display.idiosyncrasy * own[0] + display.asymmetry * own[1:])


def course(label: str, frames: int, fps: float, rng: np.random.Generator) -> np.ndarray:
    """(frames,) float in [0, 1]: how near the expression is to its apex; phase and pace are random."""
    seconds = np.arange(frames) / fps
    window = frames / fps
    if label == "neutral":
        return np.zeros(frames)
    if label == "surprise":
        onset, hold, offset = rng.uniform((0.08, 0.1, 0.45), (0.14, 0.2, 0.65)) * window
        return _rise_and_fall(seconds, rng.uniform(0.0, 0.1) * window, onset, hold, offset)
    if label == "fear":
        return course("surprise", frames, fps, rng)[::-1]
    onset, hold, offset = rng.uniform((0.12, 0.3, 0.15), (0.25, 0.45, 0.25)) * window
    return _rise_and_fall(seconds, rng.uniform(0.0, 0.15) * window, onset, hold, offset)


def perform(
    label: str, display: Display, manner: Manner, frames: int, fps: float, rng: np.random.Generator
) -> np.ndarray:
    """(frames, 2, actions) float: one performance of `label`, with blinks and small idle movements."""
    strength = rng.uniform(*display.intensity) * course(label, frames, fps, rng)
    actions = strength[:, None, None] * apex(label, display, manner)
    actions += _IDLE * _wander(frames, fps, rng)[:, None, :]
    blinks = rng.random(frames) < _BLINKS_PER_SECOND / fps
    actions[blinks, :, Action.EYE_CLOSE] = 1.0
    return np.clip(actions, 0.0, 1.3)


def _rise_and_fall(seconds: np.ndarray, start: float, onset: float, hold: float, offset: float) -> np.ndarray:
    knots = np.cumsum([start, onset, hold, offset])
    level = np.interp(seconds, knots, [0.0, 1.0, 1.0, 0.0])
    return level * level * (3 - 2 * level)


def _wander(frames: int, fps: float, rng: np.random.Generator) -> np.ndarray:
    """(frames, actions): slow, independent, roughly standard normal movements, one for each action."""
    seconds = np.arange(frames)[:, None] / fps
    frequency, phase = rng.uniform(0.2, 0.8, len(Action)), rng.uniform(0, 2 * np.pi, len(Action))
    return np.sqrt(2) * np.sin(2 * np.pi * frequency * seconds + phase)
