"""The privacy policy in force: one typed, hashed object that server and devices hold alike.

Every number that shapes training is here and is public. None is ever derived from how many sequences a device
holds: that count is private.
"""

import math
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared_models.canonical import canonical_hash
from shared_models.errors import PolicyError
from shared_models.privacy.accounting import Spend, epsilon_of, mu_of
from shared_models.privacy.mechanism import Count, Mechanism, Positive, Rate, Unit

_NOISE_TAIL = 8.0
"""Standard deviations above its mean at which a noise norm counts as impossible: probability below 1e-14."""


class Policy(BaseModel):
    """What a device does with its sequences, and what it may spend in its life.

    `unit` names what the noise hides. `sequence`: one stored sequence of one device, added or removed, against
    everybody; noise goes onto every clipped sum of gradients. `participant`: all of one device's sequences, against
    whoever sees no single upload; each device adds a share of the noise to its clipped update.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[2] = 2
    unit: Literal["sequence", "participant", "none"]
    model: str
    scheme: str
    trainable: str
    clip_norm: Positive
    """Largest L2 norm of one sequence's gradient."""
    noise_multiplier: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """Noise on each clipped sum, in clip norms; 0 where the unit is not the sequence."""
    q: Rate
    """Probability with which each sequence takes part in a step."""
    views: Annotated[int, Field(ge=1, le=64)]
    """Views of each sequence whose gradients are averaged before clipping."""
    update_clip: Positive | None
    """Largest L2 norm of a device's whole update; None where the participant is not protected."""
    update_noise: Positive | None
    """Noise on the sum of a round's updates, in update clips."""
    min_survivors: Count
    """The fewest updates with which a round counts; the shares of the noise add up from so many."""
    colluders: Annotated[int, Field(ge=0)]
    """Survivors that may tell others their own noise."""
    stack_units: bool
    """Whether both units' noise is wanted at once."""
    epsilon: Positive
    """Lifetime cap for each unit of protection."""
    delta: Annotated[float, Field(gt=0, lt=1)]
    participations: Count
    """Lifetime cap on the rounds that one device takes part in."""
    steps: Count
    """Steps in a round."""
    lifetime_steps: Count
    """Lifetime cap on steps."""
    min_rounds_between: Annotated[int, Field(ge=0, le=1_000_000)]
    """A device that took part in round r takes part in none before round r + this."""
    denominator: Count
    """Public stand-in for the number of sequences in a step: gradient sums are divided by it."""
    max_sequences: Count
    """The most sequences that one device stores and trains on."""
    pseudo_labels: bool
    """Whether a device whose owner wants it may also train on sequences that the model itself has labelled."""
    learning_rate: Positive
    momentum: Annotated[float, Field(ge=0, lt=1)]
    proximal: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """FedProx's mu: how strongly each step pulls back to the weights that the round began with; 0 for none."""
    reply_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """An update leaves this long after its task came, so that timing does not tell how much is stored."""

    @model_validator(mode="after")
    def _units_fit(self) -> Self:
        for field in ("update_clip", "update_noise"):
            if (getattr(self, field) is None) == (self.unit == "participant"):
                raise ValueError(f"{field} belongs to the unit 'participant', which needs it, and to no other")
        if self.unit == "none" and self.noise_multiplier != 0:
            raise ValueError("unit 'none' has no noise")
        if self.unit == "participant" and (self.noise_multiplier != 0) != self.stack_units:
            raise ValueError(
                "noise for each sequence below noise for each participant swells the update, and the outer clip then"
                " cuts the signal and keeps the noise; set noise_multiplier to 0, or stack_units to have both"
            )
        if self.colluders >= self.min_survivors:
            raise ValueError("colluders must be fewer than min_survivors")
        if self.lifetime_steps < self.steps:
            raise ValueError("lifetime_steps must allow for the steps of one round")
        if self.proximal * self.learning_rate > 1:
            raise ValueError("proximal times learning_rate must be at most 1, or the pull overshoots")
        return self

    @model_validator(mode="after")
    def _noise_fits_the_cap(self) -> Self:
        if self.unit == "sequence" and self.noise_multiplier == 0:
            raise ValueError(f"noise multiplier 0 costs more than the lifetime cap of epsilon {self.epsilon}")
        for mechanism in self.mechanisms:
            if self.epsilon_after(self.lifetime_rounds, mechanism.unit) > self.epsilon:
                raise ValueError(
                    f"noise multiplier {mechanism.sigma} over {self.lifetime_rounds} participations of"
                    f" {mechanism.steps} steps costs more than the lifetime cap of epsilon {self.epsilon}"
                )
        return self

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical form: what consent and every ledger event name."""
        return canonical_hash(self.model_dump(mode="json"))

    @property
    def mechanisms(self) -> tuple[Mechanism, ...]:
        """What one round costs, for each unit that is protected; the sequence first. Empty for unit 'none'."""
        found = []
        if self.noise_multiplier > 0:
            found.append(
                Mechanism(
                    unit="sequence", sigma=self.noise_multiplier, clip_norm=self.clip_norm, q=self.q, steps=self.steps
                )
            )
        if self.update_clip is not None and self.update_noise is not None:
            found.append(
                Mechanism(
                    unit="participant",
                    sigma=self.update_noise,
                    clip_norm=self.update_clip,
                    steps=1,
                    survivors=self.min_survivors,
                    colluders=self.colluders,
                )
            )
        return tuple(found)

    @property
    def lifetime_rounds(self) -> int:
        """Rounds that one device takes part in over its life, by whichever cap comes first."""
        return min(self.participations, self.lifetime_steps // self.steps)

    def without_noise(self) -> "Policy":
        """The same training without noise, which promises nothing: what privacy costs is the difference."""
        nothing = {"noise_multiplier": 0.0, "update_clip": None, "update_noise": None, "stack_units": False}
        return Policy.model_validate(self.model_dump() | nothing | {"unit": "none"})

    def mechanism_for(self, unit: Unit) -> Mechanism | None:
        return next((mechanism for mechanism in self.mechanisms if mechanism.unit == unit), None)

    def spends_after(self, participations: int, unit: Unit | None = None) -> list[Spend]:
        """What `participations` rounds spend of `unit`, the policy's own where none is given."""
        mechanism = self._mechanism(unit)
        if mechanism is None or participations == 0:
            return []
        return [mechanism.spend._replace(steps=participations * mechanism.steps)]

    def mu_after(self, participations: int, unit: Unit | None = None) -> float:
        """The GDP parameter of one unit after `participations` rounds, without amplification by sampling."""
        if self._mechanism(unit) is None:
            return math.inf
        return mu_of(self.spends_after(participations, unit))

    @property
    def lifetime_mu(self) -> float | None:
        """The GDP parameter of the policy's unit over a device's life; None with sampling, where none is exact."""
        mechanism = self._mechanism(None)
        sampled = mechanism is not None and mechanism.q < 1
        return None if sampled else self.mu_after(self.lifetime_rounds)

    def epsilon_after(self, participations: int, unit: Unit | None = None) -> float:
        """The epsilon of one unit, at the policy's delta, after `participations` rounds; infinite without noise."""
        if self._mechanism(unit) is None:
            return math.inf
        return epsilon_of(self.spends_after(participations, unit), self.delta)

    def step_weights(self) -> list[float]:
        """By how many learning rates a step's noised gradient moves the weights in the end, step by step.

        Momentum goes on with it, the proximal term takes back a share of the distance in each later step. Both are
        linear, so that every step's gradient can be followed alone.
        """
        weights, moved, velocity = list[float](), 0.0, 1.0
        for _ in range(self.steps):
            moved += velocity
            weights.append(moved)
            velocity = self.momentum * velocity - self.proximal * self.learning_rate * moved
        return weights[::-1]

    def update_norm_bound(self, parameters: int) -> float:
        """The largest L2 norm that an honest update of `parameters` numbers can have.

        What a step adds, a clipped sum of norm at most max_sequences * C plus noise whose norm concentrates around
        sigma * C * sqrt(parameters), is in the update `weight` times. A clipped update has at most the norm it is
        clipped to, and its share of the noise.
        """
        noise_norm = math.sqrt(parameters) + _NOISE_TAIL
        protected = self.mechanism_for("participant")
        if protected is not None:
            return protected.clip_norm + protected.share * noise_norm
        scale = self.learning_rate / self.denominator * self.clip_norm
        weights = [abs(weight) for weight in self.step_weights()]
        signal = math.fsum(weights) * self.max_sequences
        noise = self.noise_multiplier * math.sqrt(math.fsum(w * w for w in weights))
        return scale * (signal + noise * noise_norm)

    def _mechanism(self, unit: Unit | None) -> Mechanism | None:
        wanted = unit or self.unit
        return None if wanted == "none" else self.mechanism_for(wanted)


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
    message = str(problems[0]["msg"]).removeprefix("Value error, ")
    return f"{field}: {message}" if field else message
