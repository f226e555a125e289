"""`fl-sim attack inversion`: what a curious server makes of one upload, with and without the policy's noise."""

import copy
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from fl_client.training import local_update
from fl_server.settings import PolicySettings
from shared_models.data.sequences import INPUT_SHAPE, Sequences
from shared_models.data.sources import parse_spec
from shared_models.data.transforms import to_input
from shared_models.errors import StorageError, UsageError
from shared_models.networks.describe import describe_model
from shared_models.networks.features import FeatureCache
from shared_models.networks.model import EmotionModel
from shared_models.networks.starter import initial_model
from shared_models.privacy.gradients import engine_by_name
from shared_models.privacy.noise import NoiseSource
from shared_models.privacy.policy import Policy
from shared_models.resources import use_one_core
from simulations.attacks.eigenfaces import Eigenfaces
from simulations.attacks.likeness import by_chance, correlation, psnr, rank_of
from simulations.attacks.reconstruction import label_of, pooled_state_of, reconstruct
from simulations.populations import Plan, populate, scheme_of
from simulations.result import Stopwatch, versions, write_result

WITHOUT, WITH = "without_noise", "with_noise"
_MODEL = "cnn-lstm"
_ENLARGED = 4
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class InversionOptions:
    """What `fl-sim attack inversion` was asked for. `crowd`: the people among whom a victim is looked for."""

    data: str
    victims: int
    crowd: int
    iterations: int
    policy: PolicySettings
    trainable: str
    initial: str
    seed: int


class Attack:
    """One server's attack on single uploads of devices that store one sequence each."""

    def __init__(self, model: EmotionModel, policy: Policy, prior: Eigenfaces, iterations: int, seed: int) -> None:
        self._model, self._policies = model, {WITHOUT: policy.without_noise(), WITH: policy}
        self._prior, self._iterations, self._seed = prior, iterations, seed

    def on(self, number: int, victim: Sequences, crowd: Tensor) -> tuple[dict[str, Any], list[Tensor]]:
        """Scores of the attack on person `number` of `crowd` (N, 1, H, W), and the pictures without and with noise.

        victim: the one sequence that the device stores
        """
        scores, pictures = {}, []
        for name, policy in self._policies.items():
            gradient = overheard_gradient(self._model, policy, victim, NoiseSource.from_seed(self._seed, number))
            frames = victim.frames.shape[1]
            picture = reconstruct(self._model, policy.trainable, gradient, self._prior, frames, self._iterations)
            scores[name] = {
                "rank": rank_of(number, picture, crowd),
                "correlation": round(correlation(picture, crowd[number]), 4),
                "psnr_db": round(psnr(picture, crowd[number]), 2),
                "label_found": int(label_of(gradient)) == int(victim.labels[0]),
                "pooled_state_correlation": round(correlation(pooled_state_of(gradient), self._pooled(victim)), 4),
            }
            pictures.append(picture)
        return scores, pictures

    def _pooled(self, victim: Sequences) -> Tensor:
        pool = self._model.classifier.get_submodule("pool")
        with torch.no_grad():
            pooled: Tensor = pool(self._model.run_until("classifier", to_input(victim.frames)))
        return pooled[0]


def overheard_gradient(model: EmotionModel, policy: Policy, victim: Sequences, noise: NoiseSource) -> dict[str, Tensor]:
    """What a device with one sequence sends, by the client's own code, as the gradient that it can be turned into."""
    model = copy.deepcopy(model)
    inputs = FeatureCache().inputs(model, policy.trainable, [("", victim.frames[0])], policy.views)
    update = local_update(model, policy, inputs, torch.from_numpy(victim.targets), noise, engine_by_name("fast"))
    return {name: change * (-policy.denominator / policy.learning_rate) for name, change in update.items()}


def run_inversion(options: InversionOptions, out: Path, progress: Progress) -> dict[str, Any]:
    """Attacks and writes `out/inversion.json` and a picture a victim, see docs/audit.md; returns the former.

    Raises UsageError where the numbers do not fit; DataError, ModelError or PolicyError where the options do not;
    StorageError where `out` cannot be written.
    """
    _check(options)
    use_one_core()
    watch, spec = Stopwatch(), parse_spec(options.data)
    scheme = scheme_of(spec)
    torch.manual_seed(options.seed)
    model, _, _ = initial_model(options.initial, _MODEL, scheme.name, INPUT_SHAPE)
    policy = _policy(options, scheme.name)
    plan = Plan(clients=str(options.crowd), per_client=1, alpha=1.0, holdout=0.5, seed=options.seed)
    population = populate(spec, scheme, plan)
    crowd = torch.stack([_middle_frame(client) for client in population.clients])
    attack = Attack(model, policy, Eigenfaces(population.held_out.frames), options.iterations, options.seed)
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(options.victims):
        scores, pictures = attack.on(number, population.clients[number], crowd)
        _write_strip(out / f"victim-{number + 1}.png", [crowd[number], *pictures])
        rows.append(scores)
        progress(number + 1, options.victims)
    result = {
        "data": str(spec),
        "model": describe_model(model, options.trainable) | {"initial": options.initial},
        "policy": policy.model_dump(mode="json"),
        "crowd": options.crowd,
        "summary": {name: _summary([row[name] for row in rows], options.crowd) for name in (WITHOUT, WITH)},
        "victims": rows,
        "cost": watch.cost(4 * sum(p.numel() for p in model.trainable(options.trainable).values())),
        "versions": versions(),
        "seed": options.seed,
    }
    write_result(out / "inversion.json", result)
    return result


def _check(options: InversionOptions) -> None:
    if options.policy.unit != "sequence":
        raise UsageError("The inversion is shown for the unit `sequence` only", fix="Leave `--set unit=...` out")
    if not 1 <= options.victims <= options.crowd:
        raise UsageError(f"{options.victims} victims cannot be found among {options.crowd} people")


def _policy(options: InversionOptions, scheme: str) -> Policy:
    """One step a round: a second would take place from weights that the server does not know."""
    given = {"steps": 1, "lifetime_steps": None, "reply_seconds": 0.0}
    settings = options.policy.model_copy(update=given)
    return settings.calibrated(_MODEL, scheme, options.trainable)


def _middle_frame(client: Sequences) -> Tensor:
    frames = client.frames[0]
    return to_input(frames[len(frames) // 2])


def _summary(scores: Sequence[dict[str, Any]], crowd: int) -> dict[str, float]:
    found = sum(score["rank"] == 1 for score in scores)
    return {
        "identified": round(found / len(scores), 4),
        "chance": round(1 / crowd, 4),
        "p_value": by_chance(found, len(scores), crowd),
        "median_correlation": round(statistics.median(score["correlation"] for score in scores), 4),
        "label_found": round(sum(score["label_found"] for score in scores) / len(scores), 4),
        "median_pooled_state_correlation": round(
            statistics.median(score["pooled_state_correlation"] for score in scores), 4
        ),
    }


def _write_strip(path: Path, pictures: Sequence[Tensor]) -> None:
    """Pictures (1, H, W) in [0, 1] side by side, enlarged."""
    strip = (torch.cat(list(pictures), dim=2)[0].numpy() * 255).astype(np.uint8)
    enlarged = cv2.resize(strip, None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_NEAREST)
    if not cv2.imwrite(str(path), enlarged):
        raise StorageError(f"The picture {path} cannot be written", fix="Free some space, or name another folder")
