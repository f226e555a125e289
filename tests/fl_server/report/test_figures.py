import re
from typing import Any

import pytest

from fl_server.report import Report
from fl_server.report.figures import budget_by_round, trade_off
from fl_server.report.svg import AMBER, BLUE, INK, MUTED, WHITE, ticks


def lines(svg: str, colour: str) -> list[list[tuple[float, float]]]:
    found = re.findall(rf'points="([^"]+)" fill="none" stroke="{colour}"', svg)
    return [[(float(x), float(y)) for x, y in (point.split(",") for point in line.split())] for line in found]


def test_the_budget_only_ever_rises_and_stays_under_its_cap(fields: dict[str, Any]) -> None:
    svg = str(budget_by_round(Report.model_validate(fields).ledger))
    spent, cap = lines(svg, BLUE)[0], lines(svg, AMBER)[0]

    heights = [y for _, y in spent]  # picture units grow downwards
    assert heights == sorted(heights, reverse=True)
    assert len(set(heights)) == 3  # nothing, after the first round, after the second
    assert min(heights) > cap[0][1]
    assert "cap 7.77" in svg
    assert "spent 6.66" in svg


def test_the_two_labels_never_cover_each_other(fields: dict[str, Any]) -> None:
    fields["ledger"] |= {"cap": 6.67}
    svg = str(budget_by_round(Report.model_validate(fields).ledger))
    cap, spent = (re.search(rf'y="([^"]+)"[^>]*>{word} ', svg) for word in ("cap", "spent"))
    assert cap is not None
    assert spent is not None
    assert float(spent[1]) - float(cap[1]) >= 16


def test_a_federation_that_has_not_begun_has_a_flat_line(fields: dict[str, Any]) -> None:
    fields["ledger"] |= {"debits": [], "spent": 0}
    spent = lines(str(budget_by_round(Report.model_validate(fields).ledger)), BLUE)[0]
    assert len({y for _, y in spent}) == 1


def test_an_overdrawn_budget_is_drawn_above_the_cap_and_not_cut_off(fields: dict[str, Any]) -> None:
    ledger = Report.model_validate(fields).ledger.model_copy(update={"cap": 5.0})
    svg = str(budget_by_round(ledger))
    assert 0 < min(y for _, y in lines(svg, BLUE)[0]) < lines(svg, AMBER)[0][0][1]


@pytest.mark.parametrize(("epsilon", "mu", "gap"), [(8, 1.6660, "0.60"), (2.80, None, "0.89"), (1.20, None, "0.54")])
def test_the_trade_off_marks_the_advantage(epsilon: float, mu: float | None, gap: str) -> None:
    assert f"the widest gap, {gap}" in trade_off(epsilon, 1e-5, mu)


@pytest.mark.parametrize(
    ("top", "expected"), [(1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (8.5, [0, 2, 4, 6, 8]), (0.03, [0, 0.005, 0.01])]
)
def test_ticks_are_round_and_few(top: float, expected: list[float]) -> None:
    assert ticks(top)[: len(expected)] == pytest.approx(expected)
    assert len(ticks(top)) <= 7


@pytest.mark.parametrize("colour", [INK, MUTED, BLUE, AMBER])
def test_words_stand_out_from_the_page(colour: str) -> None:
    """WCAG 2.1, 1.4.3: at least 4.5 to 1."""
    assert (luminance(WHITE) + 0.05) / (luminance(colour) + 0.05) >= 4.5


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
