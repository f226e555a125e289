"""What stands against an attack: the policy's noise, the server's norm bound, and its rule of aggregation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fl_server.settings import AggregationSettings
from shared_models.errors import UsageError
from shared_models.privacy.policy import Policy


@dataclass(frozen=True)
class Defence:
    """One column of the table of harm: what is on; everything else is off."""

    name: str
    noise: bool = False
    norm_bound: bool = False
    rule: Literal["mean", "trimmed_mean", "median"] = "mean"

    def policy(self, policy: Policy) -> Policy:
        """`policy`, or the same training without noise."""
        return policy if self.noise else policy.without_noise()

    def aggregation(self, settings: AggregationSettings) -> AggregationSettings:
        return settings.model_copy(update={"rule": self.rule})


DEFENCES = {
    defence.name: defence
    for defence in (
        Defence("none"),
        Defence("noise", noise=True),
        Defence("norm-bound", norm_bound=True),
        Defence("default", noise=True, norm_bound=True),
        Defence("trimmed-mean", rule="trimmed_mean"),
        Defence("median", rule="median"),
        Defence("all", noise=True, norm_bound=True, rule="trimmed_mean"),
    )
}
"""By name, in the order of columns. `default` is what a federation has whose settings nobody changed."""


def named(kind: str, wanted: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """`wanted` in the order of `known`, or all of `known` where none is; raises UsageError for a name that is none."""
    for name in wanted:
        if name not in known:
            raise UsageError(f"There is no {kind} '{name}'", fix=f"Use any of: {', '.join(known)}")
    return tuple(name for name in known if not wanted or name in wanted)
