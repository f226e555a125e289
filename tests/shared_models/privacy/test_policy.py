import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared_models.errors import PolicyError
from shared_models.privacy.accounting import Spend, epsilon_of
from shared_models.privacy.calibration import calibrated
from shared_models.privacy.policy import Policy, checked_policy

FIELDS: dict[str, Any] = {
    "unit": "sequence",
    "model": "cnn-lstm",
    "scheme": "basic-7",
    "trainable": "classifier",
    "clip_norm": 0.5,
    "noise_multiplier": 6.0,
    "q": 1.0,
    "views": 1,
    "update_clip": None,
    "update_noise": None,
    "min_survivors": 2,
    "colluders": 1,
    "stack_units": False,
    "epsilon": 8.0,
    "delta": 1e-5,
    "participations": 6,
    "steps": 4,
    "lifetime_steps": 24,
    "min_rounds_between": 0,
    "denominator": 40,
    "max_sequences": 60,
    "pseudo_labels": False,
    "learning_rate": 1.0,
    "momentum": 0.5,
    "proximal": 0.0,
    "reply_seconds": 10.0,
}
OTHERS: dict[str, Any] = {
    "unit": "none",
    "model": "another",
    "scheme": "basic-8",
    "trainable": "head",
    "clip_norm": 0.51,
    "noise_multiplier": 6.1,
    "q": 0.5,
    "views": 4,
    "update_clip": 0.2,
    "update_noise": 9.0,
    "min_survivors": 3,
    "colluders": 0,
    "stack_units": True,
    "epsilon": 7.9,
    "delta": 2e-5,
    "participations": 5,
    "steps": 3,
    "lifetime_steps": 20,
    "min_rounds_between": 2,
    "denominator": 41,
    "max_sequences": 61,
    "pseudo_labels": True,
    "learning_rate": 1.1,
    "momentum": 0.6,
    "proximal": 0.1,
    "reply_seconds": 11.0,
}
CALIBRATED = ("unit", "noise_multiplier", "update_clip", "update_noise", "lifetime_steps", "stack_units")
TRAINING = {name: FIELDS[name] for name in FIELDS if name not in CALIBRATED}
SHARED = {"unit": "participant", "noise_multiplier": 0, "update_clip": 0.1, "update_noise": 3.0}
TOGETHER = {
    "unit": {"noise_multiplier": 0},
    "update_clip": SHARED,
    "update_noise": SHARED,
    "stack_units": SHARED | {"noise_multiplier": 6.0},
}
"""What else must change with a field, so that the policy still holds together."""


def a_policy(**changes: Any) -> Policy:
    return checked_policy(FIELDS | changes)


def test_the_table_of_changes_names_every_field() -> None:
    assert OTHERS.keys() == FIELDS.keys() == Policy.model_fields.keys() - {"version"}


@pytest.mark.parametrize("field", OTHERS)
def test_the_hash_changes_with_every_field(field: str) -> None:
    together = TOGETHER.get(field, {})
    changed = a_policy(**(together | {field: OTHERS[field]}))
    assert changed.hash != a_policy().hash
    assert changed.hash != a_policy().model_copy(update=together).hash


def test_the_hash_is_of_the_content_and_not_of_its_spelling() -> None:
    policy = a_policy()
    assert policy.hash == Policy.model_validate_json(policy.model_dump_json()).hash
    assert policy.hash == checked_policy(dict(reversed(FIELDS.items())) | {"learning_rate": 1}).hash
    assert len(policy.hash) == 64


def test_a_policy_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        a_policy().noise_multiplier = 0.0


@pytest.mark.parametrize("sigma", [0, 1e-200, 1e-9, 1.0, 2.9])
def test_noise_too_small_for_the_cap_is_refused_and_named(sigma: float) -> None:
    with pytest.raises(PolicyError, match=r"costs more than the lifetime cap of epsilon 8\.0") as refused:
        a_policy(noise_multiplier=sigma)
    assert f"noise multiplier {float(sigma) or 0}" in str(refused.value)


@pytest.mark.parametrize(
    "more",
    [
        {"participations": 25, "lifetime_steps": 100},
        {"steps": 17, "lifetime_steps": 102},
        {"epsilon": 3.4},
        {"delta": 1e-30},
    ],
)
def test_what_makes_the_same_noise_too_small_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match="lifetime cap"):
        a_policy(**more)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", 1),
        ("unit", "frame"),
        ("q", 0),
        ("q", 1.01),
        ("q", 0.005),
        ("views", 0),
        ("update_clip", 0),
        ("update_noise", math.inf),
        ("min_survivors", 0),
        ("colluders", -1),
        ("lifetime_steps", 0),
        ("min_rounds_between", -1),
        ("clip_norm", 0),
        ("clip_norm", math.inf),
        ("noise_multiplier", -6.0),
        ("noise_multiplier", math.nan),
        ("noise_multiplier", math.inf),
        ("epsilon", 0),
        ("epsilon", math.inf),
        ("delta", 0),
        ("delta", 1),
        ("participations", 0),
        ("steps", 0),
        ("steps", 10**400),
        ("denominator", 0),
        ("max_sequences", 0),
        ("learning_rate", -1),
        ("momentum", 1),
        ("momentum", -0.1),
        ("proximal", -0.1),
        ("proximal", math.inf),
        ("reply_seconds", math.inf),
        ("sampling_rate", 0.1),
    ],
)
def test_a_value_out_of_range_or_unknown_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(PolicyError, match=rf"not valid: {field}: "):
        a_policy(**{field: value})


@pytest.mark.parametrize("field", FIELDS)
def test_no_field_has_a_default(field: str) -> None:
    with pytest.raises(PolicyError, match=f"{field}: Field required"):
        checked_policy({name: value for name, value in FIELDS.items() if name != field})


def test_unit_none_has_no_noise_and_no_promise() -> None:
    policy = a_policy().without_noise()
    assert policy.epsilon_after(1) == policy.mu_after(1) == math.inf
    with pytest.raises(PolicyError, match="unit 'none' has no noise"):
        a_policy(unit="none")


@given(
    epsilon=st.floats(0.1, 20),
    delta=st.floats(1e-8, 1e-3),
    participations=st.integers(1, 200),
    steps=st.integers(1, 50),
)
def test_the_calibrated_policy_spends_at_most_its_cap_and_no_noise_is_wasted(
    epsilon: float, delta: float, participations: int, steps: int
) -> None:
    asked = {"epsilon": epsilon, "delta": delta, "participations": participations, "steps": steps}
    policy = calibrated(**(TRAINING | asked))
    assert policy.unit == "sequence"
    assert policy.epsilon_after(participations) <= epsilon
    with pytest.raises(PolicyError, match="lifetime cap"):
        checked_policy(policy.model_dump() | {"noise_multiplier": policy.noise_multiplier - 1e-4})


def test_what_was_spent_grows_with_each_participation_and_counts_every_step() -> None:
    policy = a_policy()
    assert policy.mu_after(3) == pytest.approx(math.sqrt(12) / 6)
    assert policy.epsilon_after(3) == epsilon_of([Spend(6.0, 1.0, 4)] * 3, 1e-5)
    spent = [policy.epsilon_after(k) for k in range(7)]
    assert spent[0] == 0
    assert spent == sorted(set(spent))


def test_the_lifetime_cap_on_steps_ends_what_rounds_would_go_on_with() -> None:
    policy = a_policy(lifetime_steps=18)
    assert policy.lifetime_rounds == 4
    assert a_policy(lifetime_steps=24).lifetime_rounds == 6
    a_policy(lifetime_steps=18, participations=25)  # would cost too much if steps did not end it
    with pytest.raises(PolicyError, match="lifetime_steps must allow"):
        a_policy(lifetime_steps=3)
    assert calibrated(**TRAINING, lifetime_steps=18).noise_multiplier < calibrated(**TRAINING).noise_multiplier


def test_sampling_costs_less_and_the_figure_without_it_is_that_of_every_sequence_in_every_step() -> None:
    sampled = a_policy(q=0.25)
    assert sampled.epsilon_after(6) < 0.5 * a_policy().epsilon_after(6)
    assert sampled.mu_after(6) == a_policy().mu_after(6)
    calibrated_ = calibrated(**(TRAINING | {"q": 0.25}))
    assert 7.9 < calibrated_.epsilon_after(6) <= 8


def test_a_participant_s_noise_is_a_share_of_what_the_sum_needs() -> None:
    """z C / sqrt(m - c): m - c honest survivors add up to z C, whatever the colluders know of their own."""
    policy = a_policy(**(SHARED | {"min_survivors": 20, "colluders": 4}))
    (mechanism,) = policy.mechanisms
    assert (mechanism.unit, mechanism.steps, mechanism.clip_norm) == ("participant", 1, 0.1)
    assert mechanism.share == pytest.approx(3.0 * 0.1 / 4)
    assert policy.epsilon_after(6) == epsilon_of([Spend(3.0, 1.0, 6)], 1e-5)


def test_the_published_pair_of_z_and_epsilon_for_five_participations() -> None:
    policy = a_policy(**(SHARED | {"update_noise": 1.345, "participations": 5, "lifetime_steps": 20}))
    assert policy.epsilon_after(5) == pytest.approx(7.98, abs=5e-3)


def test_a_participant_s_noise_is_calibrated_over_uploads_not_steps() -> None:
    policy = calibrated(**TRAINING, unit="participant", update_clip=0.1)
    assert (policy.noise_multiplier, policy.unit) == (0.0, "participant")
    assert 7.999 < policy.epsilon_after(6) <= 8
    assert policy.update_noise < calibrated(**TRAINING).noise_multiplier


def test_both_units_at_once_are_refused_with_the_reason_unless_forced() -> None:
    with pytest.raises(PolicyError, match=r"the outer clip then cuts the signal .* stack_units"):
        a_policy(**(SHARED | {"noise_multiplier": 6.0}))
    forced = calibrated(**TRAINING, unit="participant", update_clip=0.1, stack_units=True)
    assert [mechanism.unit for mechanism in forced.mechanisms] == ["sequence", "participant"]
    assert all(7.99 < forced.epsilon_after(6, unit) <= 8 for unit in ("sequence", "participant"))


@pytest.mark.parametrize("field", ["update_clip", "update_noise"])
def test_the_participant_unit_needs_its_fields_and_no_other_unit_has_them(field: str) -> None:
    with pytest.raises(PolicyError, match=f"{field} belongs to the unit 'participant'"):
        a_policy(**(SHARED | {field: None}))
    with pytest.raises(PolicyError, match="belongs to the unit 'participant'"):
        a_policy(**{field: 1.0})


def test_colluders_leave_honest_survivors() -> None:
    with pytest.raises(PolicyError, match="colluders must be fewer"):
        a_policy(colluders=2)


def test_the_norm_bound_of_a_clipped_update_is_its_clip_and_its_share_of_the_noise() -> None:
    policy = a_policy(**SHARED)
    assert policy.update_norm_bound(100) == pytest.approx(0.1 + 0.3 * 18)


def test_noise_that_is_given_is_taken_and_held_against_the_cap() -> None:
    assert calibrated(**TRAINING, noise_multiplier=9.0).noise_multiplier == 9.0
    with pytest.raises(PolicyError, match="lifetime cap"):
        calibrated(**TRAINING, noise_multiplier=2.0)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("parameters", [1, 1000, 600_000])
def test_the_norm_bound_leaves_room_for_the_noise_alone(momentum: float, steps: int, parameters: int) -> None:
    policy = calibrated(**(TRAINING | {"momentum": momentum, "steps": steps}))
    one_step = policy.noise_multiplier * 0.5 * policy.learning_rate / 40 * math.sqrt(parameters)
    assert policy.update_norm_bound(parameters) > math.sqrt(steps) * one_step


def test_the_norm_bound_of_one_step_in_plain_numbers() -> None:
    """Rate 1, C = .5, 60 sequences over a denominator of 40: signal .75; noise 6 * .5 / 40 * (sqrt(100) + 8)."""
    policy = a_policy(steps=1)
    assert policy.update_norm_bound(100) == pytest.approx(0.75 + 0.075 * 18)


def test_the_norm_bound_with_a_pull_back_in_plain_numbers() -> None:
    """Two steps at rate 1, pull .25: the first step's gradient is in the update 1 + .5 - .25 times, the last once."""
    policy = a_policy(steps=2, proximal=0.25)
    assert policy.update_norm_bound(100) == pytest.approx(2.25 * 0.75 + 0.075 * math.sqrt(1.25**2 + 1) * 18)


def test_a_pull_that_overshoots_is_refused() -> None:
    with pytest.raises(PolicyError, match="overshoots"):
        a_policy(learning_rate=2.0, proximal=0.6)


def test_a_bad_target_for_calibration_is_a_policy_error() -> None:
    with pytest.raises(PolicyError, match="calibrated"):
        calibrated(**(TRAINING | {"epsilon": 0}))
