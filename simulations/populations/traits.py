"""In what the clients of a population differ: labels, sizes, and the rooms and cameras that they are seen with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shared_models.data.synthetic.domains import Domain
from shared_models.errors import UsageError
from simulations.traits import parse_trait

_RANGES = {
    "label-skew": (0.5, 0.001, 1000.0),
    "quantity-skew": (1.0, 0.0, 5.0),
    "feature-shift": (1.0, 0.0, 1.0),
    "personal-priors": (10.0, 0.001, 1000.0),
}
NAMES = tuple(_RANGES)

FREQUENT = {"neutral": 0.494, "happiness": 0.456}
"""Shares of two states in the overall mix of `personal-priors`; all others have the rest in equal parts.

DAiSEE's two frequent levels of engagement have these shares of its test clips (Gupta et al. 2016). With the default
concentration of 10, a client's own most frequent label is .606 of its 60 sequences on average; DAiSEE's is .605.
"""
_WIDE = {
    "light_azimuth": (0.0, 80.0),
    "ambient": (0.3, 0.7),
    "level": (0.5, 1.1),
    "camera_pitch": (-8.0, 18.0),
    "noise": (1.0, 14.0),
    "blur": (0.4, 2.2),
}
"""Between what light, tone and camera of clients lie, where each has its own."""


@dataclass(frozen=True)
class Traits:
    """Each trait where it was asked for; clients are alike in the others."""

    label_skew: float | None = None
    """Dirichlet concentration of each client's mix around equal shares."""
    quantity_skew: float | None = None
    """Standard deviation of the logarithm of sizes."""
    feature_shift: float = 0.0
    """From 0, everybody's rooms, to 1, one room and camera each."""
    personal_priors: float | None = None
    """Dirichlet concentration of each client's mix around a mix in which two labels are frequent."""

    def sizes(self, clients: int, most: int, rng: np.random.Generator) -> list[int]:
        """How many sequences each client has: `most`, or log-normal around half of it, from 1 to `most`."""
        if self.quantity_skew is None:
            return [most] * clients
        drawn = most / 2 * rng.lognormal(0, self.quantity_skew, clients)
        return [int(size) for size in np.clip(drawn.round(), 1, most)]

    def labels(self, known: Sequence[str], size: int, rng: np.random.Generator) -> list[str]:
        """A client's `size` labels among the `known`: in turn, or drawn from a mix of its own (Hsu et al. 2019)."""
        if self.label_skew is not None:
            mix = rng.dirichlet(self.label_skew * np.full(len(known), 1 / len(known)))
        elif self.personal_priors is not None:
            mix = rng.dirichlet(self.personal_priors * _overall(known))
        else:
            return [known[place % len(known)] for place in range(size)]
        return [known[place] for place in rng.choice(len(known), size, p=mix)]


def traits_of(texts: Sequence[str]) -> Traits:
    """The traits named, such as `label-skew:0.3`. Raises UsageError for a name or number that is none, or two mixes."""
    found = dict(parse_trait(text, "population", _RANGES) for text in texts)
    if {"label-skew", "personal-priors"} <= found.keys():
        raise UsageError("A population has label-skew or personal-priors, not both", why="each draws all labels anew")
    return Traits(**{name.replace("-", "_"): value for name, value in found.items()})


def own_domain(domain: Domain, shift: float, rng: np.random.Generator) -> Domain:
    """`domain` as one client has it: ranges of light, tone and camera drawn around a place of its own.

    With `shift` 0 it is `domain` itself; with 1 every recording of the client has the same light, tone and camera.
    """
    drawn = {name: rng.uniform(low, high) for name, (low, high) in _WIDE.items()}
    if shift == 0:
        return domain
    own: dict[str, Any] = {
        name: tuple((1 - shift) * edge + shift * place for edge in getattr(domain, name))
        for name, place in drawn.items()
    }
    return replace(domain, **own)


def _overall(known: Sequence[str]) -> np.ndarray:
    rest = (1 - sum(FREQUENT.values())) / (len(known) - len(FREQUENT))
    return np.array([FREQUENT.get(label, rest) for label in known])
