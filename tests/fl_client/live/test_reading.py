import json
from datetime import UTC, datetime

import numpy as np
import pytest

from fl_client.live.reading import Reading

CLASSES = ("neutral", "happiness", "surprise")


def reading(*probabilities):
    return Reading(CLASSES, np.array(probabilities), 16, True, 2.0, datetime(2026, 9, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("probability", "word"),
    [(0.95, "very likely"), (0.9, "very likely"), (0.89, "likely"), (0.66, "likely"), (0.65, "more likely than not"),
     (0.5, "more likely than not"), (0.49, "unclear")],
)  # fmt: skip
def test_how_sure_it_is_has_a_word_for_each_number(probability, word):
    one = reading((1 - probability) / 2, probability, (1 - probability) / 2)
    assert (one.label, one.probability, one.sure) == ("happiness", probability, word)


def test_it_is_json_as_it_stands():
    facts = json.loads(json.dumps(reading(0.1, 0.2, 0.7).to_dict()))
    assert (facts["label"], facts["probability"], facts["sure"]) == ("surprise", 0.7, "likely")
    assert facts["probabilities"] == {"neutral": 0.1, "happiness": 0.2, "surprise": 0.7}
    assert facts["at"] == "2026-09-01T00:00:00.000+00:00"
