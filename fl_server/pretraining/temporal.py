"""The second stage: temporal model and classifier, on what the finished encoder makes of several views."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fl_server.pretraining.fitting import Stage
from fl_server.pretraining.recipe import Recipe
from shared_models.data.augmentation import augment
from shared_models.data.degradation import degrade, moments_with_drops
from shared_models.data.sequences import Sequences
from shared_models.data.stills import to_sequences
from shared_models.data.transforms import to_input
from shared_models.networks.model import EmotionModel

_DROPOUT = 0.3
_CHUNK = 16


def temporal_stage(
    model: EmotionModel, data: Sequences, recipe: Recipe, seed: int, progress: Callable[[str, int, int], None]
) -> Stage:
    """Trains `model.temporal` and `model.classifier`; computes the features of all views first."""
    generator = torch.Generator().manual_seed(seed)
    chosen = data.take(torch.randperm(len(data), generator=generator)[: recipe.max_sequences].numpy())
    features = _features(model, chosen, recipe.views, generator, progress)
    targets = torch.from_numpy(chosen.targets)

    def batch(index: Tensor, share: float, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        view = torch.randint(len(features), (len(index),), generator=draws)
        moments = moments_with_drops(len(index), features.shape[2], recipe.frame_drop, draws)
        return features[view[:, None], index[:, None], moments].float(), targets[index]

    return Stage(
        name="temporal",
        number=2,
        network=nn.Sequential(model.temporal, nn.Dropout(_DROPOUT), model.classifier),
        examples=len(chosen),
        epochs=recipe.sequence_epochs,
        batch_size=recipe.batch,
        peak_rate=recipe.sequence_rate,
        batch=batch,
        loss=recipe.loss_for(chosen.targets, model.output),
    )


def random_view(frames: Tensor, generator: torch.Generator) -> Tensor:
    """(B, T, 1, H, W) in [0, 1], each sequence transformed at random and all of its frames alike."""
    return degrade(augment(frames.squeeze(2), generator), generator).unsqueeze(2)


def _features(
    model: EmotionModel,
    data: Sequences,
    views: int,
    generator: torch.Generator,
    progress: Callable[[str, int, int], None],
) -> Tensor:
    """(V, N, T, D) float16 of the sequences as they are, then of random views."""
    model.eval()
    still = data.frames.shape[1] == 1
    kept = []
    for view in range(views):
        rows = []
        for start in range(0, len(data), _CHUNK):
            some = data.take(range(start, min(start + _CHUNK, len(data))))
            frames = to_input((to_sequences(some) if still else some).frames)  # all at once would take a gigabyte
            with torch.no_grad():
                rows.append(model.run_until("temporal", random_view(frames, generator) if view else frames).half())
            progress("features", view * len(data) + start + len(frames), views * len(data))
        kept.append(torch.cat(rows))
    return torch.stack(kept)
