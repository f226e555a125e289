"""An encoder that takes whole sequences, so that Opacus gives one gradient for each sequence.

Opacus takes the first dimension of what a layer sees for the examples. An encoder that is given B * T frames in one
batch gets a gradient for each frame, and clipping then bounds frames: one sequence could move the sum by T times the
clip norm. The layers here see (B, T, ...), put time into the batch inside their own forward, where no hook looks, and
their gradients are summed over T.

Importing this module imports Opacus, which takes over a second.
"""

import torch
from opacus.grad_sample import register_grad_sampler
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

from shared_models.errors import ModelError


class _TimeDistributed(nn.Module):
    """Before a layer for (N, ...) in the bases of a class: (B, T, ...) -> (B, T, ...)."""

    def forward(self, x: Tensor) -> Tensor:
        folded: Tensor = super().forward(x.flatten(0, 1))
        return folded.unflatten(0, x.shape[:2])


class TimeDistributedConv2d(_TimeDistributed, nn.Conv2d):
    pass


class TimeDistributedGroupNorm(_TimeDistributed, nn.GroupNorm):
    pass


class TimeDistributedMaxPool2d(_TimeDistributed, nn.MaxPool2d):
    pass


class TimeDistributedAvgPool2d(_TimeDistributed, nn.AvgPool2d):
    pass


class TimeDistributedAdaptiveAvgPool2d(_TimeDistributed, nn.AdaptiveAvgPool2d):
    pass


_FORMS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: TimeDistributedConv2d,
    nn.GroupNorm: TimeDistributedGroupNorm,
    nn.MaxPool2d: TimeDistributedMaxPool2d,
    nn.AvgPool2d: TimeDistributedAvgPool2d,
    nn.AdaptiveAvgPool2d: TimeDistributedAdaptiveAvgPool2d,
}
_ANY_SHAPE = (
    nn.Linear,  # Opacus' own rule sums over every dimension between the first and the last
    nn.Identity,
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.GELU,
    nn.SiLU,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Sigmoid,
    nn.Tanh,
)


def distribute_over_time(encoder: nn.Module) -> None:
    """Turns an encoder for frames (N, ...) in place into one for sequences (B, T, ...), with the same parameters.

    Layers are changed where they are. What an encoder's own `forward` does between them must address channels and
    pixels from the end, as in `x.mean((-2, -1))`.

    Raises ModelError, naming the layer, for one that has no such form.
    """
    for name, layer in encoder.named_modules():
        form = _FORMS.get(type(layer))
        if form is not None:
            _check_padding(name, layer)
            layer.__class__ = form
        elif _is_leaf(layer) and type(layer) not in _ANY_SHAPE:
            known = ", ".join(f"nn.{kind.__name__}" for kind in (*_FORMS, nn.Linear))
            raise ModelError(
                f"The encoder's layer {name} ({type(layer).__name__}) has no form for whole sequences",
                fix=f"Build the encoder from {known} and activations",
            )


def _is_leaf(layer: nn.Module) -> bool:
    return not list(layer.children()) or bool(list(layer.parameters(recurse=False)))


def _check_padding(name: str, layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d) and (isinstance(layer.padding, str) or layer.padding_mode != "zeros"):
        raise ModelError(
            f"The encoder's layer {name} pads by '{layer.padding}' with {layer.padding_mode}",
            fix="Pad by a number of pixels, with zeros",
        )


@register_grad_sampler(TimeDistributedConv2d)
def conv2d_gradients(layer: nn.Conv2d, activations: list[Tensor], backprops: Tensor) -> dict[Tensor, Tensor]:
    """One gradient (B, ...) for each sequence, by one convolution backward over its T frames.

    Opacus' own rule unfolds every patch of every frame and is 2 to 7 times as slow.

    activations: [(B, T, C, H, W)], backprops: (B, T, C', H', W')
    """
    gradients: dict[Tensor, Tensor] = {}
    if layer.weight.requires_grad:
        by_sequence = [
            conv2d_weight(
                frames, layer.weight.shape, backprop, layer.stride, layer.padding, layer.dilation, layer.groups
            )
            for frames, backprop in zip(activations[0], backprops, strict=True)
        ]
        gradients[layer.weight] = torch.stack(by_sequence)
    if layer.bias is not None and layer.bias.requires_grad:
        gradients[layer.bias] = backprops.sum((1, 3, 4))
    return gradients


@register_grad_sampler(TimeDistributedGroupNorm)
def group_norm_gradients(layer: nn.GroupNorm, activations: list[Tensor], backprops: Tensor) -> dict[Tensor, Tensor]:
    """One gradient (B, C) for each sequence.

    activations: [(B, T, C, H, W)], backprops: (B, T, C, H, W)
    """
    gradients: dict[Tensor, Tensor] = {}
    if layer.weight.requires_grad:
        folded = activations[0].flatten(0, 1)
        normal = F.group_norm(folded, layer.num_groups, eps=layer.eps).view_as(activations[0])
        gradients[layer.weight] = (normal * backprops).sum((1, 3, 4))
    if layer.bias.requires_grad:
        gradients[layer.bias] = backprops.sum((1, 3, 4))
    return gradients
