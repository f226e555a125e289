"""What is signed on the enrolment port: one canonical form for each purpose, so that no signature serves another.

Each form names its purpose, the study and, but for an invitation and the terms, the device. No form can be taken for
a ledger entry, which has no `kind`.
"""

from shared_models.canonical import canonical
from shared_models.enrolment import enrolment_pb2 as messages
from shared_models.privacy.receipts import LedgerHead

ENROLMENT_VERSION = 3
CLOCK_WINDOW_SECONDS = 300
# Details of FAILED_PRECONDITION: the refusals that tell an honest device what to do.
OTHER_VERSION, CLOCK_OFF, OLD_LEDGER = "version", "clock", "old ledger"


def enrol_form(study: str, secret: bytes, node_key: bytes, ledger_key: bytes, head: LedgerHead) -> bytes:
    """Signed by both keys of a device: that they belong together. A replay enrols nobody: the secret works once."""
    return _form(
        "enrol",
        study,
        secret=secret.hex(),
        node_key=node_key.hex(),
        ledger_key=ledger_key.hex(),
        entries=head.entries,
        head=head.hash,
    )


def policy_form(study: str, device: str, at: int) -> bytes:
    """Signed by the ledger key. Good for five minutes around `at`, lest a kept copy reads a study's terms for ever."""
    return _form("policy", study, device=device, at=at)


def receipt_form(study: str, device: str, head: LedgerHead) -> bytes:
    """Signed by the ledger key. Needs no time: a replay gets what the device has, or is refused as an old copy."""
    return _form("receipt", study, device=device, entries=head.entries, head=head.hash)


def withdraw_form(study: str, device: str) -> bytes:
    """Signed by the ledger key. Needs no time: nothing undoes a withdrawal, so a replay changes nothing."""
    return _form("withdraw", study, device=device)


def terms_form(terms: messages.Terms) -> bytes:
    """Signed by the server's key: all that a student reads before agreeing."""
    return _form(
        "terms",
        terms.study,
        title=terms.title,
        controller=terms.controller,
        contact=terms.contact,
        purpose=terms.purpose,
        consent_text=terms.consent_text,
        policy=terms.policy,
        live_reading=terms.live_reading,
    )


def _form(kind: str, study: str, **facts: str | int) -> bytes:
    return canonical({"protocol": "attune.enrolment", "kind": kind, "study": study, **facts})
