"""The facts on a model's card, read off the model. `python -m shared_models.networks.cards` prints those of all."""

from dataclasses import dataclass

import torch

from shared_models.data.sequences import INPUT_SHAPE
from shared_models.networks.model import TRAINABLE_PARTS
from shared_models.networks.names import FAMILY
from shared_models.networks.registry import build_model
from shared_models.networks.streaming import streams
from shared_models.privacy.gradients.fast import written_out

_CLASSES = 7
_SMALL = (1, 3, 1, 16, 16)


@dataclass(frozen=True)
class PartCard:
    """A trainable part: its numbers, and whether the default engine has a pass for it that needs no loop."""

    parameters: int
    written_out: bool

    @property
    def update_mib(self) -> float:
        """What a device sends in a round: four bytes for each number."""
        return 4 * self.parameters / 2**20


@dataclass(frozen=True)
class Card:
    """A model for seven classes that takes windows (T, 1, H, W) of the size that is stored.

    features: shape of what the encoder makes of a frame; states: width of what the classifier pools over time
    streams:  whether it can read one frame at a time
    """

    name: str
    parameters: int
    encoder: int
    temporal: int
    features: tuple[int, ...]
    states: int
    streams: bool
    parts: dict[str, PartCard]


def card_of(name: str) -> Card:
    """Builds the model to read them off; raises ModelError where there is none."""
    model = build_model(name, _CLASSES).eval()
    with torch.inference_mode():
        features = model.run_until("temporal", torch.zeros(1, *INPUT_SHAPE))
        return Card(
            name=name,
            parameters=_numbers(model),
            encoder=_numbers(model.encoder),
            temporal=_numbers(model.temporal),
            features=tuple(features.shape[2:]),
            states=model.run_until("classifier", torch.zeros(_SMALL)).shape[2],
            streams=streams(model),
            parts={
                part: PartCard(sum(p.numel() for p in model.trainable(part).values()), written_out(model, part))
                for part in model.parts
            },
        )


def card_table(cards: list[Card]) -> str:
    """What each model is, as a Markdown table."""
    rows = [
        f"| `{card.name}` | {card.parameters:,} | {card.encoder:,} | {card.temporal:,} |"
        f" {' x '.join(map(str, card.features))} | {card.states} | {'yes' if card.streams else 'no'} |"
        for card in cards
    ]
    head = "| name | parameters | of the encoder | of the temporal model | a frame's features | a state | streams |"
    return "\n".join([head, "| --- |" + " --- |" * 6, *rows])


def part_table(cards: list[Card]) -> str:
    """What of each model trains privately, as a Markdown table."""
    rows = [f"| `{card.name}` | {' | '.join(_part_cell(card, part) for part in TRAINABLE_PARTS)} |" for card in cards]
    head = f"| name | {' | '.join(f'`{part}`' for part in TRAINABLE_PARTS)} |"
    return "\n".join([head, "| --- |" + " --- |" * len(TRAINABLE_PARTS), *rows])


def _part_cell(card: Card, name: str) -> str:
    part = card.parts.get(name)
    if part is None:
        return "-"
    size = f"{part.update_mib:.2f} MiB" if part.update_mib >= 0.1 else f"{1024 * part.update_mib:.1f} KiB"
    return f"{part.parameters:,}, {size}{'' if part.written_out else ', loop'}"


def _numbers(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


if __name__ == "__main__":
    family = [card_of(name) for name in FAMILY]
    print(card_table(family), part_table(family), sep="\n\n")
