"""Algorithms are settings of the product, and the simulated server follows them."""

import pytest
import torch

from fl_server.settings import AggregationSettings
from shared_models.errors import PolicyError, SettingsError, UsageError
from shared_models.privacy.gradients import engine_by_name
from simulations.algorithms import ALGORITHMS, settings_for
from simulations.engines.local import LocalDevices, LocalEngine
from simulations.federation import Conduct


@pytest.fixture
def run(model, clients, policy, weights_of):
    """`run(rounds, policy=..., optimiser="fedavgm")`: the change of the weights after so many rounds."""

    def run(rounds, policy=policy, **aggregation):
        devices = LocalDevices(model, clients, engine_by_name("fast"), 0)
        engine = LocalEngine(model, devices, 0, Conduct(AggregationSettings(**aggregation)))
        return weights_of(engine.train(policy, rounds, 3).model) - weights_of(model)

    return run


def test_an_algorithm_sets_what_it_is_and_entries_go_before_it() -> None:
    policy, server = settings_for("fedprox", [], epsilon=4.0)
    assert (policy.proximal, policy.epsilon, server) == (0.1, 4.0, AggregationSettings())
    policy, server = settings_for("fedadam", ["steps=2", "aggregation.tau=0.5"])
    assert (policy.steps, server.optimiser, server.server_learning_rate, server.tau) == (2, "fedadam", 0.1, 0.5)
    assert settings_for("fedprox", ["proximal=0.3"])[0].proximal == 0.3


def test_each_algorithm_is_documented_with_what_becomes_of_the_claims() -> None:
    import simulations.algorithms

    for name in ALGORITHMS:
        assert f"| {name} | " in (simulations.algorithms.__doc__ or "")


@pytest.mark.parametrize(
    ("algorithm", "entry", "error", "said"),
    [
        ("fedsgd", "steps=1", UsageError, "no algorithm 'fedsgd'"),
        ("fedavg", "aggregation.rate=1", SettingsError, "aggregation setting rate"),
        ("fedavg", "rate=1", SettingsError, "policy setting rate"),
        ("fedavg", "steps", UsageError, "not an entry"),
    ],
)
def test_what_is_no_setting_is_refused(algorithm, entry, error, said) -> None:
    with pytest.raises(error, match=said):
        settings_for(algorithm, [entry])


def test_the_server_s_rate_and_momentum_act_on_rounds(run, policy) -> None:
    """Half the rate is half the first step; the first step of momentum is the change itself, the second is longer."""
    torch.testing.assert_close(run(1, server_learning_rate=0.5), 0.5 * run(1))
    torch.testing.assert_close(run(1, optimiser="fedavgm"), run(1))
    assert not torch.allclose(run(2, optimiser="fedavgm"), run(2))


def test_the_pull_of_fedprox_shortens_updates(run, make_policy) -> None:
    free, pulled = (make_policy(steps=4, proximal=pull).without_noise() for pull in (0.0, 0.9))
    assert run(1, pulled).norm() < run(1, free).norm()


def test_a_robust_rule_sees_every_update_and_is_refused_where_it_voids_the_claim(run, make_policy) -> None:
    assert not torch.allclose(run(1, rule="median"), run(1))
    shared = make_policy(unit="participant", update_clip=0.1)
    with pytest.raises(PolicyError, match="drops shares"):
        run(1, shared, rule="median")
