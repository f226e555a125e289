"""The privacy policy in force: one typed, hashed object that server and devices hold alike.

Every number that shapes training is here and is public. None is ever derived from how many sequences a device
holds: that count is private.
"""

import math
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared_models.canonical import canonical_hash
from shared_models.errors import PolicyError
from shared_models.privacy.accounting import calibrate, epsilon_at, mu_of

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]

_NOISE_TAIL = 8.0
"""Standard deviations above its mean at which a noise norm counts as impossible: probability below 1e-14."""


class Policy(BaseModel):
    """What a device does with its sequences, and what it may spend in its life.

    Adjacency: one stored sequence of one device, added or removed. Sampling: every stored sequence takes part in
    every step (q = 1).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    unit: Literal["sequence", "none"]
    model: str
    scheme: str
    trainable: str
    clip_norm: Positive
    noise_multiplier: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    epsilon: Positive
    """Lifetime cap for each sequence."""
    delta: Annotated[float, Field(gt=0, lt=1)]
    participations: Count
    """Lifetime cap on the rounds that one device takes part in."""
    steps: Count
    """Full-batch steps in a round."""
    denominator: Count
    """Public stand-in for the number of sequences: gradients are divided by it."""
    max_sequences: Count
    """The most sequences that one device stores and trains on."""
    learning_rate: Positive
    momentum: Annotated[float, Field(ge=0, lt=1)]
    reply_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """An update leaves this long after its task came, so that timing does not tell how much is stored."""

    @model_validator(mode="after")
    def _noise_fits_the_cap(self) -> Self:
        if self.unit == "none":
            if self.noise_multiplier != 0:
                raise ValueError("unit 'none' has no noise")
        elif self.noise_multiplier == 0 or self.epsilon_after(self.participations) > self.epsilon:
            raise ValueError(
                f"noise multiplier {self.noise_multiplier} over {self.participations} participations of"
                f" {self.steps} steps costs more than the lifetime cap of epsilon {self.epsilon}"
            )
        return self

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical form: what consent and every ledger event name."""
        return canonical_hash(self.model_dump(mode="json"))

    def mu_after(self, participations: int) -> float:
        """The GDP parameter of one sequence after its device took part in `participations` rounds."""
        if self.unit == "none":
            return math.inf
        return mu_of([(participations * self.steps, self.noise_multiplier)])

    def epsilon_after(self, participations: int) -> float:
        """The epsilon of one sequence, at the policy's delta, after `participations` rounds."""
        if self.unit == "none":
            return math.inf
        return epsilon_at(self.mu_after(participations), self.delta)

    def update_norm_bound(self, parameters: int) -> float:
        """The largest L2 norm that an honest update of `parameters` numbers can have.

        Each of the policy's steps adds to the parameters at most `weight` times a clipped sum of norm at most
        max_sequences * C plus noise whose norm concentrates around sigma * C * sqrt(parameters).
        """
        scale = self.learning_rate / self.denominator * self.clip_norm
        weights = [(1 - self.momentum ** (self.steps - s)) / (1 - self.momentum) for s in range(self.steps)]
        signal = math.fsum(weights) * self.max_sequences
        noise = self.noise_multiplier * math.sqrt(math.fsum(w * w for w in weights))
        return scale * (signal + noise * (math.sqrt(parameters) + _NOISE_TAIL))


def calibrated(*, epsilon: float, delta: float, participations: int, steps: int, **rest: object) -> Policy:
    """The sequence-level policy with the least noise that keeps within (epsilon, delta) over a device's life.

    Raises PolicyError where a value is out of its range.
    """
    sigma = calibrate(epsilon, delta, participations * steps)
    return checked_policy(
        {
            "unit": "sequence",
            "epsilon": epsilon,
            "delta": delta,
            "participations": participations,
            "steps": steps,
            "noise_multiplier": sigma,
            **rest,
        }
    )


def checked_policy(fields: dict[str, object]) -> Policy:
    """The policy with these fields; raises PolicyError naming the field that is wrong."""
    try:
        return Policy.model_validate(fields)
    except ValueError as error:
        raise PolicyError("The privacy policy is not valid", why=_first_problem(error)) from error


def _first_problem(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    problems = error.errors()
    field = ".".join(str(part) for part in problems[0]["loc"])
    return f"{field}: {problems[0]['msg']}" if field else str(problems[0]["msg"])
