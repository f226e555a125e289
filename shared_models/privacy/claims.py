"""Claims: one promise each, for one observer and one unit, and whether what it stands on holds.

A claim whose assumption is broken has no epsilon: no number is printed that an assumption does not carry.
"""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict

from shared_models.privacy.accounting import Spend, epsilon_of, mu_of, without_amplification
from shared_models.privacy.mechanism import Mechanism
from shared_models.privacy.policy import Policy
from shared_models.privacy.second_opinions import disagreement

Observer = Literal["server", "participant", "model_recipient", "public"]
Status = Literal["holds", "assumption_broken", "simulated", "not_claimed"]
SEQUENCE_ADJACENCY = "one stored sequence of one device added or removed"
REPLACED = "all sequences of one device replaced by others"
EMPTIED = "all sequences of one device removed; the device stays and answers from an empty store"
_LOCAL = "each device adds its own noise before anything leaves it; no trust in the server, no sampling assumed"
_SAMPLED = "each device draws by itself, secretly and by Poisson sampling, which sequences take part in a step"
_OWN_NOISE = "each device clips its update and adds its share of the noise before anything leaves it"
_UNPROTECTED = "nothing hides that a device took part, or what all its sequences have in common"
_PARTICIPANTS_TO_ENROLLED = 10


class Claim(BaseModel):
    """One row of every result and report. Figures are None unless the claim holds or is simulated.

    `epsilon_without_amplification` is what holds if sampling hid nothing; it equals `epsilon` where q is 1. `mu` is
    the GDP parameter, where q is 1: with sampling there is no such single number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    observer: Observer
    unit: Literal["sequence", "participant"]
    adjacency: str
    epsilon: float | None
    epsilon_without_amplification: float | None
    mu: float | None
    delta: float
    status: Status
    assumption: str


def claims_for(
    policy: Policy,
    participations: int,
    *,
    simulated: bool = False,
    broken: str | None = None,
    enrolled: int | None = None,
) -> list[Claim]:
    """What a device that took part in `participations` rounds is promised, against each observer.

    `simulated` marks noise that was drawn in a simulation; `broken` names the assumption that does not hold;
    `enrolled` is the number of devices, against which a participant's delta is checked where it is given.
    """
    claims = _Claims(policy, participations, simulated, broken)
    return [*claims.of_a_sequence(), *claims.of_a_participant(enrolled)]


class _Claims:
    def __init__(self, policy: Policy, participations: int, simulated: bool, broken: str | None) -> None:
        self._policy, self._participations = policy, participations
        self._status: Status = "simulated" if simulated else "holds"
        self._broken = broken

    def of_a_sequence(self) -> list[Claim]:
        """Noise is added on the device, so the server sees no more than the public does: one figure for all four."""
        mechanism = self._policy.mechanism_for("sequence")
        if mechanism is None:
            claim = self._without("sequence", SEQUENCE_ADJACENCY, "no noise was added for a single sequence")
        else:
            assumption = f"{_LOCAL}; {_SAMPLED}" if mechanism.q < 1 else _LOCAL
            claim = self._stated("sequence", SEQUENCE_ADJACENCY, self._spends(mechanism), assumption)
        observers: tuple[Observer, ...] = ("server", "participant", "model_recipient", "public")
        return [claim.model_copy(update={"observer": observer}) for observer in observers]

    def of_a_participant(self, enrolled: int | None) -> list[Claim]:
        """The server sees each upload with its own share of the noise only; the others see the sum."""
        mechanism = self._policy.mechanism_for("participant")
        if mechanism is None:
            return [self._without("participant", REPLACED, _UNPROTECTED)]
        honest = mechanism.survivors - mechanism.colluders
        local = self._stated(
            "participant",
            REPLACED,
            self._spends(mechanism, sigma=mechanism.sigma / (2 * math.sqrt(honest))),
            f"{_OWN_NOISE}; the server sees each upload alone",
        )
        central = self._stated(
            "participant",
            EMPTIED,
            self._spends(mechanism),
            f"{_OWN_NOISE}; the server shows nobody a single upload and counts no round with fewer than"
            f" {mechanism.survivors} updates; at most {mechanism.colluders} of those devices tell anyone their noise",
        )
        if enrolled is not None and self._policy.delta * _PARTICIPANTS_TO_ENROLLED * enrolled > 1:
            why = f"delta {self._policy.delta:g} is above 1 / ({_PARTICIPANTS_TO_ENROLLED} x {enrolled} devices)"
            local, central = (self._as_broken(claim, why) for claim in (local, central))
        observers: tuple[Observer, ...] = ("participant", "model_recipient", "public")
        return [local, *(central.model_copy(update={"observer": observer}) for observer in observers)]

    def _spends(self, mechanism: Mechanism, sigma: float | None = None) -> list[Spend]:
        spends = self._policy.spends_after(self._participations, mechanism.unit)
        return spends if sigma is None else [spend._replace(sigma=sigma) for spend in spends]

    def _stated(
        self, unit: Literal["sequence", "participant"], adjacency: str, spends: list[Spend], assumption: str
    ) -> Claim:
        delta = self._policy.delta
        epsilon = epsilon_of(spends, delta)
        if math.isinf(epsilon):
            return self._without(unit, adjacency, "the noise is too small beside what it hides for any figure")
        claim = Claim(
            observer="server",
            unit=unit,
            adjacency=adjacency,
            epsilon=epsilon,
            epsilon_without_amplification=without_amplification(spends, delta),
            mu=round(mu_of(spends), 6) if all(spend.q == 1 for spend in spends) else None,
            delta=delta,
            status=self._status,
            assumption="; ".join(filter(None, (assumption, disagreement(spends, delta)))),
        )
        return claim if self._broken is None else self._as_broken(claim, self._broken)

    def _without(self, unit: Literal["sequence", "participant"], adjacency: str, why: str) -> Claim:
        return Claim(
            observer="server",
            unit=unit,
            adjacency=adjacency,
            epsilon=None,
            epsilon_without_amplification=None,
            mu=None,
            delta=self._policy.delta,
            status="not_claimed",
            assumption=why,
        )

    @staticmethod
    def _as_broken(claim: Claim, why: str) -> Claim:
        figures = dict.fromkeys(("epsilon", "epsilon_without_amplification", "mu"))
        return claim.model_copy(update={**figures, "status": "assumption_broken", "assumption": why})
