"""What the operator's page shows, in words and pictures. Every number of devices is a band by the time it is here."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from fl_server.folder import FederationFolder
from fl_server.page import charts
from fl_server.page.budget import read_budget
from fl_server.phase import Phase, State
from fl_server.refusals import REASONS
from fl_server.report.bands import Band, band
from fl_server.report.blocks import Picture
from fl_server.report.document import Budget
from fl_server.report.figures.budget import budget_by_round, distribution
from fl_server.report.numbers import rounded_up, scientific
from fl_server.round_summary import RoundSummary
from fl_server.settings import load_settings
from fl_server.status import Score, Status, status_of

_ORDINARY: tuple[State, ...] = ("waiting", "sampling", "collecting", "aggregating", "evaluating", "checkpointed")
_GIB = 1 << 30
_LITTLE_DISK, _FEW_DAYS = _GIB, 30
_ROWS = 12
_EARLIER_ROWS = 200


@dataclass(frozen=True)
class Moment:
    """The present state: `steps` are the ordinary states, with whether each is the present one."""

    name: str
    unusual: bool
    sentence: str
    since: datetime
    deadline: datetime | None
    steps: list[tuple[str, bool]]


@dataclass(frozen=True)
class Tile:
    """One large figure; `share` of a bar below it is filled, where there is a bar."""

    label: str
    value: str
    note: str
    share: Markup | None = None


@dataclass(frozen=True)
class Emotion:
    name: str
    f1: str
    change: str
    picture: Picture


@dataclass(frozen=True)
class Row:
    """One try of a round."""

    round: str
    failed: bool
    asked: str
    accepted: str
    rejected: str
    scores: list[str]
    epsilon: str
    seconds: str


@dataclass(frozen=True)
class Counted:
    """How often something happened: a number of requests, or a band of devices' updates."""

    reason: str
    meaning: str
    count: str
    share: Markup | None = None


@dataclass(frozen=True)
class View:
    title: str
    study: str
    simulation: bool
    read_at: datetime
    moment: Moment | None
    alarms: list[str]
    tiles: list[Tile]
    scores: Picture | None
    seconds: Picture | None
    emotions: list[Emotion]
    rows: list[Row]
    earlier: list[Row]
    left_out: int
    budget: list[Picture]
    refused: list[Counted]
    rejected: list[Counted]


def read_view(folder: FederationFolder) -> View:
    """The page's content, as the server's files have it now. Raises AttuneError where one cannot be read."""
    settings, phase = load_settings(folder.settings), Phase.read(folder)
    status, budget = status_of(folder, settings, phase, running=True), read_budget(folder)
    rounds = status.rounds
    rows = [_row(summary) for summary in reversed(rounds)]
    return View(
        title=status.title,
        study=status.study,
        simulation=settings.study.is_synthetic_simulation,
        read_at=datetime.fromtimestamp(time.time(), UTC),
        moment=_moment(phase) if phase else None,
        alarms=_alarms(status),
        tiles=_tiles(status),
        scores=charts.scores(rounds) if status.score else None,
        seconds=charts.seconds(rounds) if any(summary.state != "start" for summary in rounds) else None,
        emotions=_emotions(rounds, status.score),
        rows=rows[:_ROWS],
        earlier=rows[_ROWS:_EARLIER_ROWS],
        left_out=len(rows[_EARLIER_ROWS:]),
        budget=_budget(budget),
        refused=_refused(status.refusals),
        rejected=_rejected(rounds),
    )


def _moment(phase: Phase) -> Moment:
    return Moment(
        name=phase.state,
        unusual=phase.state not in _ORDINARY,
        sentence=phase.sentence(band),
        since=datetime.fromtimestamp(phase.since, UTC),
        deadline=None if phase.deadline is None else datetime.fromtimestamp(phase.deadline, UTC),
        steps=[(name, name == phase.state) for name in _ORDINARY],
    )


def _alarms(status: Status) -> list[str]:
    alarms = []
    if status.disk_free_bytes < _LITTLE_DISK:
        alarms.append(f"Only {status.disk_free_bytes / _GIB:.1f} GiB of disk are left: rounds pause where it is full")
    if status.certificate_days < 0:
        alarms.append(f"The server's certificate has expired: run `fl-server renew` on {status.study} and restart")
    elif status.certificate_days < _FEW_DAYS:
        alarms.append(f"The server's certificate expires in {status.certificate_days} days: run `fl-server renew`")
    return alarms


def _tiles(status: Status) -> list[Tile]:
    score, promoted = status.score, status.promoted_round
    planned = max(status.planned_rounds, status.round)  # `start --rounds` may ask for more than the settings
    failed = {0: "no try failed", 1: "one try failed"}.get(status.failed_rounds, f"{status.failed_rounds} tries failed")
    return [
        Tile(
            "Rounds",
            f"{status.round} of {planned}",
            failed,
            charts.share(status.round / planned),
        ),
        Tile(
            "Average recall",
            f"{score.uar:.3f}" if score else "none yet",
            f"best {score.best_uar:.3f}, {_round(score.best_round)}" if score else "",
        ),
        Tile(
            "Budget spent",
            f"{rounded_up(status.epsilon)} of {rounded_up(status.epsilon_cap)}",
            f"epsilon at delta {scientific(status.delta)}, for the most used device",
            charts.share(status.epsilon / status.epsilon_cap),
        ),
        Tile("Devices enrolled", band(status.devices), f"{band(status.online)} online"),
        Tile(
            "Promoted model",
            "none" if promoted is None else _round(promoted),
            "no model was promoted" if promoted is None else "promoted by the operator",
        ),
        Tile("This machine", f"{status.disk_free_bytes / _GIB:.0f} GiB free", _days(status.certificate_days)),
    ]


def _emotions(rounds: Sequence[RoundSummary], score: Score | None) -> list[Emotion]:
    """In the order of the label scheme. An emotion that the benchmark has none of is left out."""
    scored = [summary for summary in rounds if summary.state != "failed" and summary.f1]
    emotions = []
    for number, name in enumerate(score.f1 if score else ()):
        line = [(summary.round, summary.f1[name]) for summary in scored if name in summary.f1]
        change = line[-1][1] - line[0][1]
        emotions.append(
            Emotion(
                name,
                f"{line[-1][1]:.2f}",
                f"{change:+.2f}".replace("-", "\N{MINUS SIGN}") if len(line) > 1 else "",
                charts.emotion(name, number, line),
            )
        )
    return emotions


def _row(summary: RoundSummary) -> Row:
    start = summary.state == "start"
    return Row(
        round="start" if start else str(summary.round),
        failed=summary.state == "failed",
        asked="" if start else _short(band(summary.asked)),
        accepted="" if start else _short(band(summary.accepted)),
        rejected=", ".join(sorted(summary.rejected)),
        scores=[f"{value:.3f}" for value in (summary.accuracy, summary.uar, summary.macro_f1)],
        epsilon=rounded_up(summary.epsilon),
        seconds="" if start else f"{summary.seconds:.1f}",
    )


def _budget(budget: Budget | None) -> list[Picture]:
    return [budget_by_round(budget), distribution(budget)] if budget else []


def _refused(counts: dict[str, int]) -> list[Counted]:
    most = max(counts.values(), default=1)
    return [
        Counted(reason, REASONS[reason], f"{count:,}", charts.share(count / most)) for reason, count in counts.items()
    ]


def _rejected(rounds: Sequence[RoundSummary]) -> list[Counted]:
    """Updates that did not count, over all rounds: each is one device's, so they are bands."""
    counts: Counter[str] = Counter()
    for summary in rounds:
        counts.update(summary.rejected)
    return [Counted(reason, "", band(count)) for reason, count in counts.most_common()]


def _short(name: Band) -> str:
    """A band for a narrow column."""
    words = {"fewer than 10": "< 10", "500 or more": "500 +"}
    return words.get(name, name.replace(" to ", "\N{EN DASH}"))


def _round(number: int) -> str:
    return f"round {number}" if number else "the start"


def _days(days: int) -> str:
    return f"certificate good for {days} days" if days >= 0 else "certificate expired"
