"""The live table of rounds that an operator watches."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fl_server.phase import Phase, duration
from fl_server.round_summary import RoundSummary
from shared_models.commandline import out


class LiveTable:
    """The present state above a table that grows by a row each round.

    On a terminal both are drawn in place, each second anew; elsewhere each round is one line.
    """

    def __init__(self, title: str, epsilon_cap: float) -> None:
        self._title, self._cap = title, epsilon_cap
        self._rounds: list[RoundSummary] = []
        self._phase: Phase | None = None
        self._live = Live(console=out, get_renderable=self._draw, refresh_per_second=1) if out.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def note(self, text: str) -> None:
        """One sentence above the table."""
        out.print(text, soft_wrap=True)

    def show(self, phase: Phase) -> None:
        """What the server does from now on."""
        self._phase = phase
        if self._live:
            self._live.refresh()

    def add(self, summary: RoundSummary) -> None:
        self._rounds.append(summary)
        if self._live:
            self._live.refresh()
        else:
            out.print(_line(summary, self._cap), soft_wrap=True)

    def _draw(self) -> Group:
        state = [Text(phase_line(self._phase, time.time()), "bold")] if self._phase else []
        return Group(*state, round_table(self._rounds, self._title, self._cap))


def phase_line(phase: Phase, now: float) -> str:
    """The state, how long it has lasted, and how long it may last; `now` in Unix seconds."""
    line = f"{phase.sentence()}; for {duration(now - phase.since)}"
    return line if phase.deadline is None else f"{line}, deadline in {duration(phase.deadline - now)}"


def round_table(rounds: Sequence[RoundSummary], title: str, epsilon_cap: float) -> Table:
    """Round, devices, accepted and rejected updates, score, budget spent."""
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for column in (
        "round",
        "online",
        "updates",
        "rejected",
        "accuracy",
        "UAR",
        "F1",
        "epsilon",
        "s",
    ):
        table.add_column(column, justify="right")
    for summary in rounds:
        table.add_row(*_cells(summary, epsilon_cap), style="red" if summary.state == "failed" else "")
    return table


def _cells(summary: RoundSummary, cap: float) -> tuple[str, ...]:
    rejected = ", ".join(f"{count} {reason}" for reason, count in summary.rejected.items()) or "0"
    return (
        "start" if summary.state == "start" else str(summary.round),
        str(summary.online),
        f"{summary.accepted}/{summary.asked}" + (" failed" if summary.state == "failed" else ""),
        rejected,
        f"{summary.accuracy:.3f}",
        f"{summary.uar:.3f}",
        f"{summary.macro_f1:.3f}",
        f"{summary.epsilon:.2f}/{cap:g}",
        f"{summary.seconds:.1f}",
    )


def _line(summary: RoundSummary, cap: float) -> str:
    round_, devices, accepted, rejected, accuracy, uar, f1, spent, seconds = _cells(summary, cap)
    return (
        f"round {round_}: devices {devices}, accepted {accepted}, rejected {rejected}, accuracy {accuracy},"
        f" UAR {uar}, macro F1 {f1}, epsilon {spent}, {seconds} s"
    )
