from collections.abc import Callable

from shared_models.privacy.accounting import Spend, epsilon_of
from shared_models.privacy.events import Intent, spends_of, spent_epsilon
from shared_models.privacy.policy import Policy


def an_intent(policy: Policy, round_: int) -> Intent:
    return Intent(
        study="seminar",
        device="0a1b2c3d",
        round=round_,
        nonce=f"{round_:032x}",
        model_hash="aa" * 32,
        policy_hash=policy.hash,
        mechanisms=policy.mechanisms,
        engine="fast",
        update_hash="cc" * 32,
    )


def test_epsilon_is_recomputed_from_the_intents_alone(policy: Policy) -> None:
    intents = [an_intent(policy, round_) for round_ in range(1, policy.participations + 1)]
    for taken in range(policy.participations + 1):
        assert spent_epsilon(intents[:taken], "sequence", policy.delta) == policy.epsilon_after(taken)


def test_each_unit_is_counted_by_itself(make_policy: Callable[..., Policy]) -> None:
    both = make_policy(unit="participant", update_clip=0.1, stack_units=True)
    intents = [an_intent(both, round_) for round_ in (1, 2)]
    assert spends_of(intents, "sequence") == [Spend(both.noise_multiplier, 1.0, both.steps)] * 2
    assert spends_of(intents, "participant") == [Spend(both.update_noise, 1.0, 1)] * 2


def test_a_changed_policy_starts_no_new_budget(make_policy: Callable[..., Policy]) -> None:
    """What was spent under an earlier policy composes with what is spent under the next."""
    first, second = make_policy(epsilon=4.0), make_policy(epsilon=8.0)
    spent = spent_epsilon([an_intent(first, 1), an_intent(second, 2)], "sequence", 1e-5)
    spends = [policy.mechanisms[0].spend for policy in (first, second)]
    assert spent == epsilon_of(spends, 1e-5) > max(policy.epsilon_after(1) for policy in (first, second))
