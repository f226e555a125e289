"""Exported models at work: onnxruntime on one thread, numpy in and out. Nothing here needs torch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from shared_models.errors import ModelError

HEADER_KEY = "attune"
NEXT = "next_"
"""What a state's name gets in front of it where it comes out."""


class OnnxHeader(BaseModel):
    """What an exported file says of itself, as JSON under `attune` in its metadata."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    scheme: str
    classes: tuple[str, ...]
    """One for each logit, in order."""
    output: str
    """What the logits are: `categorical`, `multi-label`, `levels` or `values`."""
    reading: str
    """How they are read, in words."""
    input_shape: tuple[int, int, int, int]
    """(T, 1, H, W) of a window; a streaming step takes one frame of it"""
    model_hash: str
    training_data: str


class OnnxModel:
    """One exported file. One thread that sleeps between calls: a laptop's other cores stay free, and so does its fan.

    Raises ModelError where the file is damaged or was not exported by Attune.
    """

    def __init__(self, exported: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
            properties = self._session.get_modelmeta().custom_metadata_map
            self.header = OnnxHeader.model_validate_json(properties[HEADER_KEY])
        except Exception as error:
            raise ModelError(
                "The exported model cannot be used",
                why="it is damaged, or Attune did not export it",
                fix="Export it again with `fl-server models export`",
            ) from error

    @property
    def inputs(self) -> dict[str, tuple[Any, ...]]:
        """The shape of each input by its name; a size that is free is a word."""
        return {value.name: tuple(value.shape) for value in self._session.get_inputs()}

    def run(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        outputs: list[np.ndarray] = self._session.run(None, dict(inputs))
        return outputs


class OnnxStep(OnnxModel):
    """A streaming step, with the state of its streams; `restart` comes first. Raises ModelError for another file."""

    def __init__(self, exported: bytes) -> None:
        super().__init__(exported)
        if "frame" not in self.inputs:
            raise ModelError("The exported model is no streaming step", fix="Name the file whose name ends in -step")

    def restart(self, streams: int = 1) -> None:
        """From now on there are so many streams, and none has seen a frame."""
        shapes = {name: shape for name, shape in self.inputs.items() if name != "frame"}
        self._state = {name: np.zeros((streams, width), np.float32) for name, (_, width) in shapes.items()}

    def restart_stream(self, stream: int) -> None:
        """One stream has seen no frame."""
        for value in self._state.values():
            value[stream] = 0

    def step(self, frame: np.ndarray) -> np.ndarray:
        """frame (H, W) float32 in [0, 1] -> logits (S, K) of each stream after it."""
        logits, *state = self.run({"frame": frame[None, None], **self._state})
        self._state = dict(zip(self._state, state, strict=True))
        return logits
