"""A model that reads one frame at a time: one pass of the encoder, and everything else carried as state.

After T frames from a state of zeros it gives what the windowed model gives for these T frames. Its state has one row
a stream, and all streams see the same frame: streams that were started one frame after the other answer for windows
that end one frame after the other, at the price of one.
"""

from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from shared_models.errors import ModelError
from shared_models.networks.model import Classifier, EmotionModel
from shared_models.networks.pooling import AttentionPooling

_POOL_STATE = ("top", "total", "weight")


@runtime_checkable
class StreamingStates(Protocol):
    """A temporal stage whose state after a frame follows from the state before it."""

    state_names: tuple[str, ...]

    def step(self, features: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """(S, D) and the state, (S, H) each -> the new state, the one that the classifier reads first."""
        ...


def streams(model: EmotionModel) -> bool:
    """Whether it can read one frame at a time; the other temporal stages need later frames, or all of them at once."""
    classifier = cast(Classifier, model.classifier)
    return isinstance(model.temporal, StreamingStates) and isinstance(classifier.pool, AttentionPooling)


class StreamingStep(nn.Module):
    """frame (1, 1, H, W) in [0, 1] and the state -> logits (S, K) of each stream so far, and the new state.

    Raises ModelError where the model does not stream.
    """

    def __init__(self, model: EmotionModel) -> None:
        super().__init__()
        if not streams(model):
            raise ModelError(
                f"The model {model.name} cannot read one frame at a time",
                why="its temporal stage needs all frames of a window at once",
                fix="Use a model with an LSTM or a GRU, such as cnn-lstm",
            )
        classifier = cast(Classifier, model.classifier)
        self.encoder, self.temporal = model.encoder, cast(StreamingStates, model.temporal)
        self.pool, self.linear = cast(AttentionPooling, classifier.pool), classifier.linear
        self.state_names = (*self.temporal.state_names, *_POOL_STATE)

    def start(self, streams: int) -> tuple[Tensor, ...]:
        """The state before the first frame, in the order of `state_names`: zeros."""
        pool, carried = self.pool.score.in_features, len(self.temporal.state_names)
        return tuple(torch.zeros(streams, width) for width in (*[pool] * carried, 1, pool, 1))

    def forward(self, frame: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        carried = len(self.temporal.state_names)
        streams = state[0].shape[0]  # the exporter would take len() for a constant
        features = self.encoder(frame).expand(streams, -1)
        temporal = self.temporal.step(features, *state[:carried])
        top, total, weight = self.pool.step(temporal[0], *state[carried:])
        return self.linear(total / weight), *temporal, top, total, weight
