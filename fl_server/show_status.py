"""`fl-server status` for a person: sentences, then the table of rounds."""

import time
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape

from fl_server.live import phase_line, round_table
from fl_server.refusals import REASONS
from fl_server.report.numbers import rounded_up
from fl_server.status import Score, Status

_GIB = 1 << 30


def show_status(status: Status, out: Console) -> None:
    out.print(f"[bold]{escape(status.title)}[/] ({status.study}), purpose: {status.purpose}", soft_wrap=True)
    for name, value in _lines(status):
        out.print(f"[dim]{name:<12}[/] {escape(value)}", soft_wrap=True)
    for reason, count in status.refusals.items():
        out.print(f"{'':<12} {count} {reason}: {REASONS[reason]}", soft_wrap=True)
    if status.rounds:
        out.print(round_table(status.rounds, "", status.epsilon_cap))


def _lines(status: Status) -> list[tuple[str, str]]:
    failed = f"; {status.failed_rounds} failed" if status.failed_rounds else ""
    lines = [
        ("server", _server(status)),
        ("rounds", f"{status.round} of {status.planned_rounds} have a checkpoint{failed}"),
        ("devices", f"{status.devices} enrolled, {status.online} online; {status.open_invitations} open invitations"),
        (
            "budget",
            f"epsilon {rounded_up(status.epsilon)} of {rounded_up(status.epsilon_cap)} at delta {status.delta:g},"
            " for a device whose every update was used",
        ),
    ]
    if status.score:
        lines += _scores(status.score)
    if status.promoted_round is not None:
        lines.append(("promoted", f"the model of round {status.promoted_round}"))
    lines += [
        ("disk", f"{status.disk_free_bytes / _GIB:.1f} GiB free"),
        ("certificate", _certificate(status.certificate_days)),
        ("refused", f"{sum(status.refusals.values())} requests since the server started"),
    ]
    return lines if status.page is None else [*lines, ("page", status.page)]


def _server(status: Status) -> str:
    if status.phase is None:
        return "running" if status.running else "not running"
    if not status.running:
        since = datetime.fromtimestamp(status.phase.since, UTC)
        return f"not running. Its last state, at {since:%Y-%m-%d %H:%M:%S} UTC: {status.phase.sentence()}"
    return f"running. {phase_line(status.phase, time.time())}"


def _scores(score: Score) -> list[tuple[str, str]]:
    last = f"accuracy {score.accuracy:.3f}, UAR {score.uar:.3f}, macro F1 {score.macro_f1:.3f}"
    by_emotion = ", ".join(f"{name} {f1:.2f}" for name, f1 in score.f1.items())
    lines = [("score", f"{last}; best UAR {score.best_uar:.3f} in round {score.best_round}")]
    return [*lines, ("F1", by_emotion)] if by_emotion else lines


def _certificate(days: int) -> str:
    return f"{days} days left" if days >= 0 else "expired: issue a new one with `fl-server renew`"
