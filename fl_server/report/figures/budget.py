"""The budget: by round against the cap, to come, and over devices."""

from fl_server.report.bands import BANDS
from fl_server.report.blocks import Picture
from fl_server.report.document import Budget
from fl_server.report.numbers import rounded_down, rounded_up
from fl_server.report.svg import AMBER, BLUE, INK, MUTED, PALE, Axes, Point, box, path, picture, text, ticks

_WIDTH = 640
_LINE = 17


def budget_by_round(ledger: Budget) -> Picture:
    """What the device that took part most has spent, as steps, and the cap that it may not cross."""
    cap, spent = rounded_up(ledger.cap), rounded_up(ledger.spent)
    last = max([1, *(debit.round for debit in ledger.debits)])
    axes = Axes(30, 34, 508, 190, x_top=1.06 * last, y_top=1.1 * max(ledger.cap, ledger.spent))
    steps: list[Point] = [axes.at(0, 0)]
    for debit in ledger.debits:
        steps += [(axes.at(debit.round, 0)[0], steps[-1][1]), axes.at(debit.round, debit.epsilon_after)]
    steps.append((axes.right, steps[-1][1]))
    cap_y = axes.at(0, ledger.cap)[1]
    spent_y = max(steps[-1][1], cap_y + _LINE)  # below the cap's label, however close the two are
    whole_rounds = [tick for tick in ticks(last, 10) if tick.is_integer()]
    parts = [
        *axes.draw(whole_rounds, ticks(axes.y_top), "round", "epsilon spent"),
        path([(axes.left, cap_y), (axes.right, cap_y)], AMBER, dash="7 4"),
        path(steps, BLUE, width=2.5),
        text((axes.right + 8, cap_y + 4), f"cap {cap}", colour=AMBER, bold=True),
        text((axes.right + 8, spent_y + 4), f"spent {spent}", colour=BLUE, bold=True),
    ]
    description = f"After round {last}, {spent} of at most {cap} is spent; what is spent never goes down."
    return picture("budget", (_WIDTH, 276), "Budget spent by round, against the cap", description, parts)


def forecast(ledger: Budget) -> Picture:
    """Epsilon against the rounds that one device takes part in: what was spent, what each further round would cost."""
    taken = ledger.forecast
    most = max(point.participations for point in taken)
    axes = Axes(30, 34, 508, 190, x_top=1.04 * most, y_top=1.1 * max(ledger.cap, taken[-1].epsilon))
    line = [axes.at(point.participations, point.epsilon) for point in taken]
    behind = [at for at, point in zip(line, taken, strict=True) if point.epsilon <= ledger.spent]
    cap_y = axes.at(0, ledger.cap)[1]
    parts = [
        *axes.draw(
            [t for t in ticks(most, 10) if t.is_integer()], ticks(axes.y_top), "rounds taken part in", "epsilon"
        ),
        path([(axes.left, cap_y), (axes.right, cap_y)], AMBER, dash="7 4"),
        path(line, BLUE, dash="3 4"),
        path(behind, BLUE, width=3),
        text((axes.right + 8, cap_y + 4), f"cap {rounded_up(ledger.cap)}", colour=AMBER, bold=True),
        text((axes.right + 8, line[-1][1] + 4 + _LINE), "to come", colour=BLUE),
    ]
    description = f"After {most} rounds a device reaches {rounded_up(taken[-1].epsilon)} and takes part no more."
    return picture("forecast", (_WIDTH, 276), "What further rounds will cost", description, parts)


def distribution(ledger: Budget) -> Picture:
    """How many devices have spent how much: one bar for each amount, as long as its band is far up."""
    pitch, left, width = 30, 130, 380
    parts = [text((left - 12, 16), "epsilon spent", anchor="end"), text((left, 16), "devices, as a band")]
    for row, group in enumerate(ledger.devices_by_spent):
        y = 26 + pitch * row
        label = f"{rounded_down(group.epsilon_from)} to {rounded_up(group.epsilon_to)}"
        parts.append(text((left - 12, y + 15), label, anchor="end", colour=INK))
        fill = PALE if group.devices == BANDS[0] else BLUE
        long = width * (BANDS.index(group.devices) + 1) / len(BANDS)
        parts.append(box((left, y), long, 20, fill))
        parts.append(text((left + long + 8, y + 15), group.devices, colour=MUTED))
    if not ledger.devices_by_spent:
        parts.append(text((left, 46), "no device has spent anything"))
    description = "; ".join(
        f"{group.devices} devices spent up to {rounded_up(group.epsilon_to)}" for group in ledger.devices_by_spent
    )
    height = 36 + pitch * max(1, len(ledger.devices_by_spent))
    return picture("distribution", (_WIDTH, height), "Devices by what they have spent", f"{description}.", parts)
