"""The weights that `fl-server evaluate --compare` scores: trained here, once, alike for all models.

All of them see the same data, seeds and recipe. An encoder is trained once, by the model that is nothing but this
encoder; every model with the same one takes it from there. What differs is what the comparison asks about.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fl_server.pretraining import Order, Progress, Recipe, Run, load_data
from shared_models.data.sequences import Sequences
from shared_models.errors import DataError
from shared_models.evaluation.comparison import SameTraining
from shared_models.files import only_one
from shared_models.networks.names import encoder_of


@dataclass(frozen=True)
class Training:
    """How the compared models are trained, alike for all of them.

    data:    the data source whose training part they see
    seeds:   each model is trained once with each
    encoder: a weights file whose encoder all of them keep; without one it is trained
    """

    data: str
    seeds: tuple[int, ...] = (0,)
    recipe: Recipe = field(default_factory=Recipe)
    encoder: Path | None = None

    def encoder_words(self, name: str) -> str:
        """Where model `name` has its encoder from."""
        shared = encoder_of(name)
        if not shared:
            return "has nothing to learn"
        return f"that of {self.encoder.name}" if self.encoder else f"trained as {shared}"

    def facts(self) -> SameTraining:
        return SameTraining(data=self.data, seeds=list(self.seeds), recipe=self.recipe.model_dump())


@dataclass(frozen=True)
class Trainer:
    """Keeps in `folder` what it trains, and trains nothing twice.

    A file is named after its model and the run that made it: the same model, data, recipe and seed find it again, and
    others never take it. Whoever scores (`held_out`) is not trained on.
    """

    folder: Path
    training: Training
    held_out: Sequences
    progress: Progress
    stopping: Callable[[], bool] = lambda: False

    def weights_of(self, names: tuple[str, ...]) -> dict[str, list[Path]]:
        """The files of each model, one a seed. What is missing is trained first, and goes on where it was stopped.

        Raises Stopped soon after `stopping()`, DataError where the training part holds what scores, ModelError where
        a model cannot take the encoder that is given.
        """
        found: dict[str, list[Path]] = {name: [] for name in names}
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with only_one(self.folder / "training.lock", f"Training in {self.folder}"):
            for seed in self.training.seeds:
                for name, path in self._with_seed(names, seed):
                    found[name].append(path)
        return found

    def _with_seed(self, names: tuple[str, ...], seed: int) -> Iterator[tuple[str, Path]]:
        training, scheme = self.training, self.held_out.scheme.name
        public = load_data((training.data,), scheme, seed, self.progress, self.stopping)
        _require_apart(public.sequences, self.held_out)

        def encoder_for(name: str) -> Path | None:
            shared = encoder_of(name)
            if not shared:
                return None
            return training.encoder or (trained(shared) if shared != name else None)

        def trained(name: str) -> Path:
            order = Order(name, scheme, (training.data,), seed, training.recipe, encoder_for(name))
            run = Run(order, public)
            path = self.folder / f"{name}-{scheme}-{run.id[:12]}.safetensors"
            if not path.exists():
                run.to(path, self._telling(name, seed), self.stopping)
            return path

        for name in names:
            yield name, trained(name)

    def _telling(self, name: str, seed: int) -> Progress:
        which = f"{name}, seed {seed}" if len(self.training.seeds) > 1 else name
        return lambda stage, done, total: self.progress(f"{which}: {stage}", done, total)


def _require_apart(data: Sequences, held_out: Sequences) -> None:
    people = (set(data.subjects) & set(held_out.subjects)) - {None}
    sequences = set(data.digests) & set(held_out.digests)
    if people or sequences:
        raise DataError(
            "The models would be trained on what scores them",
            why=f"{len(people)} people and {len(sequences)} sequences are in both",
            fix="Name another data source to train on with --train-on",
        )
