"""Rendered students, each made when asked for: a population of any size costs the memory of its cohort."""

import numpy as np

from shared_models.data.labels import LabelScheme
from shared_models.data.sequences import Sequences
from shared_models.data.synthetic.domains import LAPTOP
from shared_models.data.synthetic.people import subject_of
from shared_models.data.synthetic.sequences import render_labels, rendered_labels
from simulations.engines.kept import Kept
from simulations.populations.made import MadeClients
from simulations.populations.traits import Traits, own_domain

_STUDENTS, _STUDENTS_A_SEED = 2000, 1000  # whoever is rendered for pretraining and scoring has lower numbers
_KEPT_BYTES = 256 << 20


class RenderedClients(MadeClients):
    """Client n is one rendered person before a laptop, the same however many others there are.

    What was rendered last is kept, up to 256 MiB.
    """

    def __init__(self, count: int, most: int, scheme: LabelScheme, seed: int, traits: Traits) -> None:
        """most: the most sequences of a client"""
        self._scheme, self._seed, self._traits = scheme, seed, traits
        self._labels, self._first = rendered_labels(scheme), _STUDENTS + seed * _STUDENTS_A_SEED
        self.sizes = traits.sizes(count, most, np.random.default_rng((seed, 0)))
        self._kept = Kept[int, Sequences](_KEPT_BYTES)

    def __len__(self) -> int:
        return len(self.sizes)

    def make(self, number: int) -> Sequences:
        client = self._kept.get(number)
        if client is None:
            client = self._render(number)
            self._kept.put(number, client, client.frames.nbytes)
        return client

    @property
    def subjects(self) -> set[str]:
        """The people that the clients are."""
        return {subject_of(self._first + number) for number in range(len(self))}

    def _render(self, number: int) -> Sequences:
        labels = self._traits.labels(self._labels, self.sizes[number], self._rng(number, 2))
        domain = own_domain(LAPTOP, self._traits.feature_shift, self._rng(number, 3))
        return render_labels(labels, self._scheme.name, domain, seed=self._seed, people=[self._first + number])

    def _rng(self, number: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng((self._seed, purpose, number))
