"""Public pretraining: first the encoder on single frames, then temporal model and classifier on frozen features.

Nothing here is private: it runs on public or rendered data, before any device takes part.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared_models.data.augmentation import augment
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import CROP_SIZE, SEQUENCE_FRAMES, Sequences
from shared_models.data.sources import parse_spec
from shared_models.data.splits import load_public
from shared_models.data.stills import to_sequences
from shared_models.data.transforms import to_input
from shared_models.networks.model import EmotionModel
from shared_models.networks.registry import build_model
from shared_models.networks.weights import WeightsHeader, save_model
from shared_models.resources import use_one_core

Progress = Callable[[str, int, int], None]
_CHUNK = 8


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to pretrain."""

    frame_epochs: int = 18
    sequence_epochs: int = 30
    batch: int = 64
    frame_rate: float = 3e-3
    sequence_rate: float = 2e-3
    weight_decay: float = 0.02
    smoothing: float = 0.05
    average_decay: float = 0.998
    views: int = 2
    """Views of each sequence whose features are computed and kept."""
    max_sequences: int = 6000
    """The most sequences that the temporal model is trained on."""


def pretrain(model: EmotionModel, data: Sequences, recipe: Recipe, seed: int, progress: Progress) -> None:
    """Trains `model` in place on `data` with soft targets; `progress(stage, done, total)` follows each epoch."""
    generator = torch.Generator().manual_seed(seed)
    _train_encoder(model, data, recipe, generator, progress)
    _train_temporal(model, data, recipe, generator, progress)
    model.eval()


def pretrain_to(path: Path, model_name: str, scheme_name: str, data: str, seed: int, progress: Progress) -> None:
    """Pretrains `model_name` on the public part of data source `data` and writes the weights to `path`.

    Raises DataError where the data cannot be used, StorageError where `path` cannot be written.
    """
    use_one_core()
    torch.manual_seed(seed)
    scheme = scheme_by_name(scheme_name)
    public, description = load_public(parse_spec(data), scheme, seed)
    model = build_model(model_name, len(scheme.classes))
    pretrain(model, public, Recipe(), seed, progress)
    header = WeightsHeader(
        model=model_name,
        scheme=scheme_name,
        input_shape=(SEQUENCE_FRAMES, 1, CROP_SIZE, CROP_SIZE),
        training_data=description,
    )
    save_model(path, model, header, public.digests)


def _train_encoder(
    model: EmotionModel, data: Sequences, recipe: Recipe, generator: torch.Generator, progress: Progress
) -> None:
    targets = torch.from_numpy(data.targets)
    probe = nn.LazyLinear(targets.shape[1])
    network = nn.Sequential(model.encoder, nn.Dropout(0.2), probe)
    average = copy.deepcopy(model.encoder)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for index in _shuffled(len(data), recipe.batch, generator):
            moment = torch.randint(data.frames.shape[1], (len(index),), generator=generator)
            frames = to_input(data.frames[index.numpy(), moment.numpy()])
            yield augment(frames, generator), targets[index]

    def smooth_average(step: int) -> None:
        decay = min(recipe.average_decay, (1 + step) / (10 + step))
        for kept, new in zip(average.parameters(), model.encoder.parameters(), strict=True):
            kept.data.lerp_(new.data, 1 - decay)

    _fit(
        network,
        batches,
        recipe,
        recipe.frame_epochs,
        recipe.frame_rate,
        len(data),
        progress,
        "encoder",
        smooth_average,
    )
    model.encoder.load_state_dict(average.state_dict())


def _train_temporal(
    model: EmotionModel, data: Sequences, recipe: Recipe, generator: torch.Generator, progress: Progress
) -> None:
    data = _as_sequences(data, recipe.max_sequences, generator)
    targets = torch.from_numpy(data.targets)
    features = torch.stack([_features(model, data, view, generator) for view in range(recipe.views)])
    network = nn.Sequential(model.temporal, nn.Dropout(0.3), model.classifier)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for index in _shuffled(len(data), recipe.batch, generator):
            view = torch.randint(len(features), (len(index),), generator=generator)
            yield features[view, index], targets[index]

    _fit(
        network,
        batches,
        recipe,
        recipe.sequence_epochs,
        recipe.sequence_rate,
        len(data),
        progress,
        "temporal",
    )


def _as_sequences(data: Sequences, most: int, generator: torch.Generator) -> Sequences:
    chosen = data.take(torch.randperm(len(data), generator=generator)[:most].numpy())
    return to_sequences(chosen) if chosen.frames.shape[1] == 1 else chosen


def _features(model: EmotionModel, data: Sequences, view: int, generator: torch.Generator) -> Tensor:
    """(N, T, D) float32 features of the first, plain view or of a mirrored one with a light change a sequence."""
    model.eval()
    kept = []
    with torch.inference_mode():
        for start in range(0, len(data), _CHUNK):
            frames = to_input(data.frames[start : start + _CHUNK])
            if view:
                gain = 0.8 + 0.4 * torch.rand(len(frames), 1, 1, 1, 1, generator=generator)
                frames = (frames.flip(-1) * gain).clamp(0, 1)
            kept.append(model.run_until("temporal", frames))
    return torch.cat(kept).clone()


def _shuffled(count: int, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    yield from torch.randperm(count, generator=generator).split(batch)


def _fit(
    network: nn.Module,
    batches: Callable[[], Iterator[tuple[Tensor, Tensor]]],
    recipe: Recipe,
    epochs: int,
    rate: float,
    count: int,
    progress: Progress,
    stage: str,
    after_step: Callable[[int], None] = lambda step: None,
) -> None:
    steps = epochs * -(-count // recipe.batch)
    optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.2)
    network.train()
    step = 0
    for epoch in range(epochs):
        for inputs, targets in batches():
            loss = F.cross_entropy(network(inputs), targets, label_smoothing=recipe.smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            step += 1
            after_step(step)
        progress(stage, epoch + 1, epochs)
    network.eval()
