"""The default engine: passes written out for heads on cached features, the one-sequence loop where a CNN is trained."""

import torch
from torch import Tensor, nn

from shared_models.networks.bidirectional import BiGruStates, BiLstmStates
from shared_models.networks.model import Classifier, EmotionModel, GruStates, LstmStates
from shared_models.networks.outputs import Output
from shared_models.privacy.gradients import Gradients
from shared_models.privacy.gradients.classifier import ClassifierPass
from shared_models.privacy.gradients.loop import loop_clipped_sum
from shared_models.privacy.gradients.outer import Outer
from shared_models.privacy.gradients.recurrent import GruPass, LstmPass, RecurrentPass


class FastEngine:
    """See `GradientEngine`. Close to the cost of ordinary training for every trainable part."""

    name = "fast"

    @torch.no_grad()
    def clipped_sum(
        self, model: EmotionModel, part: str, inputs: Tensor, targets: Tensor, clip_norm: float
    ) -> Gradients:
        stage = model.first_trainable_stage(part)
        classifier = model.classifier
        if not isinstance(classifier, Classifier) or not written_out(model, part) or len(inputs) == 0:
            with torch.enable_grad():
                return loop_clipped_sum(model, part, inputs, targets, clip_norm)
        head = _Head(model.temporal if stage == "temporal" else None, classifier, model.output, inputs, targets)
        norms = head.squared_norms().sqrt()
        finite = norms.isfinite()
        if not finite.all():
            return self.clipped_sum(model, part, inputs[finite], targets[finite], clip_norm)
        sums = head.weighted_sum(clip_norm / norms.clamp(min=clip_norm))
        return {name: sums[name].double() for name in model.trainable(part)}


class _Head:
    """One pass through the recurrent layer, where that is trained, and the classifier."""

    def __init__(
        self, temporal: nn.Module | None, classifier: Classifier, output: Output, inputs: Tensor, targets: Tensor
    ) -> None:
        """inputs: (B, V, T, D) features, or (B, V, T, H) states where there is no `temporal`"""
        passes = {} if temporal is None else _passes(temporal, _swapped(inputs))
        states = _swapped(_joined(list(passes.values()))) if passes else inputs
        self._classifier = ClassifierPass(classifier.pool, classifier.linear, output, states, targets)
        self._outers = _backward(passes, _swapped(self._classifier.d_states())) if passes else {}

    def squared_norms(self) -> Tensor:
        """(B,)"""
        norms = self._classifier.squared_norms()
        for outers in self._outers.values():
            for outer in outers:
                norms += outer.squared_norms().clamp(min=0)
        return norms

    def weighted_sum(self, weights: Tensor) -> Gradients:
        """The sum over sequences of their gradients times `weights` (B,), float32."""
        sums = {f"classifier.{name}": value for name, value in self._classifier.weighted_sum(weights).items()}
        for place, outers in self._outers.items():
            for outer in outers:
                sums |= {place.format(name): value for name, value in outer.weighted_sum(weights).items()}
        return sums


def _swapped(x: Tensor) -> Tensor:
    """(B, V, T, D) to (T, V, B, D), or back: recurrent layers read by time step, the classifier by sequence."""
    return x.transpose(0, 2).contiguous()


def written_out(model: EmotionModel, part: str) -> bool:
    """Whether all that trainable part `part` needs a pass through is of a kind that is written out here."""
    stage = model.first_trainable_stage(part)
    return stage == "classifier" or (stage == "temporal" and _plain(_recurrent_layer(model.temporal)))


def _recurrent_layer(temporal: nn.Module) -> nn.LSTM | nn.GRU | None:
    if isinstance(temporal, LstmStates | BiLstmStates):
        return temporal.lstm
    return temporal.gru if isinstance(temporal, GruStates | BiGruStates) else None


def _plain(layer: nn.LSTM | nn.GRU | None) -> bool:
    return layer is not None and layer.num_layers == 1 and layer.bias and layer.proj_size == 0


def _passes(temporal: nn.Module, steps: Tensor) -> dict[str, RecurrentPass]:
    """One for each direction, by the form of its parameters' names; the second reads the steps backwards."""
    layer = _recurrent_layer(temporal)
    passes: dict[str, RecurrentPass] = {}
    if layer is not None:
        where = "temporal.lstm" if isinstance(layer, nn.LSTM) else "temporal.gru"
        for suffix in ("_l0", "_l0_reverse")[: 1 + layer.bidirectional]:
            read = steps.flip(0) if suffix.endswith("reverse") else steps
            written = LstmPass(layer, suffix, read) if isinstance(layer, nn.LSTM) else GruPass(layer, suffix, read)
            passes[f"{where}.{{}}{suffix}"] = written
    return passes


def _joined(passes: list[RecurrentPass]) -> Tensor:
    forward, *backward = (one.states for one in passes)
    return torch.cat([forward, backward[0].flip(0)], -1) if backward else forward


def _backward(passes: dict[str, RecurrentPass], d_states: Tensor) -> dict[str, list[Outer]]:
    outers = {}
    for place, piece in zip(passes, d_states.chunk(len(passes), -1), strict=True):
        outers[place] = passes[place].backward(piece.flip(0) if place.endswith("reverse") else piece.contiguous())
    return outers
