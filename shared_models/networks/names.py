"""How models are named, known without importing torch: settings and policies are checked against it.

ENCODER                      its features, averaged over time: `cnn`
ENCODER-TEMPORAL             `cnn-lstm`
ENCODER+ATTENTION-TEMPORAL   `cnn+cbam-lstm`
"""

import re
from dataclasses import dataclass

from shared_models.errors import ModelError

_UNLEARNT = ("pixels", "edges")
ENCODERS = ("cnn", "mobilenet", "efficientnet", "resnet", *_UNLEARNT)
ATTENTIONS = ("channel", "spatial", "cbam")
TEMPORALS = ("attention", "lstm", "gru", "bilstm", "bigru", "convlstm", "conv3d-lstm")
FAMILY = (
    "cnn",
    "rnn",
    *(f"cnn-{temporal}" for temporal in TEMPORALS),
    *(f"{encoder}-lstm" for encoder in ENCODERS if encoder not in ("cnn", "pixels")),
    *(f"cnn+{attention}-lstm" for attention in ATTENTIONS),
    "pixels-conv3d-lstm",
)
"""Every encoder, attention and temporal model once: what is listed, compared and tested. Other names build as well."""
_SHORT = {"rnn": "pixels-lstm"}
_ATTENTION = rf"(?<!{')(?<!'.join(_UNLEARNT)})\+({'|'.join(ATTENTIONS)})"
_FORM = re.compile(rf"({'|'.join(ENCODERS)})(?:{_ATTENTION})?(?:-({'|'.join(TEMPORALS)}))?")
"""Attention chooses among channels and places of which something was learnt."""


@dataclass(frozen=True)
class ModelName:
    """The parts of a model by name; `attention` and `temporal` are empty where it has none."""

    encoder: str
    attention: str
    temporal: str


def parse_name(name: str) -> ModelName:
    """Raises ModelError, with the names there are, where there is no model `name`."""
    found = _FORM.fullmatch(_SHORT.get(name, name))
    if found is None or name in _SHORT.values():
        raise ModelError(
            f"There is no model '{name}'",
            fix=f"Use one of: {', '.join(FAMILY)}; or other parts of these, as ENCODER+ATTENTION-TEMPORAL",
        )
    return ModelName(*found.groups(default=""))


def parts_of(name: str) -> tuple[str, ...]:
    """The trainable parts that model `name` has, as `EmotionModel.parts` finds them; raises as `parse_name` does."""
    named = parse_name(name)
    head = () if named.temporal in ("", "attention") else ("head",)
    encoder = () if named.encoder in _UNLEARNT else ("head+affine", "all")
    return ("classifier", *head, *encoder)


def encoder_of(name: str) -> str:
    """The model that is the encoder of model `name` and nothing else: `cnn+cbam` for `cnn+cbam-lstm`.

    Empty where that encoder has nothing to learn; raises as `parse_name` does.
    """
    named = parse_name(name)
    if named.encoder in _UNLEARNT:
        return ""
    return f"{named.encoder}+{named.attention}" if named.attention else named.encoder
