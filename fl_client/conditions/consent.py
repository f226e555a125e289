"""Training only within what was agreed to."""

from fl_client.conditions.condition import Condition
from fl_client.consent import Consent, ConsentBook, Scope, State


def consented(book: ConsentBook, policy_hash: str) -> Condition[Consent]:
    def judge(consent: Consent) -> str:
        if consent.allows(Scope.TRAIN, policy_hash):
            return ""
        return "taking part is paused" if consent.state is State.PAUSED else "for your consent to train"

    return Condition("what you agreed to", book.current, judge)
