"""docs/models.md says of each model what is so."""

from pathlib import Path

import pytest
import torch

from shared_models.networks.cards import Card, card_of, card_table, part_table
from shared_models.networks.names import ATTENTIONS, ENCODERS, FAMILY, TEMPORALS
from shared_models.networks.registry import build_model

PAGE = (Path(__file__).parents[3] / "docs" / "models.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def cards() -> list[Card]:
    return [card_of(name) for name in FAMILY]


def test_the_page_has_the_facts_of_every_model(cards: list[Card]) -> None:
    """Where it fails, `python -m shared_models.networks.cards` prints the tables as they should be."""
    assert card_table(cards) in PAGE
    assert part_table(cards) in PAGE


def test_the_page_has_a_cost_for_every_part_of_every_model(cards: list[Card]) -> None:
    _, costs = PAGE.split("### What it costs")
    rows = {cells[0].strip(" `"): cells[2:] for cells in (row.strip("|").split("|") for row in costs.splitlines()[6:])}
    for card in cards:
        has = [cell.strip() != "-" for cell in rows[card.name]]
        assert has == [part in card.parts for part in ("classifier", "head", "head+affine", "all")]


def test_the_page_explains_every_part_of_a_name() -> None:
    assert all(f"`{part}`" in PAGE for part in (*ENCODERS, *ATTENTIONS, *TEMPORALS))


def test_a_card_is_read_off_the_model() -> None:
    card, model = card_of("cnn-bilstm"), build_model("cnn-bilstm", 7)
    assert card.parameters == sum(p.numel() for p in model.parameters())
    assert card.encoder + card.temporal + card.parts["classifier"].parameters == card.parameters
    assert (card.features, card.states, card.streams) == ((128,), 128, False)
    assert list(card.parts) == ["classifier", "head", "head+affine", "all"]
    assert [part.written_out for part in card.parts.values()] == [True, True, False, False]
    assert card.parts["all"].update_mib == pytest.approx(4 * card.parameters / 1024 / 1024)
    assert card_of("cnn-lstm").streams
    assert not torch.is_inference_mode_enabled()
