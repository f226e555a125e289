import re
from pathlib import Path

import numpy as np
import pytest
import torch

from fl_server.pretraining.recipe import Recipe, recipe_with
from shared_models import losses
from shared_models.errors import UsageError

DOCS = Path(__file__).parents[3] / "docs" / "pretraining.md"
LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 3.0]])
VOTES = torch.tensor([[0.7, 0.1, 0.2], [0.0, 0.0, 1.0]])
RARE = np.repeat(np.eye(3, dtype=np.float32), [90, 9, 1], axis=0)


def test_every_entry_is_documented_with_its_default() -> None:
    documented: dict[str, str] = {}
    for line in DOCS.read_text(encoding="utf-8").splitlines():
        cells = [re.findall(r"`([^`]+)`", cell) for cell in line.split("|")[1:-1]]
        if len(cells) == 4 and cells[0]:
            documented |= dict(zip(cells[0], cells[2], strict=True))
    defaults = {name: str(value).lower() if isinstance(value, bool) else value for name, value in Recipe()}
    expected = {name: f'"{value}"' if name == "loss" else str(value) for name, value in defaults.items()}
    assert documented == expected


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({}, losses.cross_entropy(LOGITS, VOTES)),
        ({"smoothing": 0.2}, losses.cross_entropy(LOGITS, losses.smoothed(VOTES, 0.2))),
        ({"loss": "focal", "focal_gamma": 1.0}, losses.focal(LOGITS, VOTES, 1.0)),
        (
            {"loss": "margin", "largest_margin": 0.3},
            losses.margin(LOGITS, VOTES, losses.rare_margins(np.array([90, 9, 1]), 0.3)),
        ),
        (
            {"balance": 0.99},
            losses.cross_entropy(LOGITS, VOTES, losses.balanced_weights(np.array([90.0, 9, 1]), 0.99)),
        ),
    ],
)
def test_the_loss_is_the_one_asked_for(entries: dict[str, object], expected: torch.Tensor) -> None:
    torch.testing.assert_close(recipe_with(entries).loss_for(RARE)(LOGITS, VOTES), expected)


@pytest.mark.parametrize("entries", [{"epochs": 3}, {"loss": "hinge"}, {"batch": 0}, {"frame_drop": 1.0}])
def test_a_wrong_entry_is_named(entries: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=rf"entry {next(iter(entries))} is wrong.*pretraining\.md"):
        recipe_with(entries)
