"""The account is recounted from the ledger: no figure in it comes from anywhere else."""

from fl_client.account import account
from shared_models.privacy.odds import odds


def test_each_upload_is_told_with_what_was_spent_from_then_on(laptop, task_record, policy) -> None:
    participant = laptop.participant()
    participant.answer(task_record(1, "ab" * 16))
    participant.journal.released("ab" * 16)
    participant.answer(task_record(2))
    participant.answer(task_record(3))

    facts = account(laptop.ledger().entries, laptop.enrolment)

    assert [(row["round"], row["answer"]) for row in facts["uploads"]] == [(1, "released"), (2, "aborted"), (3, "open")]
    assert [row["epsilon_after"] for row in facts["uploads"]] == [policy.epsilon_after(k) for k in (1, 2, 3)]
    assert facts["epsilon"] == policy.epsilon_after(3) <= facts["epsilon_cap"]
    assert facts["right_in_100_now"] == facts["right_in_100_at_cap"] == odds(8.0, 1e-5, policy.mu_after(3)).at_most
    earlier = account(laptop.ledger().entries[:1], laptop.enrolment)
    assert earlier["right_in_100_now"] == odds(0.0, 1e-5, policy.mu_after(1)).at_most < facts["right_in_100_now"]
    assert facts["chain_head"] == laptop.ledger().head


def test_who_has_sent_nothing_has_spent_nothing(laptop) -> None:
    facts = account([], laptop.enrolment)
    assert (facts["uploads"], facts["epsilon"], facts["right_in_100_now"]) == ([], 0.0, 50)
