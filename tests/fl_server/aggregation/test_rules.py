"""Each rule against NumPy on all updates at once, in memory that the cohort does not decide; no rule voids a claim."""

import math
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.stats import trim_mean

from fl_server.aggregation import robust, rule_by_settings
from fl_server.aggregation.mean import Mean
from fl_server.aggregation.robust import Median, TrimmedMean
from fl_server.settings import AggregationSettings
from shared_models.errors import PolicyError

RULES = ("mean", "trimmed_mean", "median")


class OnDisk:
    """Updates that are made anew for each pass, one at a time."""

    def __init__(self, make, count):
        self.make, self.count, self.passes = make, count, 0

    def __iter__(self):
        self.passes += 1
        return map(self.make, range(self.count))


def exact(rule, values):
    """NumPy's answer, in float64; values: (n, ...)"""
    values = values.astype("f8")
    if rule == "median":
        return np.median(values, axis=0)
    return trim_mean(values, 0.2, axis=0) if rule == "trimmed_mean" else values.mean(axis=0)


# Dyadic numbers, whose sums are exact in whatever order they are added.
DYADIC = st.integers(-(2**20), 2**20).map(lambda n: n / 2**10)
COHORTS = st.integers(1, 12).flatmap(
    lambda count: st.lists(array_shapes(min_dims=0, max_dims=3, max_side=4), min_size=1, max_size=4).flatmap(
        lambda shapes: st.tuples(*(arrays(np.float32, (count, *shape), elements=DYADIC) for shape in shapes))
    )
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(stacked=COHORTS, block_values=st.integers(1, 200), rule=st.sampled_from(RULES))
def test_every_rule_is_numpy_s_on_the_stacked_updates_whatever_the_block(policy, stacked, block_values, rule):
    shapes = {f"w{i}": values.shape[1:] for i, values in enumerate(stacked)}
    updates = [{f"w{i}": torch.tensor(values[n]) for i, values in enumerate(stacked)} for n in range(len(stacked[0]))]
    chosen = rule_by_settings(AggregationSettings(rule=rule, trim=0.2), policy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(robust, "_BLOCK_BYTES", 4 * block_values)
        combined = chosen.combine(updates, shapes)
    for i, values in enumerate(stacked):
        assert combined[f"w{i}"].dtype == torch.float32
        np.testing.assert_array_equal(combined[f"w{i}"].numpy(), exact(rule, values).astype("f4"))


@pytest.mark.parametrize("rule", RULES)
def test_real_numbers_come_out_as_numpy_has_them(policy, shapes, rule):
    rng = np.random.default_rng(4)
    updates = [{name: rng.normal(size=shape).astype("f4") for name, shape in shapes.items()} for _ in range(31)]
    chosen = rule_by_settings(AggregationSettings(rule=rule, trim=0.2), policy)
    combined = chosen.combine([{n: torch.from_numpy(v) for n, v in update.items()} for update in updates], shapes)
    for name in shapes:
        expected = exact(rule, np.stack([update[name] for update in updates]))
        np.testing.assert_allclose(combined[name].numpy(), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_no_update_is_no_change(policy, shapes, rule):
    combined = rule_by_settings(AggregationSettings(rule=rule), policy).combine([], shapes)
    assert {name: tuple(value.shape) for name, value in combined.items()} == dict(shapes)
    assert not any(value.any() for value in combined.values())


@pytest.mark.parametrize("rule", RULES)
def test_updates_are_left_as_they_were(policy, rule):
    updates = [{"w": torch.tensor([3.0, 1.0])}, {"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([2.0, 3.0])}]
    combined = rule_by_settings(AggregationSettings(rule=rule), policy).combine(updates, {"w": (2,)})
    assert combined["w"].tolist() == [2.0, 2.0]
    assert [update["w"].tolist() for update in updates] == [[3.0, 1.0], [1.0, 2.0], [2.0, 3.0]]


def test_updates_that_cannot_be_read_again_are_an_error_and_never_a_wrong_answer():
    once = iter([{"w": torch.ones(2)}, {"w": torch.zeros(2)}])
    with pytest.raises(ValueError, match="zip"):
        Median().combine(once, {"w": (2,)})


@pytest.mark.parametrize(("rule", "passes"), [(Mean(), 1), (TrimmedMean(0.1), 1 + 4), (Median(), 1 + 4)])
def test_memory_is_a_block_and_a_few_models_whatever_the_cohort(monkeypatch, rule, passes):
    """NumPy tells tracemalloc what it allocates, torch does not: updates and blocks are NumPy's."""
    parameters, count = 1 << 14, 160
    block = 4 * count * parameters // 4  # the updates together have four times as many bytes
    monkeypatch.setattr(robust, "_BLOCK_BYTES", block)
    updates = OnDisk(lambda n: {"w": torch.from_numpy(np.full(parameters, n, np.float32))}, count)
    tracemalloc.start()
    combined = rule.combine(updates, {"w": (parameters,)})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert updates.passes == passes
    assert combined["w"].eq((count - 1) / 2).all()
    assert peak < block + 6 * 4 * parameters


@pytest.mark.parametrize("rule", ["trimmed_mean", "median"])
@pytest.mark.parametrize("stacked", [False, True])
def test_a_rule_that_drops_shares_of_the_noise_is_refused_where_the_claim_needs_their_sum(make_policy, rule, stacked):
    changes = {"unit": "participant", "update_clip": 0.1, "stack_units": stacked}
    participant = make_policy(**changes)
    with pytest.raises(PolicyError, match="sum of every device's share of the noise"):
        rule_by_settings(AggregationSettings(rule=rule), participant)
    rule_by_settings(AggregationSettings(rule="mean"), participant)


def test_the_default_is_the_plain_mean_and_no_other_rule_exists(policy):
    assert isinstance(rule_by_settings(AggregationSettings(), policy), Mean)
    assert isinstance(rule_by_settings(AggregationSettings(rule="median"), policy), Median)
    with pytest.raises(ValueError, match="rule"):
        AggregationSettings(rule="krum")


def test_the_share_that_is_trimmed_is_rounded_down():
    values = [0.0, 0.0, 0.0, 1000.0]
    updates = [{"w": torch.tensor(value)} for value in values]
    assert TrimmedMean(0.2).combine(updates, {"w": ()})["w"] == 250.0
    assert TrimmedMean(0.25).combine(updates, {"w": ()})["w"] == 0.0
    assert math.isclose(TrimmedMean(0.0).combine(updates, {"w": ()})["w"], 250.0)
