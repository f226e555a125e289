"""What a population is, and what may be asked of one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared_models.data.sequences import Sequences
from shared_models.errors import UsageError
from simulations.populations.rendered import RenderedClients

BY_SUBJECT = "by-subject"


@dataclass(frozen=True)
class Plan:
    """How a data set becomes a population."""

    clients: str
    """A number, or `by-subject`."""
    per_client: int
    """The most sequences of one client: 60 is what a student gives in a week."""
    alpha: float
    """Label skew of pooled data: Dirichlet concentration, small is strong."""
    holdout: float
    """Share of the people to score on, where the data names people."""
    seed: int
    traits: tuple[str, ...] = ()
    """In what the clients differ beyond that, such as `quantity-skew:1`; see `traits_of`."""
    random_split: bool = False
    """Whether sequences are held out whosoever they are, not people; the same person is then on both sides."""

    @property
    def count(self) -> int:
        """Raises UsageError where the number of clients is none."""
        if not self.clients.isdecimal() or int(self.clients) < 1:
            raise UsageError(
                f"The number of clients cannot be '{self.clients}' for this data",
                fix="Give a number; `by-subject` needs recorded people with subject ids",
            )
        return int(self.clients)


@dataclass(frozen=True)
class Population:
    """Clients' sequences and the held-out ones. Clients may be made only when they are asked for."""

    clients: Sequence[Sequences]
    held_out: Sequences
    split: str
    random: bool = False
    """Whether sequences were held out whosoever they are."""

    @property
    def sizes(self) -> Sequence[int]:
        """How many sequences each client has."""
        if isinstance(self.clients, RenderedClients):
            return self.clients.sizes
        return [len(client) for client in self.clients]

    @property
    def subject_disjoint(self) -> bool | None:
        """Whether nobody is both on a client and held out; None where the data names no people.

        A random split never counts as disjoint, however the draw fell.
        """
        held_out = set(self.held_out.subjects)
        if isinstance(self.clients, RenderedClients):
            return self.clients.subjects.isdisjoint(held_out)
        trained = {subject for client in self.clients for subject in client.subjects}
        return None if None in held_out | trained else not self.random and held_out.isdisjoint(trained)


def seen_in_pretraining(clients: Sequence[Sequences], seen: frozenset[str]) -> int:
    """How many of the clients' sequences the starting weights were trained on; the promise needs none.

    None of a rendered client: pretraining renders other people.
    """
    if isinstance(clients, RenderedClients):
        return 0
    return int(np.sum([digest in seen for data in clients for digest in data.digests]))
