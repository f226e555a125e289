"""What a malicious device does in the place of an honest one, and a federation in which some devices do it.

A malicious device is enrolled like any other and signs what it sends, so it passes every check but the norm bound. It
knows the policy, the model and the bound; it does not see what others send.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from fl_client.training import Update
from shared_models.data.sequences import Sequences
from shared_models.networks.model import EmotionModel
from shared_models.networks.weights import norm_of
from shared_models.privacy.policy import Policy
from simulations.engines.local import LocalDevices
from simulations.populations.made import MadeClients

_BELOW_LIMIT = 0.999
"""Just below the largest norm that is taken, so that rounding does not lift an update above it."""


@dataclass(frozen=True)
class AtHand:
    """What a malicious device can make its answer of.

    own:    what the product's training made of what the device stores
    first:  the same in the first round that it took part in
    bound:  the largest norm that an honest update of the policy can have
    limit:  the largest norm that the server takes: the bound, or infinite where it takes any
    boost:  devices over malicious devices: so much larger, all of them together replace the mean
    random: a generator of the device's own for this round
    """

    own: Update
    first: Update
    bound: float
    limit: float
    boost: float
    random: torch.Generator


@dataclass(frozen=True)
class Attack:
    """What a malicious device does differently from an honest one.

    sends:  what it makes of its update
    stores: what it makes of its sequences before it trains on them; None where it leaves them as they are
    noised: whether it adds the policy's noise, as whoever tampers with nothing but data does
    """

    sends: Callable[[AtHand], Update]
    stores: Callable[[Sequences], Sequences] | None = None
    noised: bool = False


class MixedDevices:
    """Honest devices and malicious ones, and in front of the server its norm bound; see `Devices`.

    The count of what was refused starts at 0 and belongs to one federation: one object for each.
    """

    def __init__(
        self,
        honest: LocalDevices,
        malicious: LocalDevices,
        attack: Attack,
        attackers: frozenset[int],
        bounded: bool,
        seed: int,
    ) -> None:
        """bounded: whether updates above the policy's norm bound are refused"""
        self._honest, self._malicious, self._attack = honest, malicious, attack
        self._attackers, self._bounded, self._seed = attackers, bounded, seed
        self._first: dict[int, Update] = {}
        self.sent = self.refused = 0
        """Updates of malicious devices."""

    def __len__(self) -> int:
        return len(self._honest)

    def updates(self, model: EmotionModel, policy: Policy, round_: int, numbers: Sequence[int]) -> Iterator[Update]:
        bound = policy.update_norm_bound(sum(p.numel() for p in model.trainable(policy.trainable).values()))
        for number in numbers:
            if number in self._attackers:
                update = self._malicious_update(model, policy, round_, number, bound)
            else:
                (update,) = self._honest.updates(model, policy, round_, [number])
            taken = not self._bounded or norm_of(update) <= bound
            if number in self._attackers:
                self.sent, self.refused = self.sent + 1, self.refused + (not taken)
            if taken:
                yield update

    def _malicious_update(self, model: EmotionModel, policy: Policy, round_: int, number: int, bound: float) -> Update:
        trained_by = policy if self._attack.noised else policy.without_noise()
        (own,) = self._malicious.updates(model, trained_by, round_, [number])
        return self._attack.sends(
            AtHand(
                own=own,
                first=self._first.setdefault(number, own),
                bound=bound,
                limit=bound if self._bounded else math.inf,
                boost=len(self) / len(self._attackers),
                random=torch.Generator().manual_seed((self._seed * 1000 + round_) * 100_000 + number),
            )
        )


class AlteredClients(MadeClients):
    """What malicious devices make of what they store, each when it is asked for."""

    def __init__(self, clients: Sequence[Sequences], alter: Callable[[Sequences], Sequences]) -> None:
        self._clients, self._alter = clients, alter

    def __len__(self) -> int:
        return len(self._clients)

    def make(self, number: int) -> Sequences:
        return self._alter(self._clients[number])


def scaled(update: Update, factor: float, limit: float) -> Update:
    """`factor` times `update`, or as much of it as a server that takes norms up to `limit` accepts."""
    norm = norm_of(update)
    most = _BELOW_LIMIT * limit / norm if norm else math.inf
    factor = math.copysign(min(abs(factor), most), factor)
    return {name: factor * change for name, change in update.items()}
