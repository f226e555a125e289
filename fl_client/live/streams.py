"""The windowed model's answer at every frame, for one pass of the encoder a frame.

T streams see each frame, and every frame another one of them starts anew. So there is always one that has seen
exactly the last T frames: its answer is the windowed model's for them. All of them are one batch of a recurrent step,
which costs next to nothing beside the encoder.
"""

import numpy as np

from shared_models.errors import ModelError
from shared_models.networks.onnx_runtime import OnnxStep


class WindowStreams:
    """The last T frames through one exported model.

    Raises ModelError where `step` is no exported streaming step, or its numbers are no distribution over classes.
    """

    def __init__(self, step: bytes) -> None:
        self._model = OnnxStep(step)
        self.header = self._model.header
        if self.header.output != "categorical":
            raise ModelError(
                f"Live reading does not know the output {self.header.output} of the model",
                why="it shows one class and how probable that is",
            )
        self.window = self.header.input_shape[0]
        """T"""
        self._model.restart(self.window)
        self._frames = 0

    @property
    def seen(self) -> int:
        """How many frames the answer rests on, at most T."""
        return min(self._frames, self.window)

    def restart(self) -> None:
        """Forgets every frame."""
        self._model.restart(self.window)
        self._frames = 0

    def step(self, crop: np.ndarray) -> np.ndarray:
        """crop (H, W) uint8 -> (K,): what the windowed model makes of the last T frames, or of as many as there are.

        Streams that did not start anew yet have seen every frame so far.
        """
        self._model.restart_stream(self._frames % self.window)
        logits = self._model.step(crop.astype(np.float32) / 255)
        self._frames += 1
        return _softmax(logits[self._frames % self.window])


def _softmax(logits: np.ndarray) -> np.ndarray:
    shares: np.ndarray = np.exp(logits - logits.max())
    return shares / shares.sum()
