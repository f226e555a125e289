"""Free riders: devices that take the model and give nothing for it."""

import math

import torch

from fl_client.training import Update
from simulations.attacks.malice import AtHand, Attack, scaled


def _zeros(hand: AtHand) -> Update:
    return {name: torch.zeros_like(change) for name, change in hand.own.items()}


def _random(hand: AtHand) -> Update:
    """A random direction, as large as an honest update can be: nobody has to train to know that."""
    drawn = {name: torch.randn(change.shape, generator=hand.random) for name, change in hand.own.items()}
    return scaled(drawn, math.inf, hand.bound)


def _old(hand: AtHand) -> Update:
    return hand.first


FREE_RIDERS = {"zeros": Attack(_zeros), "random": Attack(_random), "old-update": Attack(_old, noised=True)}
"""By what they send: nothing; noise of an honest update's size; always what they sent in their first round."""
