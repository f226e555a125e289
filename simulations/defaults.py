"""What `fl-sim run` takes where nothing else is asked for, by the unit that is protected.

Those for a participant were chosen on one set of people and reported on others: docs/participant.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Defaults:
    """survivors: `min_survivors` as a share of the cohort; None for the policy's own number."""

    rounds: int = 6
    algorithm: str = "fedavg"
    survivors: float | None = None
    policy: Mapping[str, object] = field(default_factory=dict)


_PARTICIPANT = Defaults(rounds=10, algorithm="fedavgm", survivors=0.8, policy={"update_clip": 0.5})


def defaults_for(unit: str) -> Defaults:
    """The defaults for `sequence`, `participant` or `none`."""
    return _PARTICIPANT if unit == "participant" else Defaults()
