"""The server's receipt for how far this device's ledger has come: asked for, checked, kept in the device's folder."""

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fl_client.enrolment_port import call
from fl_client.home import Enrolment, Home, Identity
from shared_models.enrolment import enrolment_pb2 as messages
from shared_models.enrolment.proofs import ENROLMENT_VERSION, receipt_form
from shared_models.errors import LedgerError
from shared_models.files import atomic_write
from shared_models.privacy.receipts import HeadReceipt, LedgerHead, head_receipt_holds


def ask_receipt(enrolment: Enrolment, identity: Identity, head: LedgerHead, home: Home) -> None:
    """Has the server countersign `head` and keeps its receipt.

    Raises LedgerError where the server has seen more of this ledger or does not sign properly, and what `call` raises.
    """
    study, device = enrolment.study, enrolment.pseudonym
    request = messages.ReceiptRequest(
        version=ENROLMENT_VERSION,
        pseudonym=device,
        head=messages.LedgerHead(entries=head.entries, hash=head.hash),
        proof=identity.ledger.sign(receipt_form(study, device, head)),
    )
    reply = call(enrolment.enrolment_address, enrolment.ca_pem.encode(), lambda stub: stub.Receipt, request)
    receipt = HeadReceipt(head, reply.at, reply.signature.hex())
    server = Ed25519PublicKey.from_public_bytes(bytes.fromhex(enrolment.server_key))
    if not head_receipt_holds(receipt, server, study, device):
        raise LedgerError("The receipt for this device's ledger was not signed by its study's server")
    facts = {"entries": head.entries, "head": head.hash, "at": receipt.at, "signature": receipt.signature}
    atomic_write(home.receipt, json.dumps(facts).encode())


def kept_receipt(home: Home) -> dict[str, Any] | None:
    """The newest receipt, for whoever wants to check it; None where there is none."""
    return json.loads(home.receipt.read_bytes()) if home.receipt.exists() else None
