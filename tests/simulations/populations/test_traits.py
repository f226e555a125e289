"""What may be asked of a population, and of which data."""

import numpy as np
import pytest

from shared_models.data.synthetic.domains import LAPTOP
from shared_models.errors import UsageError
from simulations.populations import Plan, deal
from simulations.populations.traits import Traits, own_domain, traits_of


def test_traits_are_composed_and_alike_where_none_is_named() -> None:
    assert traits_of([]) == Traits()
    assert traits_of(["label-skew:0.2", "quantity-skew"]) == Traits(label_skew=0.2, quantity_skew=1.0)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["height"], "no population 'height'"),
        (["label-skew:0"], "'0' is no number for label-skew"),
        (["label-skew", "personal-priors"], "not both"),
    ],
)
def test_what_is_no_trait_is_refused(texts, said) -> None:
    with pytest.raises(UsageError, match=said):
        traits_of(texts)


def test_without_shift_a_room_is_everybody_s_and_with_all_of_it_a_client_s_own() -> None:
    assert own_domain(LAPTOP, 0, np.random.default_rng(0)) is LAPTOP
    own, other = (own_domain(LAPTOP, 1, np.random.default_rng(seed)) for seed in (0, 1))
    assert own.level[0] == own.level[1] != other.level[0]
    assert own.display is LAPTOP.display


def test_recorded_people_can_differ_in_size_and_pooled_ones_in_labels_too(make_sequences) -> None:
    data = make_sequences(60, 0)
    named = type(data)(data.scheme, data.frames, data.targets, tuple(f"p{i % 6}" for i in range(60)), data.digests)
    plan = Plan("by-subject", 10, 1.0, 0.2, 0, ("quantity-skew",))
    sizes = {len(client) for client in deal(named, plan)}
    assert len(sizes) > 1
    assert max(sizes) <= 10
    pooled = Plan("4", 10, 1000.0, 0.2, 0, ("label-skew:0.01",))
    assert np.mean([len(set(client.labels)) for client in deal(named, pooled)]) < 4


@pytest.mark.parametrize("trait", ["feature-shift", "personal-priors", "label-skew"])
def test_recorded_people_keep_their_pictures_and_labels(make_sequences, trait) -> None:
    data = make_sequences(6, 0)
    named = type(data)(data.scheme, data.frames, data.targets, ("a",) * 3 + ("b",) * 3, data.digests)
    with pytest.raises(UsageError, match="cannot be"):
        deal(named, Plan("by-subject", 2, 1.0, 0.2, 0, (trait,)))
