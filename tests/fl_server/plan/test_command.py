"""`fl-server plan`: on a terminal, as JSON, as a page."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fl_server import cli
from fl_server.plan.document import Plan
from fl_server.plan.page import plan_page
from fl_server.report.html import render_html

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "plan.md"


@pytest.fixture
def run(leave):
    return lambda *arguments: leave(cli.run, "plan", *arguments)


def test_json_is_the_plan_and_nothing_else(run, folder, capsys) -> None:
    assert run(folder.root, "--devices", 20, "--json") == 0
    plan = Plan.model_validate(json.loads(capsys.readouterr().out))
    assert (plan.devices, plan.cap_in_round, plan.claims[0].costs[-1].epsilon) == (20, 6, 7.9998)


def test_every_field_is_documented() -> None:
    chapter = DOCUMENTATION.read_text(encoding="utf-8").split("## Fields")[1].split("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", chapter))
    schema = Plan.model_json_schema()
    parts = [schema, *schema["$defs"].values()]
    assert {name for part in parts for name in part.get("properties", {})} <= named


def test_the_terminal_shows_costs_cap_odds_and_usefulness(run, folder, capsys) -> None:
    assert run(folder.root, "--devices", 20) == 0
    text = " ".join(capsys.readouterr().out.split())
    for words in (
        "in round 6 of 6 at the earliest",
        "the best guesser is right at most 80 times in 100",
        "One participant, against the server: no guarantee",
        "expected of this plan 0.82",
        "epsilon 1: 50; epsilon 2: 5",
    ):
        assert words in text
    assert "Warning" not in text


def test_the_page_says_the_same_and_loads_nothing(run, folder, tmp_path, capsys) -> None:
    path = tmp_path / "plan.html"
    assert run(folder.root, "--devices", 2, "--out", path) == 0
    html = path.read_text(encoding="utf-8")
    for words in ("Emotion recognition", "80 times in 100", "No guarantee", "12.26", "0.76 (0.71)", "cap 8.00"):
        assert words in html
    assert html.count("<svg") == 3
    assert not re.search(r"<script|(src|href)=\"(?!#)", html)


def test_a_participants_page_draws_both_promises_and_no_usefulness(planned) -> None:
    html = render_html(plan_page(planned(20, unit="participant", update_clip=0.1)))
    assert "96 times in 100" in html
    assert ">against the server<" in html
    assert ">against the others<" in html
    assert "No simulated study is of this kind" in html
    assert "plan-utility" not in html


def test_a_page_without_any_promise_shows_no_odds(planned) -> None:
    html = render_html(plan_page(planned(20_000, unit="participant", update_clip=0.1)))
    assert "of 100" not in html
    assert "No guarantee" in html


def test_a_pdf_is_written(run, folder, tmp_path, capsys) -> None:
    assert run(folder.root, "--out", tmp_path / "plan.pdf") == 0
    assert (tmp_path / "plan.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(("out", "code"), [("plan.docx", 2), ("missing/../file/plan.html", 20)])
def test_a_page_that_cannot_be_written_is_refused(run, folder, tmp_path, capsys, out, code) -> None:
    (tmp_path / "file").write_text("")
    assert run(folder.root, "--out", tmp_path / out) == code
    assert capsys.readouterr().err.startswith("error: ")


def test_the_legal_gate_speaks_before_anybody_is_asked(run, folder, capsys) -> None:
    text = folder.settings.read_text(encoding="utf-8")
    folder.settings.write_text(re.sub(r'purpose = ".*"', 'purpose = "scientific research"', text), encoding="utf-8")
    page = folder.root / "plan.html"
    assert run(folder.root, "--out", page) == 0
    assert "Legal gate, refuse: study." in capsys.readouterr().out
    assert "refuse: study." in page.read_text(encoding="utf-8")


def test_the_command_is_there_without_opacus() -> None:
    program = (
        "import sys, fl_server.cli, fl_server.plan.make, fl_server.plan.show, fl_server.plan.write;"
        "sys.exit('opacus' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
