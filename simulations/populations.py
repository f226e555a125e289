"""Who takes part in a simulation, with which sequences, and on whom the result is scored."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared_models.data.faces import HaarFinder
from shared_models.data.labels import LabelScheme, scheme_by_name
from shared_models.data.manifest import load_manifest
from shared_models.data.partition import by_subject, dirichlet, hold_out_people
from shared_models.data.sequences import Sequences
from shared_models.data.sources import DataSpec
from shared_models.data.splits import ferplus_clients, ferplus_held_out, required_path
from shared_models.data.stills import to_sequences
from shared_models.data.synthetic.domains import LAPTOP
from shared_models.data.synthetic.sequences import render_sequences
from shared_models.errors import UsageError

BY_SUBJECT = "by-subject"
_SYNTHETIC_HELD_OUT, _SYNTHETIC_STUDENTS = range(1000, 1020), 2000  # students of every seed have higher numbers
_SYNTHETIC_HELD_OUT_PER_CLASS = 20
_SCHEMES = {"ferplus": "basic-8"}


@dataclass(frozen=True)
class Population:
    """Clients' sequences and the held-out ones."""

    clients: Sequence[Sequences]
    held_out: Sequences
    split: str

    @property
    def subject_disjoint(self) -> bool | None:
        """Whether nobody is both on a client and held out; None where the data names no people."""
        held_out = set(self.held_out.subjects)
        trained = {subject for client in self.clients for subject in client.subjects}
        return None if None in held_out | trained else held_out.isdisjoint(trained)


@dataclass(frozen=True)
class Plan:
    """How a data set becomes a population."""

    clients: str
    """A number, or `by-subject`."""
    per_client: int
    """The most sequences of one client: 60 is what a student gives in a week."""
    alpha: float
    """Label skew: Dirichlet concentration, small is strong."""
    holdout: float
    """Share of the people to score on, where the data names people."""
    seed: int


def scheme_of(spec: DataSpec, default: str) -> LabelScheme:
    """The label scheme that a data source comes in."""
    return scheme_by_name(_SCHEMES.get(spec.kind, default))


def populate(spec: DataSpec, scheme: LabelScheme, plan: Plan) -> Population:
    """Raises DataError or UsageError where the data cannot be parted as asked."""
    if spec.kind == "synthetic":
        return _rendered(scheme, plan)
    if spec.kind == "ferplus":
        return _ferplus(spec, scheme, plan)
    return _manifest(spec, scheme, plan)


def _rendered(scheme: LabelScheme, plan: Plan) -> Population:
    """One rendered person a client, before a laptop; the held-out people are others in the same kind of rooms."""
    each = -(-plan.per_client // len(scheme.classes))
    first = _SYNTHETIC_STUDENTS + plan.seed * 1000
    people = range(first, first + _count(plan))
    clients = [
        render_sequences(each, scheme.name, LAPTOP, seed=plan.seed, people=[number]).take(range(plan.per_client))
        for number in people
    ]
    held_out = render_sequences(_SYNTHETIC_HELD_OUT_PER_CLASS, scheme.name, LAPTOP, seed=0, people=_SYNTHETIC_HELD_OUT)
    return Population(clients, held_out, "one rendered person a client; scored on others")


def _ferplus(spec: DataSpec, scheme: LabelScheme, plan: Plan) -> Population:
    """Label-skewed clients from the images that no starter weights have seen; scored on the official split."""
    stills = ferplus_clients(spec, scheme)
    shares = dirichlet(stills.labels, _count(plan), plan.alpha, plan.per_client, plan.seed)
    held_out, description = ferplus_held_out(spec, scheme)
    return Population(
        [to_sequences(stills.take(share)) for share in shares],
        to_sequences(held_out),
        f"Dirichlet({plan.alpha:g}) label skew over images that starter weights have not seen; scored on {description}",
    )


def _manifest(spec: DataSpec, scheme: LabelScheme, plan: Plan) -> Population:
    data = load_manifest(required_path(spec), scheme, HaarFinder())
    train, test = hold_out_people(data, plan.holdout, plan.seed)
    held_out = data.take(test)
    return Population(deal(data.take(train), plan), held_out, f"{len(set(held_out.subjects))} people held out")


def deal(data: Sequences, plan: Plan) -> list[Sequences]:
    """What each client holds of people's `data`: the sequences of one person, or label-skewed ones of anybody.

    Raises UsageError where there are more clients than people, DataError where there are too few sequences.
    """
    if plan.clients == BY_SUBJECT:
        shares = [share[: plan.per_client] for share in by_subject(data)]
    else:
        people, clients = len(set(data.subjects)), _count(plan)
        if clients > people:
            raise UsageError(
                f"There cannot be {clients} clients",
                why=f"the data has {people} people to train on",
                fix=f"Take at most {people}, or `--clients {BY_SUBJECT}`",
            )
        shares = dirichlet(data.labels, clients, plan.alpha, plan.per_client, plan.seed)
    return [data.take(share) for share in shares]


def _count(plan: Plan) -> int:
    if plan.clients == BY_SUBJECT or not plan.clients.isdecimal() or int(plan.clients) < 1:
        raise UsageError(
            f"The number of clients cannot be '{plan.clients}' for this data",
            fix="Give a number; `by-subject` needs a manifest with subject ids",
        )
    return int(plan.clients)


def seen_in_pretraining(clients: Sequence[Sequences], seen: frozenset[str]) -> int:
    """How many of the clients' sequences the starting weights were trained on; the promise needs none."""
    return int(np.sum([digest in seen for data in clients for digest in data.digests]))
