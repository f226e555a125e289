"""Claims: one promise each, for one observer and one unit, and whether what it stands on holds.

A claim whose assumption is broken has no epsilon: no number is printed that an assumption does not carry.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from shared_models.privacy.policy import Policy

Observer = Literal["server", "participant", "model_recipient", "public"]
Status = Literal["holds", "assumption_broken", "simulated", "not_claimed"]
ADJACENCY = "one stored sequence of one device added or removed"
_PARTICIPANT_ADJACENCY = "all sequences of one device replaced"
_LOCAL = "each device adds its own noise before anything leaves it; no trust in the server, no sampling assumed"


class Claim(BaseModel):
    """One row of every result and report. `epsilon` and `mu` are None unless the claim holds or is simulated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    observer: Observer
    unit: Literal["sequence", "participant"]
    adjacency: str
    epsilon: float | None
    mu: float | None
    delta: float
    status: Status
    assumption: str


def claims_for(
    policy: Policy, participations: int, *, simulated: bool = False, broken: str | None = None
) -> list[Claim]:
    """What a device that took part in `participations` rounds is promised, against each observer.

    Noise is added on the device, so the server sees no more than the public does and all four observers share one
    figure. `simulated` marks noise that was drawn in a simulation; `broken` names the assumption that does not hold.
    """
    sequence = _sequence_claim(policy, participations, simulated, broken)
    observers: tuple[Observer, ...] = ("server", "participant", "model_recipient", "public")
    claims = [sequence.model_copy(update={"observer": observer}) for observer in observers]
    claims.append(
        Claim(
            observer="server",
            unit="participant",
            adjacency=_PARTICIPANT_ADJACENCY,
            epsilon=None,
            mu=None,
            delta=policy.delta,
            status="not_claimed",
            assumption="nothing hides that a device took part, or what all its sequences have in common",
        )
    )
    return claims


def _sequence_claim(policy: Policy, participations: int, simulated: bool, broken: str | None) -> Claim:
    status: Status = "simulated" if simulated else "holds"
    assumption = _LOCAL
    if policy.unit == "none":
        status, assumption = "not_claimed", "training without noise promises nothing"
    if broken is not None:
        status, assumption = "assumption_broken", broken
    carried = status in ("holds", "simulated")
    return Claim(
        observer="server",
        unit="sequence",
        adjacency=ADJACENCY,
        epsilon=policy.epsilon_after(participations) if carried else None,
        mu=round(policy.mu_after(participations), 6) if carried else None,
        delta=policy.delta,
        status=status,
        assumption=assumption,
    )
