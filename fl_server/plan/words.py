"""How the plan's figures read, on a terminal and on a page alike."""

from fl_server.plan.document import Change, Plan, PlannedClaim, PlannedUtility, Target
from fl_server.report.content.words import OBSERVERS, UNITS
from fl_server.report.numbers import rounded_up
from shared_models.privacy.odds import OUT_OF


def observers(claim: PlannedClaim) -> str:
    return ", ".join(OBSERVERS[observer] for observer in claim.observers)


def odds_sentence(claim: PlannedClaim) -> str:
    """What the costs of a whole life mean; the claim has some. Its second half is marked as emphasis."""
    return (
        f"Suppose that {OBSERVERS[claim.observers[0]]} has to guess whether {UNITS[claim.unit]} was used or not, and"
        f" both are equally likely. Over all rounds that a device may take part in *the best guesser is right at most"
        f" {claim.costs[-1].right_of_100} times in {OUT_OF}*; tossing a coin is right {OUT_OF // 2} times."
    )


def cap_sentence(plan: Plan) -> str:
    """When a device has taken part for the last time."""
    last = f"{plan.lifetime_rounds} rounds, after which a device takes part no more"
    if plan.cap_in_round is None:
        return f"{last}; the study's {plan.planned_rounds} rounds end before that"
    return f"{last}; in round {plan.cap_in_round} of {plan.planned_rounds} at the earliest"


def limited(plan: Plan) -> str:
    """What the cap is a limit for."""
    return (
        "one sequence, against everybody" if plan.unit == "sequence" else "one participant, against all but the server"
    )


def change_row(change: Change) -> list[str]:
    return [
        change.change,
        "no guarantee" if change.epsilon is None else rounded_up(change.epsilon),
        "yes" if change.within_cap else "no",
        "unknown" if change.expected_uar is None else f"{change.expected_uar:.2f}",
    ]


def utility_rows(plan: Plan) -> tuple[list[str], list[list[str]]]:
    """Columns, and a row for each size: mean over the seeds, and the worst."""
    epsilons = sorted({measured.epsilon for measured in plan.utility})
    found = {(measured.devices, measured.epsilon): measured for measured in plan.utility}
    rows = [
        [str(size), *(_score(found.get((size, epsilon))) for epsilon in epsilons)]
        for size in sorted({measured.devices for measured in plan.utility})
    ]
    return ["Devices in a round", *(f"Epsilon {epsilon:g}" for epsilon in epsilons)], rows


def scores(plan: Plan) -> str:
    """What average recall to expect, and what to hold it against; empty where nothing is known."""
    figures = (
        ("expected of this plan", plan.uar_expected),
        ("before training", plan.uar_before),
        ("after training without noise", plan.uar_without_noise),
        ("by guessing", plan.uar_chance),
    )
    return ", ".join(f"{name} {value:.2f}" for name, value in figures if value is not None)


def smallest_size(target: Target) -> str:
    return "no size that was tried" if target.smallest_study is None else str(target.smallest_study)


def _score(measured: PlannedUtility | None) -> str:
    return "" if measured is None else f"{measured.uar:.2f} ({measured.uar_worst:.2f})"
