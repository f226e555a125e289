"""The plan's two pictures: what taking part costs, and what simulated studies scored."""

from itertools import groupby

from markupsafe import Markup

from fl_server.plan.document import Plan, PlannedClaim
from fl_server.report.blocks import Picture
from fl_server.report.numbers import rounded_up
from fl_server.report.svg import AMBER, BLUE, INK, MUTED, PALE, Axes, path, picture, text, ticks

_LINE = 18


def budget(plan: Plan) -> Picture:
    """Epsilon by rounds taken part in, a line for each claim that has figures, and the cap."""
    drawn = [claim for claim in plan.claims if claim.costs]
    highest = max([plan.epsilon_cap, *(claim.costs[-1].epsilon for claim in drawn)])
    axes = Axes(30, 34, 470, 190, x_top=1.04 * plan.lifetime_rounds, y_top=1.1 * highest)
    cap_y = axes.at(0, plan.epsilon_cap)[1]
    whole = [tick for tick in ticks(plan.lifetime_rounds, 10) if tick.is_integer()]
    parts = [
        *axes.draw(whole, ticks(axes.y_top), "rounds taken part in", "epsilon"),
        path([(axes.left, cap_y), (axes.right, cap_y)], AMBER, dash="7 4"),
        text((axes.right + 8, cap_y + 4), f"cap {rounded_up(plan.epsilon_cap)}", colour=AMBER, bold=True),
    ]
    for claim in drawn:
        line = [axes.at(0, 0), *(axes.at(cost.participations, cost.epsilon) for cost in claim.costs)]
        y = line[-1][1]
        clear = cap_y + _LINE if abs(y - cap_y) < _LINE else y  # not on the cap's own label
        parts += [
            path(line, BLUE, width=2.5),
            text((axes.right + 8, clear + 4), f"against {_whom(claim)}", colour=BLUE),
        ]
    said = "; ".join(f"against {_whom(claim)} epsilon reaches {rounded_up(claim.costs[-1].epsilon)}" for claim in drawn)
    description = f"After {plan.lifetime_rounds} rounds, {said}; the cap is {rounded_up(plan.epsilon_cap)}."
    return picture("plan-budget", (640, 276), "Epsilon by rounds, against the cap", description, parts)


def utility(plan: Plan) -> Picture:
    """Mean average recall by size, a line for each epsilon; sizes stand at even distances."""
    sizes = sorted({measured.devices for measured in plan.utility})
    axes = Axes(40, 34, 400, 210, x_top=len(sizes) - 0.5, y_top=1.0)
    parts = axes.draw([], [0, 0.25, 0.5, 0.75, 1], "devices in a round", "average recall")
    for place, size in enumerate(sizes):
        parts.append(text((axes.at(place + 0.25, 0)[0], axes.bottom + 20), str(size), anchor="middle"))
    for value, name in ((plan.uar_before, "before"), (plan.uar_chance, "guessing")):
        if value is not None:
            parts += _level(axes, value, name)
    colours, dashes = (AMBER, PALE, INK, BLUE), ("2 4", "8 4", "4 2", "none")
    ordered = sorted(plan.utility, key=lambda measured: (measured.epsilon, measured.devices))
    for row, (epsilon, group) in enumerate(groupby(ordered, key=lambda measured: measured.epsilon)):
        colour, dash = colours[row % len(colours)], dashes[row % len(dashes)]
        line = [axes.at(sizes.index(measured.devices) + 0.25, measured.uar) for measured in group]
        y = 40 + 22 * row
        parts += [
            path(line, colour, width=2.5, dash=dash),
            path([(515, y), (543, y)], colour, width=2.5, dash=dash),
            text((551, y + 4), f"epsilon {epsilon:g}", colour=INK),
        ]
    title = "Average recall of simulated studies, by devices and epsilon"
    return picture("plan-utility", (640, 300), title, "The table below has the figures.", parts)


def _level(axes: Axes, value: float, name: str) -> list[Markup]:
    y = axes.at(0, value)[1]
    return [
        path([(axes.left, y), (axes.right, y)], MUTED, width=1.5, dash="4 4"),
        text((axes.right + 8, y + 4), name),
    ]


def _whom(claim: PlannedClaim) -> str:
    """In a few letters, beside a line."""
    if "server" not in claim.observers:
        return "the others"
    return "everybody" if len(claim.observers) > 1 else "the server"
