"""The first stage: the encoder with a linear probe, on single frames under strong augmentation."""

import torch
from torch import Tensor, nn

from fl_server.pretraining.fitting import Stage
from fl_server.pretraining.recipe import Recipe
from shared_models.data.augmentation import augment
from shared_models.data.degradation import degrade
from shared_models.data.sequences import Sequences
from shared_models.data.transforms import to_input
from shared_models.networks.model import EmotionModel

_DROPOUT = 0.2


def encoder_stage(model: EmotionModel, data: Sequences, recipe: Recipe) -> Stage:
    """Trains `model.encoder`; the probe is thrown away."""
    targets = torch.from_numpy(data.targets)
    size = data.frames.shape[-1]
    with torch.no_grad():
        made = model.encoder(to_input(data.frames[:1, 0]))
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten()] if made.ndim == 4 else []  # maps, for a temporal model over maps

    def batch(index: Tensor, share: float, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        moment = torch.randint(data.frames.shape[1], (len(index),), generator=draws)
        frames = to_input(data.frames[index.numpy(), moment.numpy()])
        shown = 2 * round(size / 3) if share < recipe.small_share else size  # even, for encoders that fold pixels
        return degrade(augment(frames, draws, shown), draws), targets[index]

    return Stage(
        name="encoder",
        number=1,
        network=nn.Sequential(model.encoder, *pool, nn.Dropout(_DROPOUT), nn.Linear(made.shape[1], targets.shape[1])),
        examples=len(data),
        epochs=recipe.frame_epochs,
        batch_size=recipe.batch,
        peak_rate=recipe.frame_rate,
        batch=batch,
        loss=recipe.loss_for(data.targets, model.output),
        bfloat16=recipe.bfloat16,
    )
