"""The plan as one typed document: all that its tables and page show."""

from shared_models.documented import Documented
from shared_models.privacy.claims import Observer
from shared_models.privacy.mechanism import Unit


class Cost(Documented):
    """What taking part in so many rounds costs, at most."""

    participations: int
    earliest_round: int
    """the round in which a device that misses none that it may take part in gets there"""
    epsilon: float
    right_of_100: int
    """how often in 100 the best guesser is right, at most"""


class PlannedClaim(Documented):
    """One promise, and everybody that it holds against with the same figures."""

    unit: Unit
    observers: list[Observer]
    costs: list[Cost]
    """empty where nothing is promised"""
    assumption: str
    """what the promise stands on, or why there is none"""


class Change(Documented):
    """What would be different if one setting were."""

    change: str
    epsilon: float | None
    """what the cap limits, over a lifetime; None where it is beyond all counting"""
    within_cap: bool
    expected_uar: float | None
    """from the simulated studies nearest to it; None where none is near"""


class PlannedUtility(Documented):
    """The average recall (UAR) of simulated studies of one size and epsilon, over their seeds."""

    devices: int
    epsilon: float
    uar: float
    uar_worst: float
    uar_best: float


class Target(Documented):
    """From which size on an epsilon is worth asking for."""

    epsilon: float
    smallest_study: int | None
    """None where training made the model worse with some seed at every size that was simulated"""


class Plan(Documented):
    """What the policy costs, what it is expected to bring, and what would change both."""

    study: str
    title: str
    unit: Unit
    """what the noise is there to hide"""
    devices: int
    """how many are planned to take part in a round"""
    epsilon_cap: float
    delta: float
    noise_multiplier: float
    steps: int
    """training steps a round"""
    lifetime_rounds: int
    """rounds after which a device takes part no more"""
    planned_rounds: int
    """rounds that the study is to have"""
    cap_in_round: int | None
    """the first round in which a device may reach its last; None where the study ends before"""
    claims: list[PlannedClaim]
    changes: list[Change]
    utility: list[PlannedUtility]
    """empty where no simulated study is of this kind"""
    uar_expected: float | None
    """average recall in the simulated studies nearest to the plan, neither larger nor less private"""
    uar_before: float | None
    """average recall of the model that the simulated studies started from"""
    uar_without_noise: float | None
    """the same after training without noise, in the simulated studies nearest to the plan"""
    uar_chance: float | None
    """the same of guessing"""
    utility_source: str
    targets: list[Target]
    warnings: list[str]
    legal: list[str]
    """what the legal gate says"""

    @property
    def headline(self) -> PlannedClaim | None:
        """The first promise that has figures: against the server, where there is one."""
        return next((claim for claim in self.claims if claim.costs), None)
