import math

import pytest
import torch

from shared_models.networks.weights import norm_of
from shared_models.privacy.gradients import engine_by_name
from simulations.attacks.free_riders import FREE_RIDERS
from simulations.attacks.malice import AlteredClients, Attack, MixedDevices, scaled
from simulations.attacks.poisoning import flipped, poisoning_attacks
from simulations.engines.local import LocalDevices

HONEST, LIAR = 0, 2


@pytest.fixture(scope="module")
def stored(make_sequences):
    return [make_sequences(3, seed) for seed in range(4)]


@pytest.fixture
def mixed(starter, stored):
    """`mixed(attack, bounded)`: four devices, of which LIAR is malicious."""

    def build(attack: Attack, bounded: bool) -> MixedDevices:
        engine = engine_by_name("fast")
        honest = LocalDevices(starter, stored, engine, 0)
        alter = attack.stores or (lambda data: data)
        malicious = LocalDevices(starter, AlteredClients(stored, alter), engine, 0)
        return MixedDevices(honest, malicious, attack, frozenset([LIAR]), bounded, seed=0)

    return build


@pytest.fixture
def updates_of(mixed, starter):
    """`updates_of(devices, policy, round_)`: what devices HONEST and LIAR send."""
    return lambda devices, policy, round_=1: list(devices.updates(starter, policy, round_, [HONEST, LIAR]))


def flat(update) -> torch.Tensor:
    return torch.cat([change.flatten() for change in update.values()])


def test_an_honest_device_sends_the_same_whoever_else_lies(mixed, updates_of, starter, stored, short_policy) -> None:
    policy = short_policy(8.0)
    (alone,) = LocalDevices(starter, stored, engine_by_name("fast"), 0).updates(starter, policy, 1, [HONEST])
    for attack in (poisoning_attacks(0) | FREE_RIDERS).values():
        assert torch.equal(flat(updates_of(mixed(attack, True), policy)[0]), flat(alone))


@pytest.mark.parametrize("name", [*poisoning_attacks(0), *FREE_RIDERS])
@pytest.mark.parametrize("noised", [True, False])
def test_every_lie_passes_the_norm_bound_so_nobody_is_noticed(mixed, updates_of, short_policy, name, noised) -> None:
    policy = short_policy(8.0) if noised else short_policy(8.0).without_noise()
    devices = mixed((poisoning_attacks(0) | FREE_RIDERS)[name], bounded=True)
    sent = updates_of(devices, policy)
    assert len(sent) == 2
    assert norm_of(sent[1]) <= policy.update_norm_bound(len(flat(sent[1])))
    assert (devices.sent, devices.refused) == (1, 0)


def test_an_update_above_the_bound_is_refused_only_where_the_bound_is_on(mixed, updates_of, short_policy) -> None:
    careless = Attack(lambda hand: scaled(hand.own, 1e6, math.inf))
    bounded, unbounded = mixed(careless, True), mixed(careless, False)
    assert len(updates_of(bounded, short_policy(8.0))) == 1
    assert (bounded.sent, bounded.refused) == (1, 1)
    assert len(updates_of(unbounded, short_policy(8.0))) == 2
    assert unbounded.refused == 0


def test_a_scaled_lie_is_a_hundredfold_or_as_large_as_is_taken(mixed, updates_of, short_policy) -> None:
    policy, attack = short_policy(8.0).without_noise(), poisoning_attacks(0)["scaled"]
    honest = updates_of(mixed(Attack(lambda hand: hand.own), False), policy)[1]
    free, cut = (updates_of(mixed(attack, bounded), policy)[1] for bounded in (False, True))
    assert torch.allclose(flat(free), -100 * flat(honest))
    assert norm_of(cut) == pytest.approx(policy.update_norm_bound(len(flat(cut))), rel=0.002)
    assert torch.cosine_similarity(flat(cut), flat(honest), dim=0) == pytest.approx(-1, abs=1e-5)


def test_whoever_tampers_with_the_program_leaves_the_noise_out(mixed, updates_of, short_policy) -> None:
    policy = short_policy(0.5)
    quiet = updates_of(mixed(poisoning_attacks(0)["sign-flip"], False), policy)[1]
    noised = updates_of(mixed(poisoning_attacks(0)["label-flip"], False), policy)[1]
    assert norm_of(quiet) < norm_of(noised) / 5


def test_a_data_poisoner_trains_by_the_products_code_on_other_labels(
    mixed, updates_of, starter, stored, short_policy
) -> None:
    policy = short_policy(8.0)
    clients = [flipped(client) for client in stored]
    (expected,) = LocalDevices(starter, clients, engine_by_name("fast"), 0).updates(starter, policy, 1, [LIAR])
    assert torch.equal(flat(updates_of(mixed(poisoning_attacks(0)["label-flip"], True), policy)[1]), flat(expected))


def test_free_riders_send_nothing_or_noise_or_what_they_sent_before(mixed, updates_of, short_policy) -> None:
    policy = short_policy(8.0)
    zeros, random, old = (mixed(FREE_RIDERS[name], True) for name in ("zeros", "random", "old-update"))
    assert not flat(updates_of(zeros, policy)[1]).any()
    first, second = (flat(updates_of(random, policy, round_)[1]) for round_ in (1, 2))
    assert abs(torch.cosine_similarity(first, second, dim=0)) < 0.2
    before, later = (updates_of(old, policy, round_) for round_ in (1, 2))
    assert torch.equal(flat(before[1]), flat(later[1]))
    assert not torch.equal(flat(before[0]), flat(later[0]))


@pytest.mark.parametrize(
    ("factor", "limit", "expected"),
    [(2.0, math.inf, 10.0), (-3.0, 100.0, 15.0), (2.0, 8.0, 7.992), (math.inf, 8.0, 7.992)],
)
def test_a_scaled_update_stays_just_below_the_limit(factor, limit, expected) -> None:
    update = {"a": torch.tensor([3.0]), "b": torch.tensor([4.0])}
    result = scaled(update, factor, limit)
    assert norm_of(result) == pytest.approx(expected)
    assert math.copysign(1, result["a"]) == math.copysign(1, factor)


def test_nothing_stays_nothing_however_it_is_scaled() -> None:
    assert norm_of(scaled({"a": torch.zeros(3)}, -100, 1.0)) == 0
