"""The rendered population: person n is always the same person, in every domain and for every seed."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from shared_models.data.synthetic.expression import Manner
from shared_models.data.synthetic.identity import Identity

_POPULATION_SEED = 20_260_101


@dataclass(frozen=True)
class Person:
    """One member of the population: looks, and a personal manner of expression."""

    number: int
    identity: Identity
    manner: Manner

    @property
    def subject(self) -> str:
        """The subject id, such as `synthetic-17`."""
        return subject_of(self.number)


def subject_of(number: int) -> str:
    """The subject id of member `number`, without making up what they look like."""
    return f"synthetic-{number}"


@lru_cache(maxsize=1024)
def person(number: int) -> Person:
    """Member `number`, 0 or more, of the population."""
    rng = np.random.default_rng((_POPULATION_SEED, number))
    return Person(number, Identity.sample(rng), Manner.sample(rng))
