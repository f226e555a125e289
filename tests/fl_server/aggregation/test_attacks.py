"""One device in ten lies: what a round's arithmetic makes of it."""

import contextlib

import numpy as np
import pytest
import torch

from fl_server.aggregation import rule_by_settings
from fl_server.settings import AggregationSettings
from shared_models.errors import WireError
from shared_models.wire import encode_update

HONEST, LIARS = 18, 2
POLICIES = {
    "quiet": {"epsilon": 500.0, "max_sequences": 60},  # what is learnt exceeds the noise
    "noisy": {"epsilon": 8.0, "max_sequences": 60},  # the noise exceeds what is learnt
}


@pytest.fixture(params=POLICIES)
def policy(request, make_policy):
    return make_policy(**POLICIES[request.param])


def norm(update):
    return float(torch.cat([change.double().flatten() for change in update.values()]).norm())


def scaled(update, factor):
    return {name: change * factor for name, change in update.items()}


def difference(one, other):
    return norm({name: change.double() - other[name].double() for name, change in one.items()})


@pytest.fixture
def honest(policy, shapes):
    """Updates with a third of the signal that the policy allows in a common direction, and the policy's own noise."""
    generator = torch.Generator().manual_seed(6)
    direction = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    scale = policy.learning_rate / policy.denominator * policy.clip_norm
    signal = policy.steps * policy.max_sequences * scale / 3 / norm(direction)
    deviation = policy.noise_multiplier * policy.steps**0.5 * scale
    return [
        {n: d * signal + deviation * torch.randn(d.shape, generator=generator) for n, d in direction.items()}
        for _ in range(HONEST)
    ]


def one_number(update, value):
    name = sorted(update)[0]
    changed = {other: torch.zeros_like(change) for other, change in update.items()}
    changed[name].view(-1)[0] = value
    return changed


TAKEN = {
    "scaled": lambda update, bound: scaled(update, 0.999 * bound / norm(update)),
    "flipped": lambda update, bound: scaled(update, -0.999 * bound / norm(update)),
    "one number": lambda update, bound: one_number(update, 0.999 * bound),
    "zero": lambda update, bound: scaled(update, 0.0),
}
REFUSED = {
    "over the norm": lambda update, bound: scaled(update, 1.001 * bound / norm(update)),
    "ten thousand times": lambda update, bound: scaled(update, 1e4),
    "nan": lambda update, bound: one_number(update, float("nan")),
    "inf": lambda update, bound: one_number(update, float("-inf")),
}


@pytest.fixture
def accepted(checker, expected, signed):
    """`accepted(updates)`: those that pass the server's checks, as they come off the wire."""

    def accepted(updates):
        passed = []
        for update in updates:
            with contextlib.suppress(WireError):
                passed.append(checker.check(encode_update(signed(update)), expected).delta)
        return passed

    return accepted


@pytest.fixture
def combine(policy, shapes):
    def combine(rule, updates):
        settings = AggregationSettings(rule=rule, trim=LIARS / (HONEST + LIARS))
        return rule_by_settings(settings, policy).combine(updates, shapes)

    return combine


@pytest.mark.parametrize("attack", TAKEN)
def test_liars_move_the_mean_by_their_share_of_the_norm_bound_at_most(honest, accepted, combine, norm_bound, attack):
    """k of n liars: (k/n) * |their mean - the honest mean| <= (k/n) * (bound + |honest mean|) <= 2 k/n * bound."""
    lies = [TAKEN[attack](update, norm_bound) for update in honest[:LIARS]]
    taken = accepted([*honest, *lies])
    assert len(taken) == HONEST + LIARS
    truth = combine("mean", honest)
    moved = difference(combine("mean", taken), truth)
    assert moved <= LIARS / (HONEST + LIARS) * (norm_bound + norm(truth)) * (1 + 1e-6)
    assert moved > 0


@pytest.mark.parametrize("attack", REFUSED)
def test_what_no_honest_device_can_send_moves_nothing(honest, accepted, combine, norm_bound, attack):
    lies = [REFUSED[attack](update, norm_bound) for update in honest[:LIARS]]
    taken = accepted([*lies, *honest])
    assert len(taken) == HONEST
    truth, found = combine("mean", honest), combine("mean", taken)
    assert all(torch.equal(found[name], value) for name, value in truth.items())


@pytest.mark.parametrize("policy", ["quiet"], indirect=True)
@pytest.mark.parametrize("rule", ["trimmed_mean", "median"])
@pytest.mark.parametrize("attack", ["scaled", "flipped", "one number"])
def test_where_the_signal_exceeds_the_noise_robust_rules_take_most_of_a_lie_away(
    honest, accepted, combine, norm_bound, rule, attack
):
    taken = accepted([*honest, *(TAKEN[attack](update, norm_bound) for update in honest[:LIARS])])
    truth = combine("mean", honest)
    assert difference(combine(rule, taken), truth) < 0.3 * difference(combine("mean", taken), truth)


@pytest.mark.parametrize("policy", ["noisy"], indirect=True)
@pytest.mark.parametrize("rule", ["trimmed_mean", "median"])
def test_a_lie_in_one_number_is_taken_away_under_any_noise(honest, accepted, combine, norm_bound, rule):
    taken = accepted([*honest, *(one_number(honest[0], 0.999 * norm_bound) for _ in range(LIARS))])
    name = sorted(taken[0])[0]
    truth, mean, robust = (
        float(combine(how, updates)[name].view(-1)[0])
        for how, updates in (("mean", honest), ("mean", taken), (rule, taken))
    )
    assert abs(robust - truth) < 0.2 * abs(mean - truth)


def test_the_attacked_policies_are_what_their_names_say(policy, honest, request):
    quiet = request.node.callspec.params["policy"] == "quiet"
    spread = np.mean([difference(update, honest[0]) for update in honest[1:]]) / 2**0.5
    mean = {name: torch.stack([update[name] for update in honest]).mean(0) for name in honest[0]}
    assert bool(norm(mean) > spread) is quiet
