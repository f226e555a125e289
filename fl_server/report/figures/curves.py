"""The two curves of a claim: delta by epsilon, and what the best attacker finds."""

import math
from collections.abc import Sequence

from fl_server.report.blocks import Picture
from fl_server.report.document import Claim
from fl_server.report.document.promise import TradeOffPoint
from fl_server.report.numbers import rounded_up, scientific
from fl_server.report.svg import AMBER, BLUE, GRID, INK, MUTED, Axes, box, path, picture, text, ticks

_WIDTH = 640


def epsilon_delta(claim: Claim) -> Picture:
    """Every (epsilon, delta) that holds at once, delta on a logarithmic scale; the claimed point is marked."""
    epsilon, delta = claim.epsilon or 0.0, claim.delta or 1.0
    floor = math.floor(math.log10(min(delta, *(point.delta for point in claim.curve if point.delta > 0))))
    axes = Axes(84, 34, 454, 190, x_top=1.04 * max(point.epsilon for point in claim.curve), y_top=float(-floor))
    at = [axes.at(point.epsilon, math.log10(point.delta) - floor) for point in claim.curve if point.delta > 0]
    claimed = axes.at(epsilon, math.log10(delta) - floor)
    parts = [text((axes.left, axes.top - 12), "delta")]
    for power in range(0, floor - 1, -2):
        y = axes.at(0, power - floor)[1]
        parts.append(path([(axes.left, y), (axes.right, y)], GRID, width=1))
        parts.append(text((axes.left - 8, y + 4), scientific(10.0**power), anchor="end"))
    for tick in ticks(axes.x_top):
        parts.append(text((axes.at(tick, 0)[0], axes.bottom + 20), f"{tick:g}", anchor="middle"))
    parts += [
        text((axes.left + axes.width / 2, axes.bottom + 40), "epsilon", anchor="middle"),
        path([(axes.left, axes.bottom), (axes.right, axes.bottom)], MUTED, width=1),
        path(at, BLUE, width=2.5),
        box((claimed[0] - 4, claimed[1] - 4), 8, 8, AMBER),
        text((claimed[0] + 10, claimed[1] - 6), f"claimed: {rounded_up(epsilon)}", colour=AMBER, bold=True),
    ]
    description = (
        f"At delta {scientific(delta)} epsilon is {rounded_up(epsilon)}; a smaller epsilon has a larger delta."
    )
    return picture("epsilon-delta", (_WIDTH, 276), "Every pair of epsilon and delta that holds", description, parts)


def trade_off(claim: Claim, audit: Sequence[TradeOffPoint] = ()) -> Picture:
    """How many members the best attacker finds at each rate of false alarms; what an audit's attack found, as dots."""
    axes = Axes(30, 34, 250, 250, x_top=1, y_top=1)
    gap = rounded_up(claim.advantage or 0.0)
    parts = [
        *axes.draw([0, 0.5, 1], [0, 0.5, 1], "share of false alarms", "share of members found"),
        path([axes.at(0, 0), axes.at(1, 1)], MUTED, width=1.5, dash="4 4"),
        path([axes.at(point.false_alarms, point.detected) for point in claim.trade_off], BLUE, width=2.5),
    ]
    for point in audit:
        x, y = axes.at(point.false_alarms, point.detected)
        parts.append(box((x - 3, y - 3), 6, 6, AMBER))
    legend = [(BLUE, "none", "the best attacker, at most"), (MUTED, "4 4", "blind guessing")]
    for row, (colour, dash, meaning) in enumerate(legend):
        y = 110 + 32 * row
        parts.append(path([(330, y), (362, y)], colour, dash=dash))
        parts.append(text((372, y + 4), meaning, colour=INK))
    parts.append(text((330, 178), f"The curve is never more than {gap}", colour=INK))
    parts.append(text((330, 196), "above guessing.", colour=INK))
    if audit:
        parts += [box((343, 220), 6, 6, AMBER), text((372, 228), "what the audit's attack found", colour=INK)]
    description = f"The share of members found lies at most {gap} above the share of false alarms."
    return picture("trade-off", (_WIDTH, 336), "What the best attacker can find", description, parts)
