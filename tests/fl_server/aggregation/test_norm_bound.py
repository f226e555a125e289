"""The norm bound refuses no honest update in practice, and a doubled one wherever noise is most of an update."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from fl_server.aggregation import Checker
from shared_models.errors import WireError
from shared_models.networks.registry import build_model
from shared_models.privacy.policy import _NOISE_TAIL
from shared_models.wire import encode_update, shapes_of


def test_an_honest_norm_is_over_the_bound_with_a_probability_below_1e_14():
    """The norm of d standard normal numbers is chi-distributed: exact, for every size of a model."""
    sizes = np.unique(np.geomspace(1, 1e9, 400).astype(int)).astype(float)
    assert chi2.sf((np.sqrt(sizes) + _NOISE_TAIL) ** 2, sizes).max() < 1e-14


@pytest.mark.parametrize("parameters", [1, 10, 903, 132_000, 5_000_000])
def test_simulated_norms_stay_within_the_tail_that_the_bound_rests_on(parameters):
    """P(norm > sqrt(d) + t) <= exp(-t^2 / 2): Gaussian concentration of a 1-Lipschitz function."""
    norms = np.sqrt(np.random.default_rng(parameters).chisquare(parameters, 1_000_000))
    for t in (0.5, 1.0, 2.0, 3.0):
        assert (norms > math.sqrt(parameters) + t).mean() <= math.exp(-t * t / 2)
    assert norms.max() < math.sqrt(parameters) + _NOISE_TAIL


def sent(checker, expected, signed, deviation, factor, shapes):
    """The norm's verdict on noise alone, `factor` times as large as the policy's."""
    noise = {name: factor * deviation * torch.randn(shape) for name, shape in shapes.items()}
    try:
        checker.check(encode_update(signed(noise)), expected)
    except WireError as error:
        return error.reason
    return "taken"


@pytest.fixture(params=["sequence, head", "participant"])
def policy(request, make_policy):
    if request.param == "participant":
        return make_policy(unit="participant", update_clip=0.01)
    return make_policy(trainable="head")


@pytest.fixture
def shapes(policy):
    return shapes_of(build_model("cnn-lstm", 7).trainable(policy.trainable))


def test_twice_an_honest_update_is_refused_where_noise_is_most_of_it(policy, shapes, expected, signed):
    torch.manual_seed(2)
    checker = Checker(policy, shapes)
    protected = policy.mechanism_for("participant")
    step = policy.learning_rate / policy.denominator * policy.clip_norm * policy.noise_multiplier
    deviation = protected.share if protected else step * math.sqrt(policy.steps)
    assert [sent(checker, expected, signed, deviation, 1.0, shapes) for _ in range(20)] == ["taken"] * 20
    assert [sent(checker, expected, signed, deviation, 2.0, shapes) for _ in range(20)] == ["norm"] * 20
