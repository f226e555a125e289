import ast
import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import fl_server.report
from fl_server.report.content.page import report_page
from fl_server.report.document import Report
from fl_server.report.html import render_html

PACKAGE = Path(fl_server.report.__file__).parent
FIGURES_OF_THE_PROMISE = (
    "7.88",
    "1.23",
    "7.87",
    "7.89",
    "7.77",
    "6.66",
    "1.11",
    "4.44",
    "6.06",
    "6.96",
    "10⁻⁷",
)


class Page(HTMLParser):
    """The page's tags with their attributes, and its words without tags and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._words: list[str] = []
        self._in_style = False
        self.feed(html)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self._words.append(data)


def render(fields: dict[str, Any]) -> str:
    return render_html(report_page(Report.model_validate(fields)))


def test_a_promise_that_holds_is_shown_with_its_figures(fields: dict[str, Any]) -> None:
    html = render(fields)
    for figure in FIGURES_OF_THE_PROMISE:
        assert figure in html


@pytest.mark.usefixtures("break_main_claim")
def test_a_broken_promise_prints_no_guarantee_and_no_number(fields: dict[str, Any]) -> None:
    html = render(fields)

    for figure in FIGURES_OF_THE_PROMISE:
        assert figure not in html
    text = Page(html).text
    assert "There is no guarantee. The same pictures were used twice" in text
    assert "times in" not in text
    assert [tag for tag, _ in Page(html).tags].count("svg") == 2  # the benchmark, and the ladder without an end


def test_the_page_trusts_the_status_and_not_that_the_numbers_are_gone(fields: dict[str, Any]) -> None:
    document = Report.model_validate(fields)
    unchecked = document.claims[0].model_copy(update={"status": "assumption_broken"})

    html = render_html(report_page(document.model_copy(update={"claims": [unchecked]})))

    for figure in FIGURES_OF_THE_PROMISE:
        assert figure not in html


def test_a_claim_not_made_prints_its_reason_beside_one_that_holds(fields: dict[str, Any]) -> None:
    assert "no guarantee nothing hides a whole person" in Page(render(fields)).text


def test_a_simulated_promise_says_so_beside_its_number(fields: dict[str, Any]) -> None:
    fields["claims"][0]["status"] = "simulated"
    text = Page(render(fields)).text
    assert "simulated, enforced by no device" in text
    assert "This figure comes from a simulation" in text


def test_the_odds_sentence_and_its_icons_agree(fields: dict[str, Any]) -> None:
    html = render(fields)
    text = Page(html).text

    assert "Tossing a coin is right 50 times in 100" in text
    assert "the best guesser is right at most 74 times in 100" in text  # Phi(1.23 / 2) = .731
    assert "at most 24 more right" in text
    assert html.count('<path transform="translate') == 100 + 3


def test_the_lay_page_comes_first_and_the_evidence_last(fields: dict[str, Any]) -> None:
    text = Page(render(fields)).text
    order = [
        "What leaves the laptop",
        "What could be found out",
        "What is not protected",
        "How to leave",
        "What is promised",
        "Hash of the last entry",
    ]
    assert sorted(order, key=text.index) == order


def test_the_page_is_self_contained(fields: dict[str, Any]) -> None:
    html = render(fields)

    assert html.startswith("<!DOCTYPE html>")
    for tag, attributes in Page(html).tags:
        assert tag not in ("script", "link", "img", "iframe", "object", "embed", "base")
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset", "style")]
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"https?:|//\w|url\(|@import|javascript:", html)


def test_what_people_typed_is_escaped_in_text_and_pictures(fields: dict[str, Any]) -> None:
    attack = '"><script>alert(1)</script>'
    fields["study"]["title"] = attack
    for scores in (fields["utility_bias"]["before"], fields["utility_bias"]["after"]):
        scores["per_class"][attack] = scores["per_class"].pop("neutral")

    html = render(fields)

    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 4


def test_a_reader_of_any_kind_finds_their_way(fields: dict[str, Any]) -> None:
    tags = Page(render(fields)).tags
    names = Counter(tag for tag, _ in tags)
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]

    assert ("html", {"lang": "en"}) in tags
    assert names["h1"] == 1
    assert names["table"] == names["caption"]
    assert all("scope" in attributes for tag, attributes in tags if tag == "th")
    assert len(ids) == len(set(ids))
    pictures = [attributes for tag, attributes in tags if tag == "svg"]
    assert len(pictures) == 8
    for attributes in pictures:
        assert attributes["role"] == "img"
        assert set((attributes["aria-labelledby"] or "").split()) <= set(ids)
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h\d", tag)]
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_templates_and_texts_hold_no_figures_of_their_own() -> None:
    html = (PACKAGE / "templates" / "page.html.j2").read_text(encoding="utf-8")
    words = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|<[^>]*>", " ", html, flags=re.DOTALL)
    assert not re.findall(r"(?<![A-Za-z])\d", words)
    typst = (PACKAGE / "templates" / "page.typ").read_text(encoding="utf-8")
    strings = set(re.findall(r'"([^"]*)"', re.sub("//.*", "", typst)))
    assert {text for text in strings if re.search(r"\d", text)} <= {"a4", "1 / 1"} | set(re.findall(r"#\w{6}", typst))
    for module in (PACKAGE / "content").glob("*.py"):
        tree = ast.parse(module.read_text(encoding="utf-8"))
        formats = {id(node.format_spec) for node in ast.walk(tree) if isinstance(node, ast.FormattedValue)}
        specs = {id(inner) for node in ast.walk(tree) if id(node) in formats for inner in ast.walk(node)}
        texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in specs]
        assert not [text for text in texts if isinstance(text, str) and re.search(r"(?<![A-Za-z_])\d", text)], (
            module.name
        )


def test_it_says_plainly_that_it_is_a_simulation(fields: dict[str, Any]) -> None:
    sentence = "This federation runs as a research simulation with synthetic data."
    assert sentence in Page(render(fields)).text

    fields["legal"]["purpose"] = "scientific research"
    assert sentence not in Page(render(fields)).text


def test_a_simulation_on_recorded_people_is_not_called_synthetic(fields: dict[str, Any]) -> None:
    fields["data"]["synthetic"] = False
    text = Page(render(fields)).text
    assert "This federation runs as a research simulation." in text
    assert "Nobody was filmed" not in text


def test_it_is_a_draft_until_the_ledger_is_verified(fields: dict[str, Any]) -> None:
    assert "Draft: the ledger has not been verified" in render(fields)

    fields["ledger"]["verification"] = "verified"
    signature = {"public_key": "0" * 64, "value": "0" * 128}
    fields["report"] |= {"status": "final", "signature": signature}
    html = render(fields)
    assert "Final: the ledger is verified" in html
    assert "Draft" not in html


@pytest.mark.usefixtures("break_main_claim")
def test_alerts_are_the_first_lines(fields: dict[str, Any]) -> None:
    fields["ledger"]["verification"] = "failed"
    fields["report"]["alerts"] = ["The ledger does not verify. Entry twelve was changed."]
    first = Page(render(fields)).text.split("Report seminar-report")[0]
    assert "Draft: the ledger does not verify" in first
    assert "The ledger does not verify. Entry twelve was changed." in first


def test_what_must_and_must_not_be_said(fields: dict[str, Any]) -> None:
    html = render(fields)
    assert html.count("Spent budget is never refunded") >= 2
    assert "anonymous" not in html.lower()


def test_each_round_is_listed_with_a_band_of_devices(fields: dict[str, Any]) -> None:
    text = Page(render(fields)).text
    assert "1 5 3 1 4.44 fewer than 10 2 5 3 1 6.66 fewer than 10" in text


def test_a_class_outside_the_benchmark_has_no_scores(fields: dict[str, Any]) -> None:
    text = Page(render(fields)).text
    assert "fear none not in the benchmark" in text
    assert "happiness 3 0.500 → 1.000 0.333 → 0.667 0.400 → 0.800 +0.400" in text


def test_the_audits_figures_are_shown_beside_the_claim(fields: dict[str, Any]) -> None:
    assert "No audit of the noise was carried out" in Page(render(fields)).text
    fields["audit"] = {
        "date": "2026-10-01",
        "method": "planted gradients",
        "canaries": 1000,
        "mu": 1.1,
        "mu_low": 0.9,
        "mu_high": 1.3,
        "epsilon_low": 2.5,
        "points": [{"false_alarms": 0.1, "detected": 0.3}],
        "settings": "as in the study",
        "limits": ["cannot show that no more is spent"],
    }
    text = Page(render(fields)).text
    assert "1.10, from 0.90 to 1.30" in text
    assert "cannot show that no more is spent" in text


def test_the_answers_of_the_gate_and_its_sources_are_shown(fields: dict[str, Any]) -> None:
    text = Page(render(fields)).text
    assert "Who sees it? nobody" in text
    assert "warn take care a law" in text
    assert "Ada, 2026-09-01" in text


def test_every_number_of_the_page_names_its_record(fields: dict[str, Any]) -> None:
    text = Page(render(fields)).text
    assert "Figures from: the policy." in text
    assert "claims[].epsilon the policy recomputed" in text
