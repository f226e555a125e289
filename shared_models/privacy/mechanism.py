"""What one round costs one unit of protection: the part of a policy that accounting and the ledger need."""

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared_models.privacy.accounting import Spend

Unit = Literal["sequence", "participant"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Rate = Annotated[float, Field(gt=0, le=1, multiple_of=0.01)]
"""A sampling rate; whole hundredths, so that a history of years holds few different ones."""


class Mechanism(BaseModel):
    """Gaussian noise for one unit in one round.

    Whoever sees the sum over a round's survivors sees noise of at least `sigma * clip_norm`, of which each device
    adds its `share`. With one survivor and no colluder the device adds all of it: nobody else is relied on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    unit: Unit
    sigma: Positive
    clip_norm: Positive
    """The most that one unit moves what the noise is added to, in L2 norm: the gradient sum, or the update."""
    q: Rate = 1.0
    steps: Count
    survivors: Count = 1
    colluders: Annotated[int, Field(ge=0)] = 0

    @property
    def share(self) -> float:
        """Standard deviation of the noise that one device adds.

        z C / sqrt(m - c), so that m survivors of which c keep quiet about their own noise still add up to z C.
        """
        return self.sigma * self.clip_norm / math.sqrt(self.survivors - self.colluders)

    @property
    def spend(self) -> Spend:
        return Spend(self.sigma, self.q, self.steps)
