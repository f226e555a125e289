"""The page, Markdown, JSON and the picture say what the facts say."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fl_server.evaluation import facts as models
from fl_server.evaluation.facts import Evaluation
from fl_server.evaluation.pictures import confusion_picture, reliability_picture
from fl_server.evaluation.sections import document_of
from fl_server.evaluation.write import as_html, as_markdown, write
from shared_models.evaluation import (
    bootstrap,
    calibration,
    levels,
    metrics,
    multi_label,
    output_intervals,
    outputs,
    scores,
    values,
)

DOCS = Path(__file__).parents[3] / "docs" / "evaluation.md"


def changed(facts: Evaluation, part: str, **fields: object) -> Evaluation:
    return facts.model_copy(update={part: getattr(facts, part).model_copy(update=fields)})


def test_the_page_loads_nothing_and_runs_nothing(facts) -> None:
    html = as_html(document_of(facts))
    assert html.startswith("<!DOCTYPE html>")
    assert not re.search(r"<(script|link|img|iframe|object|embed|base)\b|https?:|url\(|@import|\son\w+=", html)


@pytest.mark.parametrize("form", [as_html, as_markdown])
def test_every_figure_that_a_reader_looks_for_is_there(facts, form) -> None:
    text = form(document_of(facts))
    whole, fear = facts.metrics, facts.metrics.per_class["disgust"]
    for value in (whole.accuracy, whole.uar, whole.macro_f1, whole.ece, fear.accuracy, fear.precision, fear.f1):
        assert f"{value:.3f}" in text
    for interval in (facts.intervals.accuracy, facts.intervals.per_class["disgust"].f1):
        assert f"{interval.low:.3f} to {interval.high:.3f}" in text
    for value in (facts.baselines.majority.uar, facts.baselines.per_person.accuracy):
        assert f"{value:.3f}" in text
    for words in ("bootstrap over 12 people", "manifest:test.csv", "round 3", facts.model.hash, "cnn-lstm"):
        assert words in text


def test_what_a_reader_must_know_comes_first(facts) -> None:
    same = changed(changed(facts, "selection", same_data=True), "data", trained_on=7, subject_disjoint=False)
    for text in (as_html(document_of(same)), as_markdown(document_of(same))):
        for words in (
            "Choosing and reporting fell on the same split",
            "trained on 7 of the sequences",
            "Some of the",
        ):
            assert 0 < text.index(words) < text.index("Each emotion against the rest")
    assert "same split" not in as_html(document_of(facts))


def test_without_people_there_is_no_column_for_them(facts) -> None:
    nameless = changed(facts, "baselines", per_person=None)
    nameless = changed(nameless, "intervals", unit="sequence", units=120)
    assert "Own mode" not in as_markdown(document_of(nameless))
    assert "bootstrap over 120 sequences" in as_markdown(document_of(nameless))
    assert "since nobody is named" in as_markdown(document_of(nameless))


def test_what_people_typed_is_escaped(facts) -> None:
    attack = '"><script>alert(1)</script>'
    typed = facts.model_copy(update={"study": attack})
    typed = changed(changed(typed, "data", spec=attack, split=attack), "model", training_data=attack)
    named = {attack if name == "fear" else name: value for name, value in typed.metrics.per_class.items()}
    typed = changed(typed, "metrics", per_class=named)
    typed = changed(typed, "intervals", per_class=dict(zip(named, typed.intervals.per_class.values(), strict=True)))
    assert "<script" not in as_html(document_of(typed))


def test_json_is_the_facts(facts, tmp_path) -> None:
    write(document_of(facts), tmp_path / "e.json")
    assert Evaluation.model_validate_json((tmp_path / "e.json").read_bytes()) == facts
    assert {"data", "model", "metrics", "baselines"} <= set(json.loads((tmp_path / "e.json").read_text()))


def test_the_confusion_stands_alone_too(facts, tmp_path) -> None:
    write(document_of(facts), tmp_path / "confusion.svg")
    text = (tmp_path / "confusion.svg").read_text()
    assert "var(" not in text
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    shapes = [element.tag.rpartition("}")[2] for element in root]
    assert shapes.count("rect") == 7 * 7  # the last class is no target, but it is an answer


def test_a_cell_has_its_count_and_the_shade_of_its_share_of_the_row(facts) -> None:
    svg = confusion_picture(facts).svg
    counts = facts.metrics.confusion
    for row in counts:
        for count in row:
            assert not count or f">{count}</text>" in svg
    shares = sorted(count / sum(row) for row in counts if sum(row) for count in row)
    drawn = sorted(float(value) for value in re.findall(r'fill-opacity="([\d.]+)"', svg))
    assert drawn[-1] == pytest.approx(0.5 * shares[-1], abs=1e-3)


def test_whoever_cannot_see_the_pictures_is_told_the_same(facts) -> None:
    confusion, bins = confusion_picture(facts), reliability_picture(facts)
    support = facts.metrics.per_class["anger"].support
    assert f"of anger, {facts.metrics.per_class['anger'].recall:.0%} of {support} right" in confusion.alt
    assert all(f"of {found.sequences}" in bins.alt for found in facts.reliability if found.sequences)
    for drawn in (confusion, bins):
        assert re.search(r'role="img" aria-labelledby="\S+-title \S+-description"', drawn.svg)


def test_classes_that_nobody_has_and_nobody_is_called_are_left_out_of_the_picture(facts) -> None:
    without = [[*row[:-1], 0] for row in facts.metrics.confusion]
    assert "fear" in confusion_picture(facts).svg
    assert "fear" not in confusion_picture(changed(facts, "metrics", confusion=without)).svg


def test_a_model_without_mistakes_has_no_table_of_them(facts) -> None:
    right = [[sum(row) if i == j else 0 for j in range(7)] for i, row in enumerate(facts.metrics.confusion)]
    assert "Most frequent mistakes" in as_markdown(document_of(facts))
    assert "Most frequent mistakes" not in as_markdown(document_of(changed(facts, "metrics", confusion=right)))


def test_an_interval_without_width_is_explained(facts) -> None:
    certain = facts.intervals.per_class | {
        "anger": bootstrap.ClassIntervals(recall=None, f1=bootstrap.Interval(low=1, high=1))
    }
    assert "An interval without width" in as_markdown(document_of(changed(facts, "intervals", per_class=certain)))
    assert "An interval without width" not in as_markdown(document_of(facts))


def test_sections_have_names_of_their_own(facts) -> None:
    assert len({section.id for section in document_of(facts).sections}) == len(document_of(facts).sections)


def test_every_field_is_documented() -> None:
    chapters = {
        title: re.findall(r"^\| (`.*?) \| (.{10,}) \|$", text, re.MULTILINE)
        for title, text in re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", DOCS.read_text(encoding="utf-8"), re.M | re.S)
    }
    documented = {
        "evaluation": models.Evaluation,
        "data": models.Data,
        "model": models.Model,
        "selection": models.Selection,
        "metrics": scores.Scores,
        "per_class": scores.ClassScores,
        "by_subject": metrics.SubjectSpread,
        "intervals": bootstrap.Intervals,
        "baselines": models.Baselines,
        "reliability": calibration.ReliabilityBin,
        "output_evaluation": models.OutputEvaluation,
        "scores": outputs.OutputScores,
        "multi_label": multi_label.MultiLabelScores,
        "label": multi_label.LabelScore,
        "levels": levels.LevelScores,
        "state": levels.StateScore,
        "values": values.ValueScores,
        "dimension": values.ValueScore,
        "output_intervals": output_intervals.OutputIntervals,
    }
    assert chapters.keys() == documented.keys()
    for title, model in documented.items():
        fields = getattr(model, "model_fields", None) or model.__dataclass_fields__
        named = [name for names, _ in chapters[title] for name in re.findall(r"`(\w+)`", names)]
        assert sorted(named) == sorted(fields), title
