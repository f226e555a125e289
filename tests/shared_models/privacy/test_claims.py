import json
from collections.abc import Callable
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from shared_models.privacy import claims as claims_module
from shared_models.privacy.accounting import Spend, epsilon_of
from shared_models.privacy.claims import Claim, Observer, claims_for
from shared_models.privacy.policy import Policy

BROKEN = "pretraining has seen this device's sequences"


@pytest.fixture(scope="module")
def policy(make_policy: Callable[..., Policy]) -> Policy:
    return make_policy(participations=6, steps=4, max_sequences=60)


@pytest.fixture(scope="module")
def shared(make_policy: Callable[..., Policy]) -> Policy:
    return make_policy(unit="participant", update_clip=0.1, participations=6, min_survivors=20, colluders=4)


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


@pytest.mark.parametrize("simulated", [False, True])
def test_a_broken_assumption_leaves_no_number(policy: Policy, simulated: bool) -> None:
    for claim in of_sequences(claims_for(policy, 6, simulated=simulated, broken=BROKEN)):
        assert (claim.status, claim.assumption) == ("assumption_broken", BROKEN)
        assert claim.epsilon is claim.epsilon_without_amplification is claim.mu is None


def test_seeded_noise_is_marked_as_simulated(policy: Policy) -> None:
    for claim in of_sequences(claims_for(policy, 2, simulated=True)):
        assert (claim.status, claim.epsilon) == ("simulated", policy.epsilon_after(2))


@pytest.mark.parametrize("simulated", [False, True])
def test_training_without_noise_claims_nothing(policy: Policy, simulated: bool) -> None:
    for claim in of_sequences(claims_for(policy.without_noise(), 6, simulated=simulated)):
        assert claim.status == "not_claimed"
        assert claim.epsilon is claim.epsilon_without_amplification is claim.mu is None


@pytest.mark.parametrize("how", [{}, {"simulated": True}, {"broken": BROKEN}])
def test_noise_for_sequences_claims_nothing_for_a_participant_as_a_whole(policy: Policy, how: dict[str, Any]) -> None:
    (claim,) = [claim for claim in claims_for(policy, 6, **how) if claim.unit == "participant"]
    assert (claim.status, claim.observer) == ("not_claimed", "server")
    assert claim.epsilon is claim.epsilon_without_amplification is claim.mu is None


def test_claims_are_plain_json_without_infinities(policy: Policy) -> None:
    for claim in [*claims_for(policy, 6), *claims_for(policy.without_noise(), 6)]:
        json.dumps(claim.model_dump(mode="json"), allow_nan=False)


def test_no_field_can_be_added_to_a_claim(policy: Policy) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Claim.model_validate(claims_for(policy, 1)[0].model_dump() | {"note": "trust me"})


def test_with_full_batches_the_figure_without_amplification_is_the_figure(policy: Policy) -> None:
    claim = claims_for(policy, 6)[0]
    assert claim.epsilon_without_amplification == claim.epsilon


def test_sampling_is_an_assumption_and_the_figure_without_it_stands_beside(make_policy: Callable[..., Policy]) -> None:
    claim = claims_for(make_policy(q=0.2, participations=6, steps=4), 6)[0]
    assert claim.epsilon_without_amplification > 2 * claim.epsilon
    assert claim.mu is None
    assert "Poisson sampling" in claim.assumption


def test_a_participant_is_hidden_in_the_sum_and_hardly_from_the_server(shared: Policy) -> None:
    """Alone, an upload carries a quarter of the noise of 16 honest ones, and can be replaced by one 2 C away."""
    claims = {claim.observer: claim for claim in claims_for(shared, 6) if claim.unit == "participant"}
    assert set(claims) == set(get_args(Observer))
    for observer in ("participant", "model_recipient", "public"):
        assert claims[observer].epsilon == shared.epsilon_after(6) <= 8
        assert "fewer than 20 updates; at most 4" in claims[observer].assumption
        assert claims[observer].adjacency.startswith("all sequences of one device removed; the device stays")
    local = epsilon_of([Spend(shared.update_noise / 8, 1.0, 6)], shared.delta)
    assert claims["server"].epsilon == local > 50
    assert claims["server"].adjacency == "all sequences of one device replaced by others"


def test_noise_for_participants_claims_nothing_for_a_sequence_alone(shared: Policy) -> None:
    assert {claim.status for claim in of_sequences(claims_for(shared, 6))} == {"not_claimed"}


def test_a_delta_above_a_tenth_of_one_in_enrolled_breaks_the_participant_s_claim(shared: Policy) -> None:
    """delta is 1e-5: good for 10,000 devices, not for one more."""
    for enrolled, status in ((None, "holds"), (10_000, "holds"), (10_001, "assumption_broken")):
        claims = [claim for claim in claims_for(shared, 6, enrolled=enrolled) if claim.unit == "participant"]
        assert {claim.status for claim in claims} == {status}
        assert all((claim.epsilon is None) == (status != "holds") for claim in claims)


def test_accountants_that_disagree_are_told(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "disagree" not in claims_for(policy, 6)[0].assumption
    monkeypatch.setattr(claims_module, "disagreement", lambda spends, delta: "accountants disagree: 8 here, 9 there")
    assert claims_for(policy, 6)[0].assumption.endswith("; accountants disagree: 8 here, 9 there")
