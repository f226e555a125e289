"""Federations that lack some of the sequences of their people, and how surely it shows which.

Several federations train on random halves of one pool of sequences, so that for each model the others are references:
how sure a model is that was trained on the same people, but not on this sequence (Carlini et al. 2022, "Membership
Inference Attacks From First Principles", section VI). The difference to them is the score (Watson et al. 2022, "On
the Importance of Difficulty Calibration in Membership Inference Attacks", section 4).
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fl_client.training import Update, local_update
from fl_server.settings import AggregationSettings, PolicySettings
from shared_models.data.sequences import INPUT_SHAPE, Sequences
from shared_models.data.sources import parse_spec
from shared_models.errors import UsageError
from shared_models.networks.features import FeatureCache
from shared_models.networks.model import EmotionModel
from shared_models.networks.starter import initial_model
from shared_models.privacy.gradients import ENGINES, engine_by_name
from shared_models.privacy.noise import NoiseSource
from shared_models.privacy.policy import Policy
from simulations.federation import Conduct, train
from simulations.populations import Plan, populate, scheme_of

MEMORISING = {"steps": 20, "clip_norm": 2.0}
"""Policy entries with which so small a federation learns its sequences by heart when there is no noise."""
_MODEL = "cnn-lstm"
Examples = tuple[Tensor, Tensor]
"""Inputs (B, V, ...) of the trainable part and targets (B, K) of one person."""


@dataclass(frozen=True)
class MembershipOptions:
    """What `fl-sim attack membership` was asked for.

    people:     devices of a federation
    per_person: sequences of a person, about half of which one federation has
    models:     federations that are trained of the same people, references for each other
    pools:      how often all of that is done, each time with other people
    epsilons:   lifetime epsilons that are attacked; training without noise is attacked besides
    """

    data: str
    people: int
    per_person: int
    models: int
    pools: int
    rounds: int
    epsilons: tuple[float, ...]
    policy: PolicySettings
    trainable: str
    initial: str
    seed: int

    def calibrated(self, epsilon: float) -> Policy:
        """Raises PolicyError where the numbers make no policy."""
        given = {
            "epsilon": epsilon,
            "participations": self.rounds,
            "max_sequences": self.per_person,
            "denominator": self.per_person // 2,
            "reply_seconds": 0.0,
        }
        return self.policy.model_copy(update=given).calibrated(_MODEL, self._scheme, self.trainable)

    def check(self) -> None:
        """Raises UsageError where the numbers do not fit together."""
        if self.policy.unit != "sequence":
            raise UsageError("Membership is asked of single sequences", fix="Leave `--set unit=...` out")
        if self.models < 4 or self.models % 2:
            raise UsageError(
                f"{self.models} models cannot be references for each other", fix="Give an even number from 4"
            )
        if self.people < self.policy.min_survivors:
            raise UsageError(
                f"No round with {self.people} people would count",
                why=f"the policy asks for min_survivors = {self.policy.min_survivors}",
            )
        if self.per_person < 2:
            raise UsageError("A person with one sequence cannot be halved", fix="Give two sequences a person or more")

    @property
    def _scheme(self) -> str:
        return scheme_of(parse_spec(self.data)).name


class Pool:
    """Some people's sequences as the trainable part sees them, and which of them each federation trains on.

    included: (N, R) bool: whether federation n trains on sequence r
    """

    def __init__(self, options: MembershipOptions, seed: int) -> None:
        options.check()
        spec = parse_spec(options.data)
        scheme = scheme_of(spec)
        self._options, self._seed = options, seed
        torch.manual_seed(seed)  # of random initial weights
        self.model, _, _ = initial_model(options.initial, _MODEL, scheme.name, INPUT_SHAPE)
        plan = Plan(str(options.people), options.per_person, alpha=1.0, holdout=0.2, seed=seed)
        self._people = [self._seen(client) for client in populate(spec, scheme, plan).clients]
        rng, sequences = np.random.default_rng((seed, 11)), sum(len(targets) for _, targets in self._people)
        in_half = [rng.permutation(options.models) < options.models // 2 for _ in range(sequences)]
        self.included = np.stack(in_half, axis=1)

    def scores(
        self,
        policy: Policy,
        progress: Callable[[int, int], None] = lambda done, total: None,
        aggregation: AggregationSettings = AggregationSettings(),
    ) -> np.ndarray:
        """(N, R): high where federation n seems to have trained on sequence r."""
        found = []
        for number in range(self._options.models):
            found.append(self._confidences(policy, aggregation, number))
            progress(number + 1, self._options.models)
        return calibrated_scores(np.stack(found), self.included)

    def _confidences(self, policy: Policy, aggregation: AggregationSettings, number: int) -> np.ndarray:
        """(R,) those of the final model of federation `number`."""
        seed = self._seed * 1000 + number
        devices = _PartOfPool(self._people, self.included[number], seed)
        conduct, cohort = Conduct(aggregation), len(self._people)
        model = train(self.model, policy, devices, self._options.rounds, cohort, seed, conduct=conduct).model
        stage = model.first_trainable_stage(policy.trainable)
        with torch.no_grad():
            found = [confidence(model.run_from(stage, inputs[:, 0]), targets) for inputs, targets in self._people]
        return torch.cat(found).numpy()

    def _seen(self, client: Sequences) -> Examples:
        frames = ((str(row), sequence) for row, sequence in enumerate(client.frames))
        options = self._options
        inputs = FeatureCache().inputs(self.model, options.trainable, frames, options.policy.views)
        return inputs, torch.from_numpy(client.targets)


class _PartOfPool:
    """Devices that hold some of each person's sequences; see `Devices`."""

    def __init__(self, people: Sequence[Examples], included: np.ndarray, seed: int) -> None:
        held = torch.from_numpy(included).split([len(targets) for _, targets in people])
        self._stores = [(inputs[mask], targets[mask]) for (inputs, targets), mask in zip(people, held, strict=True)]
        self._seed, self._engine = seed, engine_by_name(ENGINES[0])

    def __len__(self) -> int:
        return len(self._stores)

    def updates(self, model: EmotionModel, policy: Policy, round_: int, numbers: Sequence[int]) -> Iterator[Update]:
        for number in numbers:
            noise = NoiseSource.from_seed(self._seed, round_, number)
            yield local_update(copy.deepcopy(model), policy, *self._stores[number], noise, self._engine)


def confidence(logits: Tensor, targets: Tensor) -> Tensor:
    """(B,) float64: log(p / (1 - p)) of the label's probability p (Carlini et al. 2022, section IV-C).

    It still tells sequences apart where their losses are all next to 0. logits and targets: (B, K)
    """
    label = torch.nn.functional.one_hot(targets.argmax(1), logits.shape[1]).bool()
    own, others = logits.double()[label], logits.double().masked_fill(label, -torch.inf)
    return own - others.logsumexp(1)


def calibrated_scores(confidences: np.ndarray, included: np.ndarray) -> np.ndarray:
    """A sequence's confidence under each model, less the mean of the other models that did not train on it.

    confidences: (N, R) of each sequence under each model; included: (N, R) bool
    """
    lacking = np.where(included, 0.0, confidences)
    references = (~included).sum(0) - ~included
    return confidences - (lacking.sum(0) - lacking) / references
