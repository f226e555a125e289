"""The plan on a terminal."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fl_server.plan import words
from fl_server.plan.document import Plan, PlannedClaim
from fl_server.report.numbers import rounded_up


def show_plan(plan: Plan, out: Console) -> None:
    """Prints what the plan says, warnings first."""
    for sentence in plan.warnings:
        out.print(f"[bold yellow]Warning:[/] {escape(sentence)}", soft_wrap=True)
    for sentence in plan.legal:
        out.print(escape(f"Legal gate, {sentence}"), soft_wrap=True)
    out.print(
        f"[bold]{escape(plan.title)}[/]: noise multiplier {plan.noise_multiplier:.4f}, {plan.steps} steps a round."
        f" The cap of epsilon {plan.epsilon_cap:g} (delta {plan.delta:g}) is for {words.limited(plan)}."
        f" It allows {words.cap_sentence(plan)}.",
        soft_wrap=True,
    )
    for claim in plan.claims:
        _show_claim(claim, out)
    if plan.headline is not None:
        out.print(words.odds_sentence(plan.headline).replace("*", ""), soft_wrap=True)
    columns = ("With", "Epsilon", "Within the cap", "Average recall")
    out.print(_table("What would change it", columns, map(words.change_row, plan.changes)))
    if plan.utility:
        _show_utility(plan, out)


def _show_claim(claim: PlannedClaim, out: Console) -> None:
    title = f"One {claim.unit}, against {words.observers(claim)}"
    if not claim.costs:
        out.print(f"{title}: [bold]no guarantee[/], {escape(claim.assumption)}", soft_wrap=True)
        return
    rows = (
        (str(cost.participations), str(cost.earliest_round), rounded_up(cost.epsilon), f"{cost.right_of_100} of 100")
        for cost in claim.costs
    )
    out.print(_table(title, ("Rounds taken part in", "By round", "Epsilon", "Guessed right"), rows))


def _show_utility(plan: Plan, out: Console) -> None:
    columns, rows = words.utility_rows(plan)
    out.print(_table("Average recall of simulated studies: mean (worst)", columns, rows))
    out.print(f"Average recall: {words.scores(plan) or 'nothing known of this plan'}", soft_wrap=True)
    out.print(f"Simulated: {escape(plan.utility_source)}", soft_wrap=True)
    sizes = "; ".join(f"epsilon {target.epsilon:g}: {words.smallest_size(target)}" for target in plan.targets)
    out.print(f"Fewest devices with which an epsilon is worth asking for - {sizes}.", soft_wrap=True)


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    for row in rows:
        table.add_row(*row)
    return table
