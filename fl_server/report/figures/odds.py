"""The icon array behind the odds sentence, and the ladder of units."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from fl_server.report.blocks import Picture
from fl_server.report.document import Claim
from fl_server.report.numbers import rounded_up
from fl_server.report.svg import AMBER, BLUE, GRID, INK, MUTED, PAPER, Point, box, path, picture, text
from shared_models.privacy.odds import Odds

_ICONS_A_ROW = 25
_PITCH = 25
_PERSON = "M0,-9 a4.2,4.2 0 1 0 .01,0 Z M-6,9 v-5 a6,6 0 0 1 12,0 v5 Z"


def icon_array(odds: Odds) -> Picture:
    """One small figure for each guess: right by chance, right thanks to the data, wrong."""
    fills = [BLUE] * odds.by_coin + [AMBER] * odds.gained + [PAPER] * odds.wrong
    parts = []
    for i, fill in enumerate(fills):
        row, column = divmod(i, _ICONS_A_ROW)
        parts.append(_person((18 + _PITCH * column, 18 + _PITCH * row), fill))
    legend = (
        (BLUE, f"{odds.by_coin} right", "as by tossing a coin"),
        (AMBER, f"at most {odds.gained} more right", "thanks to what the study sends"),
        (PAPER, f"at least {odds.wrong} wrong", "even for the best guesser"),
    )
    for column, (fill, count, meaning) in enumerate(legend):
        x = 18 + (0, 170, 420)[column]
        parts.append(_person((x, 136), fill))
        parts.append(text((x + 18, 134), count, colour=INK, bold=True))
        parts.append(text((x + 18, 150), meaning))
    description = "; ".join(f"{count} {meaning}" for _, count, meaning in legend)
    title = f"Of {odds.out_of} guesses, how many the best guesser gets right"
    return picture("odds", (640, 160), title, description, parts)


def ladder(claims: Sequence[Claim]) -> Picture:
    """What is promised for a frame, a sequence and a person, from the claims against the server; the shorter the bar
    the stronger, and open to the right where nothing is promised."""
    against_server = {claim.unit: claim for claim in claims if claim.observer == "server"}
    sequence = against_server["sequence"]
    rungs: list[tuple[str, str, Claim | None]] = [
        ("one video frame", "hidden with its recording", sequence if sequence.overlap == 1 else None),
        ("one recording", "a few seconds", sequence),
        ("a whole person", "all that they contributed", against_server.get("participant")),
    ]
    left, width, pitch = 190.0, 340.0, 52
    largest = max([1.0, *(claim.epsilon or 0.0 for _, _, claim in rungs if claim)])
    parts: list[Markup] = []
    words = []
    for row, (unit, note, claim) in enumerate(rungs):
        y = 14 + pitch * row
        parts.append(text((left - 14, y + 14), unit, anchor="end", colour=INK, bold=True))
        parts.append(text((left - 14, y + 30), note, anchor="end"))
        if claim is None or not claim.stated or claim.epsilon is None:
            parts.append(box((left, y), width + 90, 22, GRID))
            parts.append(text((left + 10, y + 16), "no limit: nothing is promised", colour=AMBER, bold=True))
            words.append(f"{unit}: nothing is promised")
            continue
        long = width * math.log1p(claim.epsilon) / math.log1p(largest)
        parts.append(box((left, y), max(long, 3.0), 22, BLUE))
        parts.append(text((left + max(long, 3.0) + 8, y + 16), f"epsilon {rounded_up(claim.epsilon)}", colour=INK))
        words.append(f"{unit}: epsilon {rounded_up(claim.epsilon)}")
    parts.append(path([(left, 4), (left, 8 + pitch * len(rungs))], MUTED, width=1))
    description = "; ".join(words) + ". The bars' lengths are logarithmic."
    return picture("ladder", (640, 16 + pitch * len(rungs)), "What is promised, by unit", description, parts)


def _person(at: Point, fill: str) -> Markup:
    return Markup('<path transform="translate({:.0f} {:.0f})" d="{}" fill="{}" stroke="{}"/>').format(
        *at, _PERSON, fill, MUTED if fill == PAPER else fill
    )
