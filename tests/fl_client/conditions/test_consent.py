import pytest

from fl_client.conditions.consent import consented


@pytest.fixture
def obstacle(laptop):
    condition = consented(laptop.consent, laptop.enrolment.policy.hash)
    return lambda: condition.judge(condition.read())


def test_training_needs_its_own_scope(laptop, obstacle):
    assert obstacle() == ""
    laptop.agree("capture", "store", "audit")
    assert obstacle() == "for your consent to train"
    laptop.agree("train")
    assert obstacle() == ""


def test_a_pause_holds_it_up_and_a_withdrawal_too(laptop, obstacle):
    laptop.consent.pause()
    assert obstacle() == "taking part is paused"
    laptop.consent.resume()
    assert obstacle() == ""
    laptop.consent.withdraw()
    assert obstacle() == "for your consent to train"


def test_consent_to_another_policy_is_none(laptop):
    condition = consented(laptop.consent, "another policy")
    assert condition.judge(condition.read())
