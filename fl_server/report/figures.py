"""The report's pictures, as inline SVG: odds, budget, trade-off curve, benchmark."""

from markupsafe import Markup

from fl_server.report.document import Ledger
from fl_server.report.numbers import rounded_up
from fl_server.report.svg import (
    AMBER,
    BLUE,
    GRID,
    INK,
    MUTED,
    PALE,
    WHITE,
    Axes,
    Point,
    box,
    path,
    picture,
    text,
    ticks,
)
from shared_models.evaluation.metrics import Metrics
from shared_models.privacy.odds import Odds, detection_from_epsilon, detection_from_mu

_WIDTH = 640
_ICONS_A_ROW = 10
_PITCH = 25
_LINE = 17
_PERSON = "M0,-9 a4.2,4.2 0 1 0 .01,0 Z M-6,9 v-5 a6,6 0 0 1 12,0 v5 Z"


def icon_array(odds: Odds) -> Markup:
    """One small figure for each guess: right by chance, right thanks to the data, wrong."""
    fills = [BLUE] * odds.by_coin + [AMBER] * odds.gained + [WHITE] * odds.wrong
    parts = []
    for i, fill in enumerate(fills):
        row, column = divmod(i, _ICONS_A_ROW)
        parts.append(_person((20 + _PITCH * column, 22 + _PITCH * row), fill))
    legend = (
        (BLUE, f"{odds.by_coin} right", "as by tossing a coin"),
        (AMBER, f"at most {odds.gained} more right", "thanks to what the study sends"),
        (WHITE, f"at least {odds.wrong} wrong", "even for the best guesser"),
    )
    for row, (fill, count, meaning) in enumerate(legend):
        y = 70 + row * 64
        parts.append(_person((310, y), fill))
        parts.append(text((332, y - 2), count, colour=INK, bold=True))
        parts.append(text((332, y + 17), meaning))
    description = "; ".join(f"{count} {meaning}" for _, count, meaning in legend)
    title = f"Of {odds.out_of} guesses, how many the best guesser gets right"
    return picture("odds", (560, 266), title, description, parts)


def budget_by_round(ledger: Ledger) -> Markup:
    """What a device that took part in every round has spent, as steps, and the cap that it may not cross."""
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


def trade_off(epsilon: float, delta: float, mu: float | None) -> Markup:
    """How many members the best attacker finds, at each rate of false alarms."""
    axes = Axes(30, 34, 250, 250, x_top=1, y_top=1)
    curve = [
        (rate, detection_from_epsilon(rate, epsilon, delta) if mu is None else detection_from_mu(rate, mu))
        for rate in _false_alarm_rates()
    ]
    widest = max(curve, key=lambda point: point[1] - point[0])
    gap = rounded_up(widest[1] - widest[0])
    parts = [
        *axes.draw([0, 0.5, 1], [0, 0.5, 1], "share of false alarms", "share of members found"),
        path([axes.at(0, 0), axes.at(1, 1)], MUTED, width=1.5, dash="4 4"),
        path([axes.at(widest[0], widest[0]), axes.at(*widest)], AMBER),
        path([axes.at(*point) for point in curve], BLUE, width=2.5),
    ]
    legend = (
        (BLUE, "none", "the best attacker, at most"),
        (MUTED, "4 4", "blind guessing"),
        (AMBER, "none", f"the widest gap, {gap}"),
    )
    for row, (colour, dash, meaning) in enumerate(legend):
        y = 120 + 32 * row
        parts.append(path([(330, y), (362, y)], colour, dash=dash))
        parts.append(text((372, y + 4), meaning, colour=INK))
    description = f"The share of members found lies at most {gap} above the share of false alarms."
    return picture("trade-off", (_WIDTH, 336), "What the best attacker can find", description, parts)


def benchmark_bars(before: Metrics, after: Metrics) -> Markup:
    """F1 of each class before and after training, one pair of bars a class."""
    pitch, left, width = 40, 100, 490
    height = 54 + pitch * len(after.per_class)
    parts = [
        box((left, 4), 12, 12, PALE),
        text((left + 18, 15), "F1 before"),
        box((left + 110, 4), 12, 12, BLUE),
        text((left + 128, 15), "F1 after"),
    ]
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x = left + width * tick
        parts.append(path([(x, 28), (x, height - 24)], GRID, width=1))
        parts.append(text((x, height - 6), f"{tick:g}", anchor="middle"))
    for row, (name, new) in enumerate(after.per_class.items()):
        y = 38 + pitch * row
        parts.append(text((left - 10, y + 17), name, anchor="end", colour=INK))
        if not new.support:
            parts.append(text((left + 6, y + 17), "not in the benchmark"))
            continue
        for offset, value, colour in ((0, before.per_class[name].f1, PALE), (13, new.f1, BLUE)):
            parts.append(box((left, y + offset), width * value, 11, colour))
            parts.append(text((left + width * value + 6, y + offset + 10), f"{value:.2f}"))
    description = "F1 before and after training for each class; the tables below give every figure."
    return picture("benchmark", (_WIDTH, height), "Benchmark by class, before and after", description, parts)


def _false_alarm_rates() -> list[float]:
    """Even steps, and fine ones near 0, where the curve is steep."""
    return sorted({0.0, *(i / 200 for i in range(201)), *(10 ** (-i / 20) for i in range(121))})


def _person(at: Point, fill: str) -> Markup:
    return Markup('<path transform="translate({:.0f} {:.0f})" d="{}" fill="{}" stroke="{}"/>').format(
        *at, _PERSON, fill, MUTED if fill == WHITE else fill
    )
