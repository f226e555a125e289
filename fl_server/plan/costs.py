"""What each claim costs by rounds taken part in, and what one other setting would cost."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from fl_server.plan.document import Cost, PlannedClaim
from fl_server.report import curves
from fl_server.report.ledger_figures import claim_spends, main_mechanism
from shared_models.privacy.accounting import Spend, epsilon_of
from shared_models.privacy.claims import Claim, claims_for
from shared_models.privacy.odds import OUT_OF
from shared_models.privacy.policy import Policy

_FACTORS = (0.5, 2.0)
_MOST_ROWS = 12


def planned_claims(policy: Policy, devices: int) -> list[PlannedClaim]:
    """Every claim, those of one unit with the same figures together. `devices`: how many will take part."""
    claims = claims_for(policy, policy.lifetime_rounds, enrolled=devices)
    return [
        PlannedClaim(
            unit=unit,
            observers=[claim.observer for claim in group],
            costs=_costs(policy, group[0]),
            assumption=group[0].assumption,
        )
        for (unit, _), found in groupby(claims, key=lambda claim: (claim.unit, claim.epsilon))
        for group in [list(found)]
    ]


def earliest_round(policy: Policy, participations: int) -> int:
    """The round, counted from 1, in which a device that misses none takes part for this many times."""
    return 1 + (participations - 1) * max(1, policy.min_rounds_between)


@dataclass(frozen=True)
class Variant:
    """One setting changed: in words, with what a lifetime then spends of the unit that the cap is for.

    `trains_alike` says whether rounds and steps stay, so that simulated studies still compare.
    """

    words: str
    spend: Spend
    devices: int
    trains_alike: bool


def variants(policy: Policy, devices: int) -> Iterator[Variant]:
    """Half and twice the noise, the steps, the rounds of a device, and the devices, which change no epsilon."""
    mechanism, rounds = main_mechanism(policy), policy.lifetime_rounds
    spend = mechanism.spend._replace(steps=mechanism.steps * rounds)
    for factor in _FACTORS:
        sigma = mechanism.sigma * factor
        yield Variant(f"noise multiplier {sigma:.4g}", spend._replace(sigma=sigma), devices, True)
    for steps in _scaled(policy.steps):
        noisy = 1 if mechanism.unit == "participant" else steps  # a participant's noise comes once a round
        yield Variant(f"{steps} steps a round", spend._replace(steps=noisy * rounds), devices, False)
    for count in _scaled(rounds):
        yield Variant(f"{count} rounds of a device", spend._replace(steps=mechanism.steps * count), devices, False)
    for size in _scaled(devices, policy.min_survivors):
        yield Variant(f"{size} devices in a round", spend, size, True)


def _scaled(count: int, least: int = 1) -> list[int]:
    """Half of it, rounded down, and twice; those below `least` left out."""
    return [scaled for factor in _FACTORS if (scaled := int(count * factor)) >= least]


def _costs(policy: Policy, claim: Claim) -> list[Cost]:
    if claim.epsilon is None:
        return []
    lifetime = claim_spends(policy, claim.unit, claim.observer == "server")
    return [_cost(policy, lifetime, count) for count in _counts(policy.lifetime_rounds)]


def _counts(lifetime: int) -> list[int]:
    """At most some dozen numbers of rounds from 1 to `lifetime`, both included."""
    return sorted({1, *range(lifetime, 0, -math.ceil(lifetime / _MOST_ROWS))})


def _cost(policy: Policy, lifetime: list[Spend], count: int) -> Cost:
    spends = [spend._replace(steps=spend.steps * count // policy.lifetime_rounds) for spend in lifetime]
    return Cost(
        participations=count,
        earliest_round=earliest_round(policy, count),
        epsilon=epsilon_of(spends, policy.delta),
        right_of_100=math.ceil(OUT_OF * (1 + curves.advantage(curves.profile(spends))) / 2),
    )
