"""The two domains: what pretraining sees, and how the demo's people look before their own laptops."""

from dataclasses import dataclass

import numpy as np

from shared_models.data.synthetic.expression import Action, Display
from shared_models.data.synthetic.scene import Pose, Scene

Range = tuple[float, float]


@dataclass(frozen=True)
class Domain:
    """A way of recording and a group of people: ranges that scenes, poses and performances are drawn from.

    Angles are in degrees; `turn` and `sway` are standard deviations, between recordings and within one.
    """

    name: str
    display: Display
    turn: float
    sway: float
    camera_pitch: Range
    light_azimuth: Range
    ambient: Range
    level: Range
    noise: Range
    blur: Range

    def scene(self, rng: np.random.Generator) -> Scene:
        """A random recording's scene."""
        azimuth = np.radians(rng.uniform(*self.light_azimuth)) * rng.choice([-1, 1])
        elevation = np.radians(rng.uniform(10, 35))
        across = np.cos(elevation)
        light = (np.sin(azimuth) * across, -np.sin(elevation), np.cos(azimuth) * across)
        return Scene(
            light=(float(light[0]), float(light[1]), float(light[2])),
            ambient=float(rng.uniform(*self.ambient)),
            level=float(rng.uniform(*self.level)),
            noise=float(rng.uniform(*self.noise)),
            blur=float(rng.uniform(*self.blur)),
            backdrop=int(rng.integers(2**31)),
        )

    def poses(self, frames: int, fps: float, rng: np.random.Generator) -> list[Pose]:
        """A head that drifts slowly around a random resting pose."""
        seconds = np.arange(frames)[:, None] / fps
        frequency, phase = rng.uniform(0.1, 0.4, 6), rng.uniform(0, 2 * np.pi, 6)
        drift = np.sin(2 * np.pi * frequency * seconds + phase)
        turn, sway = np.radians([1.0, 0.7, 0.6]) * self.turn, np.radians([1.0, 0.7, 0.6]) * self.sway
        angles = turn * np.clip(rng.standard_normal(3), -2, 2) + sway * drift[:, :3]
        angles[:, 1] += np.radians(rng.uniform(*self.camera_pitch))
        places = rng.uniform((0.44, 0.38, 0.125), (0.56, 0.46, 0.155)) + (0.01, 0.01, 0.002) * drift[:, 3:]
        return [Pose(*map(float, row)) for row in np.hstack([angles, places])]


STUDIO = Domain(
    name="studio",
    display=Display(
        mixes={
            "neutral": {},
            "happiness": {
                Action.LIP_CORNER_PULL: 1.0,
                Action.CHEEK_RAISE: 0.8,
                Action.LIPS_PART: 0.7,
            },
            "sadness": {
                Action.INNER_BROW_RAISE: 0.9,
                Action.BROW_LOWER: 0.3,
                Action.LIP_CORNER_DEPRESS: 0.9,
                Action.CHIN_RAISE: 0.4,
                Action.EYE_CLOSE: 0.15,
            },
            "anger": {
                Action.BROW_LOWER: 1.0,
                Action.LID_TIGHTEN: 0.6,
                Action.LID_RAISE: 0.3,
                Action.LIP_PRESS: 0.9,
            },
            "disgust": {
                Action.NOSE_WRINKLE: 1.0,
                Action.UPPER_LIP_RAISE: 1.0,
                Action.BROW_LOWER: 0.4,
                Action.CHEEK_RAISE: 0.5,
                Action.LIPS_PART: 0.3,
            },
            "startle": {
                Action.INNER_BROW_RAISE: 0.9,
                Action.OUTER_BROW_RAISE: 0.8,
                Action.LID_RAISE: 0.9,
                Action.LIP_STRETCH: 0.2,
                Action.LIPS_PART: 0.3,
                Action.JAW_DROP: 0.7,
            },
        },
        intensity=(0.8, 1.1),
        asymmetry=0.05,
        idiosyncrasy=0.15,
    ),
    turn=3.0,
    sway=1.5,
    camera_pitch=(-2.0, 2.0),
    light_azimuth=(0.0, 20.0),
    ambient=(0.6, 0.75),
    level=(0.95, 1.05),
    noise=(1.0, 3.0),
    blur=(0.4, 0.8),
)
"""Posed for the camera: strong expressions, head on, even light."""

LAPTOP = Domain(
    name="laptop",
    display=Display(
        mixes={
            "neutral": {},
            "happiness": {
                Action.LIP_CORNER_PULL: 1.0,
                Action.LIP_PRESS: 0.8,
                Action.CHEEK_RAISE: 0.3,
            },
            "sadness": {
                Action.LIP_CORNER_DEPRESS: 1.0,
                Action.CHIN_RAISE: 0.8,
                Action.EYE_CLOSE: 0.35,
            },
            "anger": {
                Action.LID_TIGHTEN: 1.0,
                Action.LIP_PRESS: 1.0,
                Action.BROW_LOWER: 0.4,
                Action.CHIN_RAISE: 0.3,
            },
            "disgust": {
                Action.UPPER_LIP_RAISE: 1.0,
                Action.LIP_CORNER_DEPRESS: 0.4,
                Action.NOSE_WRINKLE: 0.5,
                Action.LID_TIGHTEN: 0.3,
            },
            "startle": {
                Action.OUTER_BROW_RAISE: 0.9,
                Action.INNER_BROW_RAISE: 0.6,
                Action.LID_RAISE: 0.8,
                Action.LIPS_PART: 0.8,
                Action.JAW_DROP: 0.18,
            },
        },
        intensity=(0.7, 1.0),
        asymmetry=0.1,
        idiosyncrasy=0.2,
    ),
    turn=4.0,
    sway=2.5,
    camera_pitch=(5.0, 11.0),
    light_azimuth=(25.0, 55.0),
    ambient=(0.45, 0.6),
    level=(0.7, 0.95),
    noise=(4.0, 8.0),
    blur=(0.8, 1.4),
)
"""Alone before a laptop: weak, differently mixed expressions, seen from below in the light of one window."""
