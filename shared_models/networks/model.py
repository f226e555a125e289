"""The model family's common form: encoder for each frame, temporal model over frames, classifier over time."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from shared_models.errors import ModelError
from shared_models.networks.outputs import CATEGORICAL, Output
from shared_models.networks.pooling import AttentionPooling, MeanPooling

STAGES = ("encoder", "temporal", "classifier")
_TRAINABLE_STAGES = {
    "classifier": ("classifier",),
    "head": ("temporal", "classifier"),
    "head+affine": ("temporal", "classifier"),
    "all": STAGES,
}
TRAINABLE_PARTS = tuple(_TRAINABLE_STAGES)
_WITHOUT = {
    "classifier": "its classifier has no weights",
    "head": "nothing between its frames and its classifier has weights",
    "head+affine": "its encoder has no GroupNorm",
    "all": "its encoder has no weights",
}


class Classifier(nn.Module):
    """Pooling over time, by attention where nothing else is given, and the last linear layer: the smallest part."""

    def __init__(self, inputs: int, classes: int, pool: AttentionPooling | MeanPooling | None = None) -> None:
        super().__init__()
        self.pool = pool or AttentionPooling(inputs)
        self.linear = nn.Linear(inputs, classes)

    def forward(self, states: Tensor) -> Tensor:
        """(B, T, D) -> logits (B, K)."""
        return self.linear(self.pool(states))


class LstmStates(nn.Module):
    """A unidirectional LSTM that returns its hidden state after each frame."""

    state_names = ("hidden", "cell")

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)

    def forward(self, features: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, hidden)."""
        states: Tensor = self.lstm(features)[0]
        return states

    def step(self, features: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """One frame on: features (S, D) and the state after the frame before, (S, hidden) each -> the new state."""
        hidden, cell = torch.lstm_cell(features, (hidden, cell), *self.lstm.all_weights[0])
        return hidden, cell


class GruStates(nn.Module):
    """A unidirectional GRU that returns its hidden state after each frame: three quarters of an LSTM's weights."""

    state_names = ("hidden",)

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, hidden, batch_first=True)

    def forward(self, features: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, hidden)."""
        states: Tensor = self.gru(features)[0]
        return states

    def step(self, features: Tensor, hidden: Tensor) -> tuple[Tensor]:
        """One frame on: features (S, D) and the state after the frame before, (S, hidden) -> the new state."""
        return (torch.gru_cell(features, hidden, *self.gru.all_weights[0]),)


class EmotionModel(nn.Module):
    """frames (B, T, 1, H, W) in [0, 1] -> logits (B, K), in three stages that can be run one after the other."""

    def __init__(
        self,
        name: str,
        encoder: nn.Module,
        temporal: nn.Module,
        classifier: nn.Module,
        output: Output = CATEGORICAL,
    ) -> None:
        super().__init__()
        self.name, self.output = name, output
        self.encoder, self.temporal, self.classifier = encoder, temporal, classifier

    def forward(self, frames: Tensor) -> Tensor:
        return self.run_from("encoder", frames)

    def run_from(self, stage: str, inputs: Tensor) -> Tensor:
        """Logits (B, K) from the inputs of `stage`: frames (B, T, 1, H, W), features (B, T, D) or states (B, T, H)."""
        return self._run(STAGES[STAGES.index(stage) :], inputs)

    def run_until(self, stage: str, frames: Tensor) -> Tensor:
        """What the stages before `stage` make of frames (B, T, 1, H, W): the inputs of `run_from(stage, ...)`."""
        return self._run(STAGES[: STAGES.index(stage)], frames)

    def _run(self, stages: tuple[str, ...], x: Tensor) -> Tensor:
        for stage in stages:
            if stage == "encoder":
                batch, time = x.shape[:2]
                x = self.encoder(x.flatten(0, 1)).unflatten(0, (batch, time))
            else:
                x = getattr(self, stage)(x)
        return x

    def first_trainable_stage(self, part: str) -> str:
        """The first stage that training `part` changes: everything before it can be computed once."""
        return "encoder" if part == "head+affine" else _stages_of(part)[0]

    @property
    def parts(self) -> tuple[str, ...]:
        """The trainable parts that this model has: each trains more than the one before it."""
        sizes = [len(self._parameters_of(part)) for part in TRAINABLE_PARTS]
        return tuple(part for i, part in enumerate(TRAINABLE_PARTS) if sizes[i] > max(sizes[:i], default=0))

    def trainable(self, part: str) -> dict[str, nn.Parameter]:
        """The parameters of trainable part `part`, by name, in a fixed order.

        Raises ModelError where the model has no such part, since it trains no more than a smaller one.
        """
        if part in TRAINABLE_PARTS and part not in self.parts:
            raise ModelError(
                f"The model {self.name} has no trainable part '{part}'",
                why=_WITHOUT[part],
                fix=f"Use one of: {', '.join(self.parts)}",
            )
        return self._parameters_of(part)

    def _parameters_of(self, part: str) -> dict[str, nn.Parameter]:
        stages = [(stage, getattr(self, stage)) for stage in _stages_of(part)]
        chosen = {name: p for stage, module in stages for name, p in module.named_parameters(stage)}
        if part == "head+affine":
            affine = {
                f"{name}.{kind}": getattr(module, kind)
                for name, module in self.named_modules()
                if isinstance(module, nn.GroupNorm)
                for kind in ("weight", "bias")
            }
            chosen = affine | chosen
        return chosen

    def freeze_all_but(self, part: str) -> dict[str, nn.Parameter]:
        """Lets only trainable part `part` take gradients and returns its parameters."""
        chosen = self.trainable(part)
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        for parameter in chosen.values():
            parameter.requires_grad_(True)
        return chosen

    def add(self, delta: Mapping[str, Tensor], scale: float = 1.0) -> None:
        """Adds `scale * delta` in place to the parameters that `delta` names."""
        with torch.no_grad():
            for name, change in delta.items():
                self.get_parameter(name).add_(change, alpha=scale)


def _stages_of(part: str) -> tuple[str, ...]:
    if part not in _TRAINABLE_STAGES:
        raise ModelError(f"There is no trainable part '{part}'", fix=f"Use one of: {', '.join(TRAINABLE_PARTS)}")
    return _TRAINABLE_STAGES[part]
