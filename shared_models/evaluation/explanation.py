"""What a model's answer hangs on: which places in each frame, by Grad-CAM, and which frames, by attention over time.

Grad-CAM: Selvaraju et al. 2017, arXiv 1610.02391. Both describe the model and not the person. They show where evidence
for one class came from, not why it counts.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from shared_models.data.transforms import to_input
from shared_models.evaluation.benchmark import evaluating
from shared_models.networks.frames import FrameEncoder
from shared_models.networks.model import Classifier, EmotionModel

_THIRDS = 3


@dataclass(frozen=True)
class Explanation:
    """Of one class, in one sequence of T frames.

    class_index: the class that is explained
    outputs:     (K,), what the model answers: a distribution over classes where its output is categorical
    weights:     (T,), the share of each frame in what the classifier sees, summing to 1; all the same for a plain mean
    heat:        (T, H, W) in [0, 1], how much each place speaks for the class, on one scale for all frames; zero
                 everywhere where none does; None where the encoder has no weights, and so no maps that mean anything
    """

    class_index: int
    outputs: np.ndarray
    weights: np.ndarray
    heat: np.ndarray | None

    @property
    def place(self) -> tuple[int, int] | None:
        """Row and column, 0 to 2, of the ninth of the picture with the most heat over all frames; None without any."""
        if self.heat is None or not self.heat.any():
            return None
        heat = self.heat.sum(axis=0)
        ninths = [
            [part.sum() for part in np.array_split(row, _THIRDS, axis=1)] for row in np.array_split(heat, _THIRDS)
        ]
        row, column = np.unravel_index(np.argmax(ninths), (_THIRDS, _THIRDS))
        return int(row), int(column)


def by_third(weights: np.ndarray) -> np.ndarray:
    """Weights over time (T,) -> (3,): the shares of the first, middle and last third of the frames."""
    third = _THIRDS * np.arange(len(weights)) // len(weights)
    return np.bincount(third, weights=weights, minlength=_THIRDS)


def explain(model: EmotionModel, frames: np.ndarray, class_index: int | None = None) -> Explanation:
    """Explains the logit of `class_index`, or of the model's own answer, for frames (T, 1, H, W) uint8.

    Gradients are taken of the encoder's last maps only. The model is left as it was found.
    """
    with evaluating(model):
        has_maps = any(True for _ in model.encoder.parameters())
        return (_with_maps if has_maps else _without_maps)(model, to_input(frames), class_index)


def _without_maps(model: EmotionModel, frames: Tensor, class_index: int | None) -> Explanation:
    with torch.no_grad():
        logits, weights = _answer(model, model.run_until("temporal", frames[None]))
    return _explanation(model, logits, weights, class_index, None)


def _with_maps(model: EmotionModel, frames: Tensor, class_index: int | None) -> Explanation:
    encoder = cast(FrameEncoder, model.encoder)
    with torch.no_grad():
        maps = encoder.last_maps(frames)
    with torch.enable_grad():
        logits, weights = _answer(model, encoder.features_of(maps.requires_grad_())[None])
        chosen = _chosen(model, logits, class_index)
        [gradients] = torch.autograd.grad(logits[chosen], maps)
    heat = _on_pixels(_grad_cam(maps.detach(), gradients), encoder.stride, frames.shape[-2:]).numpy()
    heat = heat / highest if (highest := heat.max()) > 0 else heat
    return _explanation(model, logits.detach(), weights.detach(), chosen, heat)


def _answer(model: EmotionModel, features: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (K,) and weights over time (T,) from features (1, T, ...)."""
    classifier = cast(Classifier, model.classifier)
    states = model.temporal(features)
    return classifier(states)[0], classifier.pool.weights(states)[0, :, 0]


def _grad_cam(maps: Tensor, gradients: Tensor) -> Tensor:
    """Maps and the logit's gradients (T, C, h, w) -> (T, h, w): Selvaraju et al. 2017, section 3, equations 1 and 2.

    Each frame has importance weights of its own, since the same map may count in one frame and not in another.
    """
    importance = gradients.mean((-2, -1), keepdim=True)
    return F.relu((importance * maps).sum(1))


def _on_pixels(coarse: Tensor, stride: int, size: tuple[int, ...]) -> Tensor:
    """(T, h, w) -> (T, H, W), with place i at the pixel that it looks at, stride * i.

    Stretching the map to the picture, as is common, would put everything half a stride too far to the lower right.
    """
    height, width = size
    padded = F.pad(coarse[:, None], (0, 1, 0, 1), mode="replicate")
    fine = F.interpolate(padded, scale_factor=stride, mode="bilinear", align_corners=False)[:, 0]
    centre = (stride - 1) // 2  # of the first place, after interpolation
    return fine[:, centre : centre + height, centre : centre + width]


def _chosen(model: EmotionModel, logits: Tensor, class_index: int | None) -> int:
    return int(model.output.read(logits).argmax()) if class_index is None else class_index


def _explanation(
    model: EmotionModel, logits: Tensor, weights: Tensor, class_index: int | None, heat: np.ndarray | None
) -> Explanation:
    return Explanation(
        class_index=_chosen(model, logits, class_index),
        outputs=model.output.read(logits).double().numpy(),
        weights=weights.double().numpy(),
        heat=heat,
    )
