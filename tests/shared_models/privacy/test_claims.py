import json
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from shared_models.privacy.claims import Claim, Observer, claims_for
from shared_models.privacy.policy import Policy, calibrated, checked_policy

BROKEN = "pretraining has seen this device's sequences"


@pytest.fixture(scope="module")
def policy() -> Policy:
    return calibrated(
        epsilon=8.0,
        delta=1e-5,
        participations=6,
        steps=4,
        model="cnn-lstm",
        scheme="basic-7",
        trainable="classifier",
        clip_norm=0.5,
        denominator=40,
        max_sequences=60,
        learning_rate=1.0,
        momentum=0.0,
        reply_seconds=10.0,
    )


def without_noise(policy: Policy) -> Policy:
    return checked_policy(policy.model_dump() | {"unit": "none", "noise_multiplier": 0})


def of_sequences(claims: list[Claim]) -> list[Claim]:
    return [claim for claim in claims if claim.unit == "sequence"]


def test_every_observer_is_told_the_same_worst_case(policy: Policy) -> None:
    claims = of_sequences(claims_for(policy, 6))
    assert [claim.observer for claim in claims] == list(get_args(Observer))
    for claim in claims:
        assert claim.status == "holds"
        assert claim.epsilon == policy.epsilon_after(6) <= 8
        assert claim.mu == pytest.approx(policy.mu_after(6), abs=1e-6)
        assert claim.delta == 1e-5
        assert claim.adjacency == "one stored sequence of one device added or removed"
        assert "no trust in the server" in claim.assumption


def test_a_claim_is_of_the_rounds_taken_part_in(policy: Policy) -> None:
    spent = [claims_for(policy, rounds)[0].epsilon for rounds in range(7)]
    assert spent[0] == 0
    assert spent == sorted(set(spent))


@pytest.mark.parametrize("unit", ["sequence", "none"])
@pytest.mark.parametrize("simulated", [False, True])
def test_a_broken_assumption_leaves_no_number(policy: Policy, unit: str, simulated: bool) -> None:
    policy = policy if unit == "sequence" else without_noise(policy)
    for claim in of_sequences(claims_for(policy, 6, simulated=simulated, broken=BROKEN)):
        assert (claim.status, claim.assumption) == ("assumption_broken", BROKEN)
        assert claim.epsilon is claim.mu is None


def test_seeded_noise_is_marked_as_simulated(policy: Policy) -> None:
    for claim in of_sequences(claims_for(policy, 2, simulated=True)):
        assert (claim.status, claim.epsilon) == ("simulated", policy.epsilon_after(2))


@pytest.mark.parametrize("simulated", [False, True])
def test_training_without_noise_claims_nothing(policy: Policy, simulated: bool) -> None:
    for claim in of_sequences(claims_for(without_noise(policy), 6, simulated=simulated)):
        assert claim.status == "not_claimed"
        assert claim.epsilon is claim.mu is None


@pytest.mark.parametrize("how", [{}, {"simulated": True}, {"broken": BROKEN}])
def test_a_participant_as_a_whole_is_never_claimed(policy: Policy, how: dict[str, Any]) -> None:
    (claim,) = [claim for claim in claims_for(policy, 6, **how) if claim.unit == "participant"]
    assert (claim.status, claim.observer) == ("not_claimed", "server")
    assert claim.epsilon is claim.mu is None


def test_claims_are_plain_json_without_infinities(policy: Policy) -> None:
    for claim in [*claims_for(policy, 6), *claims_for(without_noise(policy), 6)]:
        json.dumps(claim.model_dump(mode="json"), allow_nan=False)


def test_no_field_can_be_added_to_a_claim(policy: Policy) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Claim.model_validate(claims_for(policy, 1)[0].model_dump() | {"note": "trust me"})
