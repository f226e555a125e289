"""A client of a real enrolment service, and what an honest device sends it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared_models.enrolment import enrolment_pb2 as messages
from shared_models.enrolment import enrolment_pb2_grpc as protocol
from shared_models.enrolment.proofs import ENROLMENT_VERSION, enrol_form, receipt_form, withdraw_form
from shared_models.privacy.receipts import EMPTY_LEDGER, LedgerHead


@dataclass
class Sender:
    """One device's keys, and the requests that it signs."""

    study: str
    node: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))
    ledger: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    pseudonym: str = ""

    @property
    def node_pem(self) -> bytes:
        return self.node.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def enrol(self, secret: bytes, head: LedgerHead = EMPTY_LEDGER, **changed: Any) -> messages.EnrolRequest:
        """`changed` are fields of the request; the proofs are over what is sent, where they are not changed too."""
        sent = {
            "version": ENROLMENT_VERSION,
            "secret": secret,
            "node_key": self.node_pem,
            "ledger_key": self.ledger.public_key().public_bytes_raw(),
            "head": messages.LedgerHead(entries=head.entries, hash=head.hash),
        } | changed
        form = enrol_form(self.study, sent["secret"], sent["node_key"], sent["ledger_key"], head)
        proofs = {
            "node_proof": self.node.sign(form, ec.ECDSA(hashes.SHA256())),
            "ledger_proof": self.ledger.sign(form),
        }
        return messages.EnrolRequest(**(proofs | sent))

    def receipt(self, head: LedgerHead, **changed: Any) -> messages.ReceiptRequest:
        sent = {
            "version": ENROLMENT_VERSION,
            "pseudonym": self.pseudonym,
            "head": messages.LedgerHead(entries=head.entries, hash=head.hash),
            "proof": self.ledger.sign(receipt_form(self.study, self.pseudonym, head)),
        }
        return messages.ReceiptRequest(**(sent | changed))

    def withdraw(self, **changed: Any) -> messages.WithdrawRequest:
        proof = self.ledger.sign(withdraw_form(self.study, self.pseudonym))
        sent = {"version": ENROLMENT_VERSION, "pseudonym": self.pseudonym, "proof": proof}
        return messages.WithdrawRequest(**(sent | changed))


@pytest.fixture
def channel(port) -> Iterator[grpc.Channel]:
    credentials = grpc.ssl_channel_credentials(port.folder.ca_certificate.read_bytes())
    with port.listening(), grpc.secure_channel(port.address, credentials) as channel:
        yield channel


@pytest.fixture
def stub(channel) -> protocol.EnrolmentStub:
    return protocol.EnrolmentStub(channel)


@pytest.fixture
def sender(port) -> Callable[[], Sender]:
    """`sender()`: a new device with keys of its own."""
    return lambda: Sender(port.terms.study)


@pytest.fixture
def enrolled(port, sender) -> Sender:
    """A device that the register knows."""
    one = sender()
    device = port.registry.enrol(
        port.registry.invite(3600)[0], one.node_pem, one.ledger.public_key().public_bytes_raw()
    )
    one.pseudonym = device.pseudonym
    return one


@pytest.fixture
def refusal() -> Callable[..., tuple[grpc.StatusCode, str]]:
    """`refusal(call, request)`: the status and text with which it is refused."""

    def refusal(call: Callable[..., Any], request: Any) -> tuple[grpc.StatusCode, str]:
        with pytest.raises(grpc.RpcError) as refused:
            call(request, timeout=20)
        return refused.value.code(), refused.value.details()

    return refusal
