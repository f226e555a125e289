import re
from pathlib import Path
from typing import Any

import pytest

import fl_server.report
from fl_server.report.document import Report
from fl_server.report.figures.budget import budget_by_round, distribution, forecast
from fl_server.report.figures.curves import epsilon_delta, trade_off
from fl_server.report.figures.odds import ladder
from fl_server.report.svg import AMBER, BLUE, GRID, INK, MUTED, PALE, PAPER, on_paper, ticks


def lines(svg: str, colour: str) -> list[list[tuple[float, float]]]:
    found = re.findall(rf'points="([^"]+)" fill="none" stroke="{re.escape(colour)}"', svg)
    return [[(float(x), float(y)) for x, y in (point.split(",") for point in line.split())] for line in found]


def test_the_budget_only_ever_rises_and_stays_under_its_cap(fields: dict[str, Any]) -> None:
    svg = budget_by_round(Report.model_validate(fields).ledger).svg
    spent, cap = lines(svg, BLUE)[0], lines(svg, AMBER)[0]

    heights = [y for _, y in spent]  # picture units grow downwards
    assert heights == sorted(heights, reverse=True)
    assert len(set(heights)) == 3  # nothing, after the first round, after the second
    assert min(heights) > cap[0][1]
    assert "cap 7.77" in svg
    assert "spent 6.66" in svg


def test_the_two_labels_never_cover_each_other(fields: dict[str, Any]) -> None:
    fields["ledger"] |= {"cap": 6.67}
    svg = budget_by_round(Report.model_validate(fields).ledger).svg
    cap, spent = (re.search(rf'y="([^"]+)"[^>]*>{word} ', svg) for word in ("cap", "spent"))
    assert cap is not None
    assert spent is not None
    assert float(spent[1]) - float(cap[1]) >= 16


def test_a_federation_that_has_not_begun_has_a_flat_line(fields: dict[str, Any]) -> None:
    fields["ledger"] |= {"debits": [], "spent": 0}
    spent = lines(budget_by_round(Report.model_validate(fields).ledger).svg, BLUE)[0]
    assert len({y for _, y in spent}) == 1


def test_an_overdrawn_budget_is_drawn_above_the_cap_and_not_cut_off(fields: dict[str, Any]) -> None:
    ledger = Report.model_validate(fields).ledger.model_copy(update={"cap": 5.0})
    svg = budget_by_round(ledger).svg
    assert 0 < min(y for _, y in lines(svg, BLUE)[0]) < lines(svg, AMBER)[0][0][1]


def test_the_forecast_runs_to_the_cap_and_marks_what_is_behind(fields: dict[str, Any]) -> None:
    picture = forecast(Report.model_validate(fields).ledger)
    whole, behind = lines(picture.svg, BLUE)
    assert len(whole) == 4
    assert behind == whole[:3]
    assert "7.76" in picture.alt


def test_the_distribution_shows_bands_and_no_counts(fields: dict[str, Any]) -> None:
    svg = distribution(Report.model_validate(fields).ledger).svg
    assert "6.06 to 6.96" in svg
    assert "fewer than 10" in svg


def test_a_federation_in_which_nobody_spent_says_so(fields: dict[str, Any]) -> None:
    fields["ledger"]["devices_by_spent"] = []
    assert "no device has spent anything" in distribution(Report.model_validate(fields).ledger).svg


def test_the_trade_off_says_how_far_it_lies_above_guessing(fields: dict[str, Any]) -> None:
    claim = Report.model_validate(fields).claims[0]
    assert "never more than 0.47<" in trade_off(claim).svg
    assert ">above guessing.<" in trade_off(claim).svg
    assert "audit" not in trade_off(claim).svg
    audited = trade_off(claim, claim.trade_off[:2])
    assert "what the audit&#39;s attack found" in audited.svg
    assert audited.svg.count("<rect") == 3  # two points and the legend's


def test_the_curve_marks_what_is_claimed(fields: dict[str, Any]) -> None:
    picture = epsilon_delta(Report.model_validate(fields).claims[0])
    assert "claimed: 7.88" in picture.svg
    assert "3 \N{MULTIPLICATION SIGN} 10⁻⁷" in picture.alt


def test_the_ladder_has_no_end_where_nothing_is_promised(fields: dict[str, Any]) -> None:
    fields["claims"][1]["observer"] = "server"
    picture = ladder(Report.model_validate(fields).claims)
    assert picture.svg.count("epsilon 7.88") == 2 + 2  # frame and sequence, each in the picture and in its description
    assert picture.svg.count("no limit: nothing is promised") == 1


def test_a_frame_in_several_recordings_is_not_hidden_with_one(fields: dict[str, Any]) -> None:
    fields["claims"][0]["overlap"] = 2
    assert "one video frame: nothing is promised" in ladder(Report.model_validate(fields).claims).alt


@pytest.mark.parametrize(
    ("top", "expected"), [(1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (8.5, [0, 2, 4, 6, 8]), (0.03, [0, 0.005, 0.01])]
)
def test_ticks_are_round_and_few(top: float, expected: list[float]) -> None:
    assert ticks(top)[: len(expected)] == pytest.approx(expected)
    assert len(ticks(top)) <= 7


def palettes() -> list[dict[str, str]]:
    """The colours by name of the light page and of the dark one."""
    css = (Path(fl_server.report.__file__).parent / "templates" / "page.css").read_text(encoding="utf-8")
    found = [dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in re.findall(r":root {(.*?)}", css, re.DOTALL)]
    assert len(found) == 2
    return found


@pytest.mark.parametrize("palette", palettes(), ids=["light", "dark"])
@pytest.mark.parametrize("colour", ["ink", "muted", "blue", "amber"])
@pytest.mark.parametrize("ground", ["paper", "soft"])
def test_words_stand_out_from_the_page(palette: dict[str, str], colour: str, ground: str) -> None:
    """WCAG 2.1, 1.4.3: at least 4.5 to 1."""
    lighter, darker = sorted((luminance(palette[colour]), luminance(palette[ground])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_every_colour_of_the_pictures_has_both_values_and_one_for_paper() -> None:
    for colour in (INK, MUTED, GRID, BLUE, PALE, AMBER, PAPER):
        name = colour.removeprefix("var(--").removesuffix(")")
        assert all(name in palette for palette in palettes())
        assert re.fullmatch(r"#[0-9a-f]{6}", on_paper(colour))


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
