"""The reference: per-sequence gradients and clipping by Opacus, against which the other engines are held.

Slower than the default. Importing this module imports Opacus, which takes over a second.
"""

import copy
import warnings
from collections import OrderedDict
from typing import Any

import torch
from opacus.grad_sample import GradSampleModule
from opacus.layers import DPGRU, DPLSTM
from opacus.optimizers import DPOptimizer
from opacus.validators import ModuleValidator
from torch import Tensor, nn

from shared_models.errors import ModelError
from shared_models.networks.model import STAGES, EmotionModel
from shared_models.networks.outputs import Output
from shared_models.privacy.gradients import Gradients
from shared_models.privacy.gradients.time_distributed import distribute_over_time

_AT_ONCE = 8
"""Sequences in one pass: bounds memory, since each holds a gradient of its own of every parameter."""
_RECURRENT = (nn.LSTM, nn.GRU)
_INSTEAD: dict[type[nn.Module], str] = {
    nn.modules.batchnorm._BatchNorm: "nn.GroupNorm: a statistic over the batch mixes sequences",
    nn.modules.dropout._DropoutNd: "more weight decay or augmentation: each pass would drop other units",
    nn.RNNBase: "a one-directional or bidirectional nn.LSTM or nn.GRU without projections",
    nn.MultiheadAttention: "AttentionPooling",
}


class OpacusEngine:
    """Opacus' GradSampleModule takes the gradients, Opacus' DPOptimizer clips and adds them. It adds no noise here."""

    name = "opacus"

    def clipped_sum(
        self, model: EmotionModel, part: str, inputs: Tensor, targets: Tensor, clip_norm: float
    ) -> Gradients:
        """Sum over sequences of the gradient of trainable part `part`, each scaled to L2 norm at most `clip_norm`.

        inputs:  (B, V, ...) V views of each sequence, as the first trainable stage takes them; B may be 0
        targets: (B, K) float32 distributions over classes

        A sequence whose gradient is not finite counts as zero. Opacus scales by C / (norm + 1e-6), so sums are by
        that much shorter than those of an engine that scales by C / norm. The model is left as it was.

        Raises ModelError, naming the layer, where Opacus has no per-sequence gradient for one.
        """
        total = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in model.trainable(part).items()}
        if len(inputs) == 0:
            return total
        stages = _hooked_stages(model, part)
        for some_inputs, some_targets in zip(inputs.split(_AT_ONCE), targets.split(_AT_ONCE), strict=True):
            gradients = _per_sequence(stages, model.output, some_inputs, some_targets)
            for name, gradient in _clip_and_add(gradients, clip_norm).items():
                total[name] += gradient
        return total


def _hooked_stages(model: EmotionModel, part: str) -> GradSampleModule:
    """Copies of the stages from the first that training `part` changes, with Opacus' hooks on their layers.

    Parameters keep their names in `model`; those of `part` take gradients, no others. The encoder takes (B, T, ...).
    """
    copied = copy.deepcopy(model).train()  # Opacus' hooks look only at layers that are training
    for name, layer in list(copied.named_modules()):
        if type(layer) in _RECURRENT:
            copied.set_submodule(name, _private_recurrence(name, layer))
    stages = STAGES[STAGES.index(copied.first_trainable_stage(part)) :]
    if "encoder" in stages:
        distribute_over_time(copied.encoder)
    copied.freeze_all_but(part)
    sequential = nn.Sequential(OrderedDict((stage, getattr(copied, stage)) for stage in stages))
    _check_layers(sequential)
    return GradSampleModule(sequential, loss_reduction="sum")


def _private_recurrence(name: str, layer: nn.Module) -> nn.Module:
    """Opacus' DPLSTM or DPGRU with the weights of `layer`: the same numbers, with a hook on each linear map in it."""
    if getattr(layer, "proj_size", 0):
        raise _unsupported(name, layer)
    private: nn.Module = ModuleValidator.FIXERS[type(layer)](layer)
    return private


def _check_layers(stages: nn.Sequential) -> None:
    hooked = {*GradSampleModule.GRAD_SAMPLERS, DPLSTM, DPGRU}
    for name, layer in stages.named_modules():
        trainable = any(parameter.requires_grad for parameter in layer.parameters(recurse=False))
        invalid = ModuleValidator.VALIDATORS.get(type(layer), lambda layer: [])(layer)
        if invalid or isinstance(layer, tuple(_INSTEAD)) or (trainable and type(layer) not in hooked):
            raise _unsupported(name, layer)


def _unsupported(name: str, layer: nn.Module) -> ModelError:
    instead = next((instead for kind, instead in _INSTEAD.items() if isinstance(layer, kind)), "")
    return ModelError(
        f"Opacus gives no per-sequence gradient for the layer {name} ({type(layer).__name__})",
        fix=f"Use {instead or 'nn.Linear, nn.Conv2d, nn.GroupNorm, nn.LSTM or nn.GRU'}, or another gradient engine",
    )


def _per_sequence(stages: GradSampleModule, output: Output, inputs: Tensor, targets: Tensor) -> Gradients:
    """Each sequence's gradient of its mean loss over views, float64 (B, ...), by parameter name.

    One backward pass for each view: Opacus keeps a gradient for each row of a batch, so that views in one batch would
    be clipped one by one. They are averaged before (augmentation multiplicity, De et al. 2022).
    """
    parameters: dict[str, Any] = {
        n.removeprefix("_module."): p for n, p in stages.named_parameters() if p.requires_grad
    }
    mean = {name: p.new_zeros(len(inputs), *p.shape, dtype=torch.float64) for name, p in parameters.items()}
    for view in inputs.unbind(1):
        with warnings.catch_warnings():
            # The first layer's inputs are data and take no gradient; PyTorch warns that its hook fires nevertheless.
            warnings.filterwarnings("ignore", message="Full backward hook is firing when")
            output.losses(stages(view), targets).sum().backward()
        for name, parameter in parameters.items():
            mean[name] += parameter.grad_sample / inputs.shape[1]
        stages.zero_grad(set_to_none=True)
    return mean


def _clip_and_add(gradients: Gradients, clip_norm: float) -> Gradients:
    """Opacus' clipping of per-sequence gradients (B, ...) to `clip_norm`, and their sum over B, in float64.

    Opacus reads `grad_sample` of a parameter and writes `summed_grad`, in the parameter's own precision; a model's
    parameters are float32, so others of the same shapes carry the gradients.
    """
    finite = torch.stack([g.flatten(1).isfinite().all(dim=1) for g in gradients.values()]).all(dim=0)
    carriers: dict[str, Any] = {name: nn.Parameter(g.new_zeros(g.shape[1:])) for name, g in gradients.items()}
    for name, carrier in carriers.items():
        carrier.grad_sample = gradients[name].where(finite.view(-1, *[1] * carrier.ndim), 0.0)
    optimizer = DPOptimizer(
        torch.optim.SGD(carriers.values(), lr=1.0),
        noise_multiplier=0.0,
        max_grad_norm=clip_norm,
        expected_batch_size=None,
        loss_reduction="sum",
    )
    optimizer.clip_and_accumulate()
    return {name: carrier.summed_grad for name, carrier in carriers.items()}
