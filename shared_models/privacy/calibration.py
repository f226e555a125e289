"""From epsilon to noise, by Opacus' own search along this project's own count of epsilon."""

import math
from collections.abc import Callable

from opacus.accountants import IAccountant
from opacus.accountants.registry import register_accountant
from opacus.accountants.utils import get_noise_multiplier

from shared_models.errors import PolicyError
from shared_models.privacy.accounting import EPSILON_STEP, Spend, epsilon_of, exact_epsilon
from shared_models.privacy.policy import Policy, checked_policy

SIGMA_STEP = 1e-4
"""Noise multipliers are whole multiples of it, so that a history of years holds few different ones."""
_TOLERANCE = {True: 1e-7, False: 1e-4}
"""Share of epsilon at which the search ends, by whether q is 1: a trial with sampling takes half a second."""
_NAME = "attune"


class _Counted(IAccountant):
    """`accounting.exact_epsilon` in the form in which Opacus asks for it."""

    def __init__(self) -> None:
        self.history: list[tuple[float, float, int]] = []

    def step(self, *, noise_multiplier: float, sample_rate: float) -> None:
        self.history.append((noise_multiplier, sample_rate, 1))

    def get_epsilon(self, delta: float) -> float:
        return exact_epsilon([Spend(*entry) for entry in self.history], delta)

    def __len__(self) -> int:
        return sum(steps for *_, steps in self.history)

    @classmethod
    def mechanism(cls) -> str:
        return _NAME


register_accountant(_NAME, _Counted, force=True)


def calibrate(epsilon: float, delta: float, steps: int, q: float = 1.0) -> float:
    """The smallest noise multiplier, on a grid of 0.0001, with which `steps` steps cost at most `epsilon`.

    Raises PolicyError where epsilon,
    delta, q or the number of steps is out of range, or no noise is enough.
    """
    if not (epsilon > 0 and 0 < delta < 1 and steps >= 1 and 0 < q <= 1):
        raise PolicyError(
            "The noise cannot be calibrated",
            why=f"epsilon {epsilon}, delta {delta}, rate {q} and {steps} steps must all be positive, delta below 1,"
            " the rate at most 1",
        )
    target = math.floor(epsilon / EPSILON_STEP + 1e-6) * EPSILON_STEP
    if target == 0:
        raise PolicyError(
            "The noise cannot be calibrated",
            why=f"no noise reaches epsilon {epsilon:g}: it is counted in steps of {EPSILON_STEP:g}",
        )
    try:
        found = get_noise_multiplier(
            target_epsilon=target,
            target_delta=delta,
            sample_rate=q,
            steps=steps,
            accountant=_NAME,
            epsilon_tolerance=_TOLERANCE[q == 1] * target,
        )
    except ValueError as error:
        raise PolicyError("The noise cannot be calibrated", why=f"no noise reaches epsilon {epsilon:g}") from error
    return _least_on_grid(found, lambda sigma: epsilon_of([Spend(sigma, q, steps)], delta) <= epsilon)


def _least_on_grid(found: float, enough: Callable[[float], bool]) -> float:
    """The smallest multiple of SIGMA_STEP that is `enough`, by trying those next to what the search found."""
    ticks = max(1, math.ceil(found / SIGMA_STEP))
    while not enough(round(ticks * SIGMA_STEP, 4)):
        ticks += 1
    while ticks > 1 and enough(round((ticks - 1) * SIGMA_STEP, 4)):
        ticks -= 1
    return round(ticks * SIGMA_STEP, 4)


def calibrated(
    *,
    unit: str = "sequence",
    epsilon: float,
    delta: float,
    participations: int,
    steps: int,
    lifetime_steps: int | None = None,
    q: float = 1.0,
    noise_multiplier: float | None = None,
    update_clip: float | None = None,
    update_noise: float | None = None,
    stack_units: bool = False,
    proximal: float = 0.0,
    pseudo_labels: bool = False,
    **rest: object,
) -> Policy:
    """The policy with the least noise that keeps each protected unit within (epsilon, delta) over a device's life.

    Noise that is given is taken as it is, and checked against the cap. Raises PolicyError where a value is out of its
    range, or the noise given is too little.
    """
    lifetime = participations * steps if lifetime_steps is None else lifetime_steps
    rounds = min(participations, lifetime // max(steps, 1))
    shared = unit == "participant"
    if unit == "sequence" or (shared and stack_units):
        noise_multiplier = noise_multiplier or calibrate(epsilon, delta, rounds * steps, q)
    if shared:
        update_noise = update_noise or calibrate(epsilon, delta, rounds)
    return checked_policy(
        {
            "unit": unit,
            "epsilon": epsilon,
            "delta": delta,
            "participations": participations,
            "steps": steps,
            "lifetime_steps": lifetime,
            "q": q,
            "noise_multiplier": noise_multiplier or 0.0,
            "update_clip": update_clip if shared else None,
            "update_noise": update_noise if shared else None,
            "stack_units": stack_units,
            "proximal": proximal,
            "pseudo_labels": pseudo_labels,
            **rest,
        }
    )
