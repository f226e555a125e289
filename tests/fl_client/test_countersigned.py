"""Receipts for a device's own ledger."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fl_client.countersigned import ask_receipt, kept_receipt
from fl_client.enrolment import accept, read_offer
from fl_server.enrolment.service import EnrolmentService
from shared_models.errors import LedgerError
from shared_models.privacy.receipts import EMPTY_LEDGER, HeadReceipt, LedgerHead, head_receipt_holds


@pytest.fixture
def joined(port, laptop):
    with port.listening():
        laptop.enrolment = accept(read_offer(port.invite()), laptop.identity)
    return laptop


def heads(laptop):
    return [EMPTY_LEDGER, *(LedgerHead(e.seq + 1, e.hash) for e in laptop.ledger().entries)]


@pytest.fixture
def written(joined):
    """The device's heads after each of three entries."""
    journal = joined.journal()
    for _ in range(3):
        joined.home.erasures.touch()
        journal._record_erasures()
    return heads(joined)


def test_a_receipt_is_kept_and_can_be_checked_with_the_server_s_key(port, joined, written):
    assert kept_receipt(joined.home) is None
    with port.listening():
        ask_receipt(joined.enrolment, joined.identity, written[2], joined.home)
    kept = kept_receipt(joined.home)
    receipt = HeadReceipt(LedgerHead(kept["entries"], kept["head"]), kept["at"], kept["signature"])
    server = Ed25519PublicKey.from_public_bytes(bytes.fromhex(joined.enrolment.server_key))
    assert head_receipt_holds(receipt, server, joined.enrolment.study, joined.enrolment.pseudonym)
    assert receipt.head == written[2]


def test_a_ledger_that_was_put_back_is_refused_and_the_receipt_stays(port, joined, written):
    with port.listening():
        ask_receipt(joined.enrolment, joined.identity, written[3], joined.home)
        with pytest.raises(LedgerError, match="is an old copy"):
            ask_receipt(joined.enrolment, joined.identity, written[2], joined.home)
    assert kept_receipt(joined.home)["entries"] == 3


def test_a_receipt_that_the_server_did_not_sign_is_none(port, joined, written):
    other = EnrolmentService(port.registry, port.terms, Ed25519PrivateKey.generate(), "", print, print)
    with port.listening(other), pytest.raises(LedgerError, match="not signed by its study's server"):
        ask_receipt(joined.enrolment, joined.identity, written[1], joined.home)
    assert kept_receipt(joined.home) is None
