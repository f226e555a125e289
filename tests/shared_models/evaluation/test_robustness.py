import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import BaseModel
from torch import nn

from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import Sequences
from shared_models.evaluation.benchmark import Benchmark
from shared_models.evaluation.corruptions import CORRUPTIONS
from shared_models.evaluation.groups import Trait
from shared_models.evaluation.robustness import Robustness, measure_robustness, robustness_sheet
from shared_models.networks.model import EmotionModel

SCHEME = scheme_by_name("basic-7")
CLASSES = len(SCHEME.classes)
PAGE = Path(__file__).parents[3] / "docs" / "robustness.md"


class ReadsBrightness(EmotionModel):
    """Knows the class from the brightness: nothing but light and what covers the face can lead it astray."""

    def __init__(self) -> None:
        super().__init__("test", nn.Identity(), nn.Identity(), nn.Identity())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        brightness = x.mean(dim=(1, 2, 3, 4)) * 255
        return -(brightness[:, None] / 30 - torch.arange(1, CLASSES + 1)).abs()


@pytest.fixture(scope="module")
def data() -> Sequences:
    """Seven people with one flat sequence of each class; a class is one step of brightness."""
    labels = np.tile(np.arange(CLASSES), 7)
    pixels = (30 * (labels + 1)).astype(np.uint8)[:, None, None, None, None]
    frames = np.broadcast_to(pixels, (len(labels), 3, 1, 48, 48)).copy()
    subjects = tuple(f"p{i}" for i in range(7) for _ in range(CLASSES))
    targets = np.eye(CLASSES, dtype=np.float32)[labels]
    return Sequences(SCHEME, frames, targets, subjects, ("",) * len(labels))


def measure(data: Sequences, **options: Any) -> Robustness:
    model = ReadsBrightness()
    return measure_robustness(model, data, Benchmark(data).probabilities(model), **options)


@pytest.fixture(scope="module")
def facts(data: Sequences) -> Robustness:
    return measure(data)


def test_the_clean_row_is_the_benchmark_score(data: Sequences, facts: Robustness) -> None:
    metrics = Benchmark(data).score(ReadsBrightness())
    assert facts.clean.model_dump() == {name: getattr(metrics, name) for name in ("accuracy", "uar", "macro_f1", "ece")}
    assert (facts.sequences, facts.unit, facts.units) == (49, "subject", 7)


def test_each_corruption_is_scored_and_only_what_it_changes_is_lost(facts: Robustness) -> None:
    assert [(part.slice, part.severity) for part in facts.slices] == [(c.slice, c.severity) for c in CORRUPTIONS]
    for part in facts.slices:
        loses = part.slice in ("low light", "occlusion")
        assert (part.scores.uar < 1) == loses, part.slice
        assert part.change.uar.value == pytest.approx(part.scores.uar - facts.clean.uar)
        assert part.change.macro_f1.value == pytest.approx(part.scores.macro_f1 - facts.clean.macro_f1)
        assert part.change.ece == pytest.approx(part.scores.ece - facts.clean.ece)
        assert part.change.uar.low is not None
        assert part.change.uar.low <= part.change.uar.value + 1e-9


def test_lost_frames_are_left_out_for_stills_and_that_is_said(data: Sequences) -> None:
    stills = measure(data, stills=True)
    assert [part.slice for part in stills.slices].count("dropped frames") == 0
    assert len(stills.slices) == len(CORRUPTIONS) - 2
    assert "cannot matter for stills" in robustness_sheet(stills).note


def test_progress_counts_every_pass(data: Sequences) -> None:
    steps: list[tuple[str, int, int]] = []
    measure(data.take([0, 1]), progress=lambda *step: steps.append(step))
    total = 2 * len(CORRUPTIONS)
    assert steps == [("robustness", done, total) for done in range(2, total + 1, 2)]


def test_the_sheet_has_a_row_a_slice_below_the_clean_one(facts: Robustness) -> None:
    sheet = robustness_sheet(facts)
    assert sheet.rows[0] == ("clean", "-", "1.000", "1.000", "-", "-")
    assert sheet.rows[2][:2] == ("low light", "gain 0.2, noise 8")
    assert sheet.rows[2][4:] == ("-0.857", "-0.857 to -0.857")
    assert sheet.rows[3] == ("blur", "sigma 1 px", "1.000", "1.000", "+0.000", "+0.000 to +0.000")
    assert "over 7 people" in sheet.note


def test_one_sequence_of_nobody_known_has_no_interval(data: Sequences) -> None:
    one = measure(data.take([3]))
    assert one.slices[0].change.uar.low is None
    assert robustness_sheet(one).rows[1][5] == "-"


def test_facts_are_json_and_come_back(facts: Robustness) -> None:
    assert Robustness.model_validate(json.loads(facts.model_dump_json())) == facts


@pytest.mark.parametrize("facts", [Robustness, Trait])
def test_the_page_lists_every_field_and_each_says_what_it_is(facts: type[BaseModel]) -> None:
    page, schema = PAGE.read_text(encoding="utf-8"), facts.model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        for name, field in part["properties"].items():
            assert "description" in field, name
            assert re.search(rf"^\| `([\w.\[\]]+\.)?{name}(\[\])?`", page, re.MULTILINE), name


def test_the_page_lists_every_severity() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for corruption in CORRUPTIONS:
        assert f"| {corruption.slice} | {corruption.severity} |" in page
