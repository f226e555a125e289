from pathlib import Path

import pytest
from pydantic import BaseModel

from shared_models.evaluation import comparison

DOCS = (Path(__file__).parents[3] / "docs" / "comparison.md").read_text(encoding="utf-8")
FACTS = (
    comparison.Comparison,
    comparison.SameTraining,
    comparison.ComparedModel,
    comparison.ComparedRun,
    comparison.EmotionScore,
    comparison.Difference,
    comparison.Estimate,
)


@pytest.mark.parametrize("facts", FACTS)
def test_every_field_is_documented_as_it_is_meant(facts: type[BaseModel]) -> None:
    assert all(f"| `{name}` | {field.description} |" in DOCS for name, field in facts.model_fields.items())
