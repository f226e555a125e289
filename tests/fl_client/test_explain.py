from fl_client.explain import odds_sentence, policy_paragraph
from shared_models.privacy.odds import odds


def test_the_paragraph_says_what_stays_what_leaves_and_what_it_may_cost(policy):
    text = policy_paragraph(policy)
    assert "Pictures never leave this computer" in text
    assert f"at most {policy.max_sequences} of them" in text
    assert f"at most {policy.participations} rounds" in text
    assert "epsilon 8 (delta 1e-05)" in text
    assert "never refunded" in text


def test_a_study_that_takes_the_model_s_own_labels_says_so(policy, make_policy):
    assert "the model labelled by itself" in policy_paragraph(make_policy(pseudo_labels=True))
    assert "the model labelled by itself" not in policy_paragraph(policy)


def test_the_odds_are_those_after_the_last_round(policy):
    worst = odds(policy.epsilon, policy.delta, policy.mu_after(policy.participations))
    text = odds_sentence(policy)
    assert f"at most {worst.at_most} of {worst.out_of} cases" in text
    assert f"tossing a coin gives {worst.by_coin}." in text
    assert worst.at_most > worst.by_coin


def test_every_number_is_the_policy_s_own(policy):
    other = policy.model_copy(update={"max_sequences": 777, "participations": 1, "epsilon": 7.25, "delta": 1e-7})
    assert all(figure in policy_paragraph(other) for figure in ("777", "at most 1 rounds", "7.25", "1e-07"))
    assert odds_sentence(other) != odds_sentence(policy)


def test_the_participant_unit_is_explained_as_what_it_hides(make_policy):
    shared = make_policy(unit="participant", update_clip=0.1)
    assert "hides whether you stored anything" in policy_paragraph(shared)
    assert odds_sentence(shared).startswith("Someone who sees only what all computers send together")


def test_with_sampling_the_odds_follow_from_epsilon_alone(make_policy):
    sampled = make_policy(q=0.1, epsilon=1.0)
    assert f"at most {odds(1.0, sampled.delta, None).at_most} of 100" in odds_sentence(sampled)
