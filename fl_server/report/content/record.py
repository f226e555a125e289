"""For the reviewer: the budget, round by round."""

from fl_server.report.blocks import Block, Bullets, Facts, Heading, Paragraph, Table, cells
from fl_server.report.content.words import sources
from fl_server.report.document import Ledger, Report
from fl_server.report.document.record import StepBack
from fl_server.report.figures.budget import budget_by_round, distribution, forecast
from fl_server.report.numbers import rounded_down, rounded_up

_LOST = (
    " Rounds before it were lost with the server that ran them: what devices spent on them the devices count, and this"
    " ledger does not."
)


def budget(document: Report) -> list[Block]:
    """What was spent, what is left and what is to come; no epsilon where the first claim is not stated."""
    ledger, stated = document.ledger, document.claims[0].stated
    columns = [
        "Round",
        "Steps",
        "Noise multiplier",
        "Sampling rate",
        *(["Epsilon after it"] if stated else []),
        "Devices",
    ]
    rounds = Table(
        "What each round debited, before any update left a device",
        columns,
        [
            cells(
                str(debit.round),
                str(debit.steps),
                f"{debit.noise_multiplier:g}",
                f"{debit.sampling_rate:g}",
                *([rounded_up(debit.epsilon_after)] if stated else []),
                debit.devices,
            )
            for debit in ledger.debits
        ],
        numeric=list(range(1, len(columns))),
    )
    if not stated:
        return [
            Heading("The budget"),
            Paragraph("No guarantee, so no budget is shown as spent or left.", "broken"),
            Paragraph(document.claims[0].assumption),
            rounds,
        ]
    return [
        Heading("The budget"),
        Facts(
            [
                ("Lifetime cap, epsilon", rounded_up(ledger.cap)),
                ("Spent, at most", rounded_up(ledger.spent)),
                ("Remaining, at least", rounded_down(ledger.remaining)),
            ]
        ),
        Paragraph(
            "Counted for the device that took part most. Each device counts its own budget, rounds that failed or were"
            " cut off included, and stops at its cap. Spent budget is never refunded."
        ),
        budget_by_round(ledger),
        forecast(ledger),
        distribution(ledger),
        sources(document, "ledger"),
        rounds,
        *_steps_back(ledger),
    ]


def _steps_back(ledger: Ledger) -> list[Block]:
    if not ledger.steps_back:
        return []
    known = {0, *(debit.round for debit in ledger.debits)}
    return [Bullets([_step_back(step, step.after_round not in known) for step in ledger.steps_back])]


def _step_back(step: StepBack, lost: bool) -> str:
    """lost: whether rounds before it are not in the ledger"""
    return (
        f"After round {step.after_round} the operator put back the model of round {step.to_round}: the next round"
        f" started from it. Nothing that was spent was refunded.{_LOST if lost else ''}"
    )
