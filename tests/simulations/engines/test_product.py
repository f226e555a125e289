"""The product's server and laptops as the flower engine puts them together, with Flower's runtime left out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from flwr.app import Context, RecordDict

from fl_server.settings import AggregationSettings
from shared_models.errors import RoundError, UsageError
from shared_models.privacy.gradients import engine_by_name
from shared_models.privacy.noise import NoiseSource
from simulations.availability import DropOut
from simulations.engines import laptops, product
from simulations.engines.local import LocalDevices, LocalEngine
from simulations.engines.product import FlowerEngine
from simulations.federation import Conduct

FAST = engine_by_name("fast")
pytestmark = pytest.mark.usefixtures("inside_a_task", "quick_disk")


class Runtime:
    """Stands where `FlowerRuntime` stands: hands each task to its laptop at once, in this process."""

    def __init__(self, devices):
        self.nodes = [1000 + number for number in range(devices)]
        self._open = {}

    def run(self, server_app, client_app, workers):
        self._client_app = client_app
        server_app(self, Context(1, 0, {}, RecordDict(), {}))

    def get_node_ids(self):
        return self.nodes

    def push_messages(self, messages):
        for number, message in enumerate(messages, start=len(self._open)):
            message.metadata.__dict__["_message_id"] = str(number)
            self._open[str(number)] = message
            yield str(number)

    def pull_messages(self, message_ids):
        for message_id in message_ids:
            task = self._open[message_id]
            config = {"partition-id": self.nodes.index(task.metadata.dst_node_id)}
            yield self._client_app(task, Context(1, task.metadata.dst_node_id, config, RecordDict(), {}))


@pytest.fixture(autouse=True)
def without_flower(monkeypatch):
    monkeypatch.setattr(product, "FlowerRuntime", Runtime)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"unit": "participant", "update_clip": 0.05, "noise_multiplier": None},
        {"min_rounds_between": 1, "trainable": "head"},
    ],
)
def test_servers_and_laptops_give_the_weights_of_the_local_engine_with_noise_and_without(
    model, make_policy, make_sequences, weights_of, changes
) -> None:
    clients, private = [make_sequences(3, seed) for seed in range(5)], make_policy(participations=4, **changes)
    local = LocalEngine(model, LocalDevices(model, clients, FAST, 7), 7)
    flower = FlowerEngine(model, clients, 7, "fast", 1)
    for policy in (private, private.without_noise()):
        expected, trained = (engine.train(policy, 3, 3) for engine in (local, flower))
        torch.testing.assert_close(weights_of(trained.model), weights_of(expected.model), rtol=0, atol=1e-6)
        assert trained.participations == expected.participations
        assert not torch.equal(weights_of(trained.model), weights_of(model))


def test_the_server_s_optimiser_and_those_who_answer_are_the_same_as_locally(
    model, make_policy, make_sequences, weights_of
) -> None:
    clients, policy = [make_sequences(3, seed) for seed in range(6)], make_policy(participations=3)
    conduct = Conduct(AggregationSettings(optimiser="fedadam", server_learning_rate=0.1), DropOut(7, 0.3))
    local = LocalEngine(model, LocalDevices(model, clients, FAST, 7), 7, conduct).train(policy, 3, 6)
    flower = FlowerEngine(model, clients, 7, "fast", 1, conduct).train(policy, 3, 6)
    torch.testing.assert_close(weights_of(flower.model), weights_of(local.model), rtol=0, atol=1e-6)
    everybody = LocalEngine(model, LocalDevices(model, clients, FAST, 7), 7).train(policy, 3, 6)
    assert not torch.allclose(weights_of(local.model), weights_of(everybody.model), rtol=0, atol=1e-4)


def test_where_too_few_devices_may_take_part_it_says_so_instead_of_waiting(model, policy, clients) -> None:
    with pytest.raises(RoundError, match="a round needs 2"):
        FlowerEngine(model, clients, 0, "fast", 1).train(policy, policy.participations + 1, 3)


def test_a_lost_update_ends_the_run_in_a_sentence(model, policy, clients, monkeypatch) -> None:
    monkeypatch.setattr(laptops.Laptops, "_participant", lambda *_: None)
    with pytest.raises(RoundError, match=r"Round 1 .* lost updates: 3 x device_error"):
        FlowerEngine(model, clients, 0, "fast", 1).train(policy, 1, 3)


def test_soft_labels_are_refused_since_a_device_stores_one_label(model, policy, clients) -> None:
    soft = np.full_like(clients[0].targets, 1 / 7)
    with pytest.raises(UsageError, match="--engine local"):
        FlowerEngine(model, [replace(clients[0], targets=soft), *clients[1:]], 0, "fast", 1).train(policy, 1, 3)


def test_silent_laptops_draw_who_takes_part_in_a_step_as_the_local_engine_does() -> None:
    silent, seeded = laptops._Silence.from_seed(3), NoiseSource.from_seed(3)
    assert not silent.normal((5,)).any()
    assert seeded.normal((5,)).all()
    assert torch.equal(silent.bernoulli(50, 0.5), seeded.bernoulli(50, 0.5))


def test_progress_follows_the_rounds(model, policy, clients) -> None:
    seen = []
    FlowerEngine(model, clients, 0, "fast", 1).train(policy, 2, 3, lambda *step: seen.append(step))
    assert seen == [(0, 2), (1, 2), (2, 2)]
