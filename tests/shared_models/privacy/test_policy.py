import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared_models.errors import PolicyError
from shared_models.privacy.accounting import epsilon_at, mu_of
from shared_models.privacy.policy import Policy, calibrated, checked_policy

FIELDS: dict[str, Any] = {
    "unit": "sequence",
    "model": "cnn-lstm",
    "scheme": "basic-7",
    "trainable": "classifier",
    "clip_norm": 0.5,
    "noise_multiplier": 6.0,
    "epsilon": 8.0,
    "delta": 1e-5,
    "participations": 6,
    "steps": 4,
    "denominator": 40,
    "max_sequences": 60,
    "learning_rate": 1.0,
    "momentum": 0.5,
    "reply_seconds": 10.0,
}
OTHERS: dict[str, Any] = {
    "unit": "none",
    "model": "another",
    "scheme": "basic-8",
    "trainable": "head",
    "clip_norm": 0.51,
    "noise_multiplier": 6.1,
    "epsilon": 7.9,
    "delta": 2e-5,
    "participations": 5,
    "steps": 3,
    "denominator": 41,
    "max_sequences": 61,
    "learning_rate": 1.1,
    "momentum": 0.6,
    "reply_seconds": 11.0,
}
TRAINING = {name: FIELDS[name] for name in FIELDS if name not in ("unit", "noise_multiplier")}


def a_policy(**changes: Any) -> Policy:
    return checked_policy(FIELDS | changes)


def test_the_table_of_changes_names_every_field() -> None:
    assert OTHERS.keys() == FIELDS.keys() == Policy.model_fields.keys() - {"version"}


@pytest.mark.parametrize("field", OTHERS)
def test_the_hash_changes_with_every_field(field: str) -> None:
    changes = {field: OTHERS[field]} | ({"noise_multiplier": 0} if field == "unit" else {})
    assert a_policy(**changes).hash != a_policy().hash
    if field == "unit":
        assert a_policy(**changes).hash != a_policy().model_copy(update={"noise_multiplier": 0.0}).hash


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
    assert f"noise multiplier {float(sigma)} over 6 participations of 4 steps" in str(refused.value)


@pytest.mark.parametrize("more", [{"participations": 25}, {"steps": 17}, {"epsilon": 3.4}, {"delta": 1e-30}])
def test_what_makes_the_same_noise_too_small_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match="lifetime cap"):
        a_policy(**more)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", 2),
        ("unit", "participant"),
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
    policy = a_policy(unit="none", noise_multiplier=0)
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
    assert policy.mu_after(3) == mu_of([(12, 6.0)])
    assert policy.epsilon_after(3) == epsilon_at(mu_of([(4, 6.0)] * 3), 1e-5)
    spent = [policy.epsilon_after(k) for k in range(8)]
    assert spent[0] == 0
    assert spent == sorted(set(spent))


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


def test_a_bad_target_for_calibration_is_a_policy_error() -> None:
    with pytest.raises(PolicyError, match="calibrated"):
        calibrated(**(TRAINING | {"epsilon": 0}))
