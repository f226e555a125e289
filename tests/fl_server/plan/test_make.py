"""The plan's figures are those of the claims, and its warnings come where they should."""

import pytest

from fl_server.plan.document import Plan
from fl_server.plan.make import make_plan
from fl_server.settings import load_settings
from shared_models.privacy.claims import claims_for

PARTICIPANT = {"unit": "participant", "update_clip": 0.1}


def change(plan: Plan, words: str):
    [found] = [change for change in plan.changes if change.change == words]
    return found


@pytest.mark.parametrize("policy", [{}, PARTICIPANT, {"q": 0.5, "participations": 3, "noise_multiplier": 4.0}])
def test_costs_are_those_of_the_claims_after_as_many_rounds(folder, shipped, policy) -> None:
    settings = load_settings(folder.settings)
    settings = settings.model_copy(update={"policy": settings.policy.model_copy(update=policy)})
    terms = settings.privacy_policy()
    plan = make_plan(settings, terms, shipped, 20)
    for count in (1, terms.lifetime_rounds):
        stated = {(claim.unit, claim.observer): claim.epsilon for claim in claims_for(terms, count)}
        planned = {
            (claim.unit, observer): next((c.epsilon for c in claim.costs if c.participations == count), None)
            for claim in plan.claims
            for observer in claim.observers
        }
        assert planned == pytest.approx(stated)


def test_a_sequence_costs_the_same_against_everybody_and_a_participant_is_promised_nothing(planned) -> None:
    sequence, participant = planned(20).claims
    assert sequence.observers == ["server", "participant", "model_recipient", "public"]
    assert [cost.right_of_100 for cost in sequence.costs] == [64, 69, 73, 76, 78, 80]
    assert sequence.costs[-1].epsilon == 7.9998
    assert participant.costs == []
    assert "nothing hides that a device took part" in participant.assumption


def test_a_participant_costs_more_against_the_server_and_that_is_said_first(planned) -> None:
    plan = planned(20, **PARTICIPANT)
    _, server, others = plan.claims
    assert (server.observers, others.observers) == (["server"], ["participant", "model_recipient", "public"])
    assert (server.costs[-1].right_of_100, others.costs[-1].right_of_100) == (96, 80)
    assert server.costs[-1].epsilon > plan.epsilon_cap >= others.costs[-1].epsilon
    assert plan.headline == server


def test_a_participants_delta_must_fit_the_number_of_devices(planned) -> None:
    plan = planned(20_000, **PARTICIPANT)
    assert plan.headline is None
    assert "is above 1 /" in plan.claims[-1].assumption


def test_many_rounds_are_thinned_out_but_the_first_and_the_last_stay(planned) -> None:
    counts = [cost.participations for cost in planned(20, participations=50).claims[0].costs]
    assert (counts[0], counts[-1]) == (1, 50)
    assert len(counts) <= 13


@pytest.mark.parametrize(("rounds", "reached"), [(15, None), (16, 16)])
def test_the_cap_is_reached_later_where_rounds_must_lie_apart(planned, rounds, reached) -> None:
    plan = planned(20, rounds=rounds, min_rounds_between=3)
    assert [cost.earliest_round for cost in plan.claims[0].costs] == [1, 4, 7, 10, 13, 16]
    assert plan.cap_in_round == reached


def test_more_noise_costs_less_and_more_steps_or_rounds_cost_more_than_the_cap(planned) -> None:
    plan = planned(20, noise_multiplier=3.0)
    whole = plan.claims[0].costs[-1].epsilon
    for words, cheaper in [("noise multiplier 6", True), ("2 steps a round", True), ("3 rounds of a device", True)]:
        assert (change(plan, words).epsilon < whole) is change(plan, words).within_cap is cheaper
    for words in ("noise multiplier 1.5", "8 steps a round", "12 rounds of a device"):
        assert change(plan, words).epsilon > plan.epsilon_cap
        assert not change(plan, words).within_cap
    assert change(plan, "40 devices in a round").epsilon == change(plan, "10 devices in a round").epsilon == whole


def test_a_participants_noise_comes_once_a_round_however_many_steps(planned) -> None:
    plan = planned(20, **PARTICIPANT)
    assert change(plan, "8 steps a round").epsilon == plan.claims[-1].costs[-1].epsilon
    assert change(plan, "12 rounds of a device").epsilon > plan.epsilon_cap


def test_recall_is_expected_only_where_studies_trained_alike(planned, shipped) -> None:
    plan = planned(10, epsilon=2.0)
    assert plan.uar_expected == shipped.at(10, 2.0).mean
    assert change(plan, "5 devices in a round").expected_uar == shipped.at(5, 2.0).mean
    assert change(plan, "8 steps a round").expected_uar is None


def test_fewer_devices_than_a_round_needs_are_no_change_to_offer(planned) -> None:
    assert not [c for c in planned(3).changes if c.change == "1 devices in a round"]
    assert "No round will count" in planned(1).warnings[0]


@pytest.mark.parametrize(
    ("devices", "policy", "words"),
    [
        (2, {"epsilon": 1.0}, "near chance: the worst simulated study of 2 devices at epsilon 1 scored 0.43"),
        (2, {"epsilon": 0.5}, "near chance: no simulated study is as small as 2 devices or as private as epsilon 0.5"),
        (5, {"epsilon": 1.0}, "every simulated study of 50 devices or more improved"),
        (20, {"participations": 7}, "are not those of the simulated studies"),
        (20, {"q": 0.5, "noise_multiplier": 4.0}, "are not those of the simulated studies"),
        (20, PARTICIPANT, "how useful its model will be is not known"),
    ],
)
def test_it_warns_where_little_use_is_to_be_expected(planned, devices, policy, words) -> None:
    assert words in " ".join(planned(devices, **policy).warnings)


def test_it_does_not_warn_of_a_large_study(planned) -> None:
    assert planned(20).warnings == []


def test_usefulness_of_another_unit_is_not_shown(planned) -> None:
    plan = planned(20, **PARTICIPANT)
    assert (plan.utility, plan.targets, plan.uar_expected) == ([], [], None)
