"""What one rendered person looks like, whatever they express."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

Colour = tuple[float, float, float]  # BGR, 0 to 255

_SKIN_LIGHT, _SKIN_DARK = (182, 205, 238), (72, 98, 148)
_HAIR: tuple[Colour, ...] = ((22, 24, 28), (38, 52, 74), (52, 86, 128), (96, 148, 186), (148, 150, 152))
_IRIS: tuple[Colour, ...] = ((30, 48, 70), (42, 66, 98), (92, 104, 78), (124, 104, 72))
_CLOTHES: tuple[Colour, ...] = ((70, 60, 50), (120, 70, 50), (60, 60, 130), (150, 150, 150), (70, 100, 60))


class HairStyle(StrEnum):
    SHORT = "short"
    FRINGE = "fringe"
    LONG = "long"
    BALD = "bald"


class Beard(StrEnum):
    NONE = "none"
    STUBBLE = "stubble"
    FULL = "full"
    MOUSTACHE = "moustache"


@dataclass(frozen=True)
class Identity:
    """Proportions are relative to an average face (1 = average); colours are BGR."""

    face_width: float
    face_height: float
    jaw_width: float
    eye_spacing: float
    eye_size: float
    eye_tilt: float  # eye distances by which the outer corner lies above the inner one
    brow_height: float
    brow_thickness: float
    nose_length: float
    nose_width: float
    mouth_width: float
    lip_fullness: float
    hair_style: HairStyle
    beard: Beard
    glasses: bool
    skin: Colour
    hair: Colour
    iris: Colour
    clothes: Colour

    @property
    def traits(self) -> dict[str, str]:
        """What groups of rendered people are told apart by."""
        middle = (sum(_SKIN_LIGHT) + sum(_SKIN_DARK)) / 2
        return {
            "glasses": "with" if self.glasses else "without",
            "skin": "lighter" if sum(self.skin) > middle else "darker",
        }

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Identity":
        """A random person."""

        def near_one(spread: float) -> float:
            return float(1 + spread * np.clip(rng.standard_normal(), -2, 2))

        def one_of(colours: tuple[Colour, ...]) -> Colour:
            return colours[rng.integers(len(colours))]

        darkness = rng.beta(1.2, 1.8)
        skin = tuple(float(a + darkness * (b - a)) for a, b in zip(_SKIN_LIGHT, _SKIN_DARK, strict=True))
        return cls(
            face_width=near_one(0.04),
            face_height=near_one(0.035),
            jaw_width=near_one(0.08),
            eye_spacing=near_one(0.03),
            eye_size=near_one(0.08),
            eye_tilt=float(rng.normal(0, 0.02)),
            brow_height=near_one(0.08),
            brow_thickness=near_one(0.2),
            nose_length=near_one(0.06),
            nose_width=near_one(0.1),
            mouth_width=near_one(0.07),
            lip_fullness=near_one(0.15),
            hair_style=HairStyle(rng.choice(list(HairStyle), p=[0.4, 0.2, 0.32, 0.08])),
            beard=Beard(rng.choice(list(Beard), p=[0.72, 0.12, 0.09, 0.07])),
            glasses=bool(rng.random() < 0.25),
            skin=(skin[0], skin[1], skin[2]),
            # Light hair on dark skin is rare, and brows lighter than the skin are rarer still.
            hair=one_of(_HAIR[:2] if darkness > 0.5 else _HAIR),
            iris=one_of(_IRIS),
            clothes=one_of(_CLOTHES),
        )
