"""Examples with what the model looked at: pictures on the page alone, facts and table without pictures or people."""

import base64
import json
import re

import cv2
import numpy as np
import pytest
import torch

from fl_server.evaluation.explaining import Examples, example_pictures, examples_sheet, explain_surest
from shared_models.data.synthetic.sequences import render_sequences
from shared_models.networks.registry import build_model
from shared_models.networks.starter import initial_model


@pytest.fixture(scope="module")
def sequences():
    return render_sequences(1, "basic-7", seed=3, people=[2050])


@pytest.fixture(scope="module")
def explained(sequences):
    model, _, _ = initial_model("starter", "cnn-lstm", "basic-7", sequences.frames.shape[1:])
    probabilities = np.eye(7)[sequences.labels]
    probabilities[1] = np.roll(probabilities[1], 2)  # happiness, called sadness
    return explain_surest(model, sequences, probabilities, most=5)


def test_the_facts_are_json_that_names_nobody(explained, sequences):
    facts = explained
    assert [(one.index, one.true, one.answer) for one in facts.examples[:2]] == [
        (0, "neutral", "neutral"),
        (1, "happiness", "sadness"),
    ]
    assert len(facts.examples) == len(facts.strips) == 5
    assert all(sum(one.attention) == pytest.approx(1) for one in facts.examples)
    written = facts.model_dump_json()
    assert Examples.model_validate_json(written) == facts.model_copy(update={"strips": []})
    assert sequences.subjects[0] not in written
    assert max(map(len, re.findall(r'"[^"]*"', written))) < 20
    assert set(json.loads(written)["examples"][0]) == set(facts.examples[0].__class__.model_fields)


def test_a_picture_holds_its_strip_and_says_it_in_words(explained):
    wrong = example_pictures(explained)[1]
    assert wrong.title.startswith("Sequence 1: called sadness at ")
    assert wrong.title.endswith(", but it is happiness")
    assert re.search(r"16 frames.* Most heat: \w+ \w+\. Attention over time: \d+%", wrong.alt)
    [png] = re.findall(r'href="data:image/png;base64,([^"]+)"', wrong.svg)
    assert base64.b64decode(png) == explained.strips[1]
    assert cv2.imdecode(np.frombuffer(explained.strips[1], np.uint8), cv2.IMREAD_COLOR).shape == (268, 840, 3)


def test_the_table_has_a_row_an_example(explained):
    sheet = examples_sheet(explained)
    assert [row[:3] for row in sheet.rows[:2]] == [("0", "neutral", "neutral"), ("1", "happiness", "sadness")]
    assert all(len(row) == len(sheet.headings) for row in sheet.rows)


def test_a_model_without_maps_is_explained_by_time_alone(sequences):
    torch.manual_seed(0)
    model = build_model("rnn", 7)
    found = explain_surest(model, sequences, np.eye(7)[sequences.labels], most=1)
    assert found.examples[0].place is None
    assert "none" in examples_sheet(found).rows[0]
