"""Joining a study: the server is checked against the invitation, the terms are read, the keys are bound."""

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fl_client.enrolment_port import TIMEOUT_SECONDS, call, unreachable
from fl_client.home import Enrolment, Identity
from fl_client.terms import facts_of
from shared_models.enrolment import enrolment_pb2 as messages
from shared_models.enrolment.invitation import Invitation
from shared_models.enrolment.proofs import ENROLMENT_VERSION, enrol_form
from shared_models.errors import CertificateError, EnrolmentError
from shared_models.privacy.receipts import EMPTY_LEDGER


@dataclass(frozen=True)
class Offer:
    """A study's terms as its server described them, and the certificate authority behind that server."""

    invitation: Invitation
    ca_pem: bytes
    terms: messages.Terms


def read_offer(invitation: Invitation) -> Offer:
    """Asks the server for the study's terms; the invitation is not used up.

    Raises AddressError where nobody answers, CertificateError where the server is not the one invited to,
    EnrolmentError where it refuses the invitation, WireError where it speaks another version.
    """
    ca_pem = _authority(invitation)
    request = messages.PolicyRequest(version=ENROLMENT_VERSION, secret=bytes.fromhex(invitation.secret))
    return Offer(invitation, ca_pem, _call(invitation, ca_pem, lambda stub: stub.Policy, request))


def accept(offer: Offer, identity: Identity) -> Enrolment:
    """Uses the invitation up and binds this device's keys; the ledger that they sign is empty yet.

    Raises what `read_offer` raises.
    """
    secret = bytes.fromhex(offer.invitation.secret)
    node_key = identity.node.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    ledger_key = identity.ledger.public_key().public_bytes_raw()
    form = enrol_form(offer.terms.study, secret, node_key, ledger_key, EMPTY_LEDGER)
    request = messages.EnrolRequest(
        version=ENROLMENT_VERSION,
        secret=secret,
        node_key=node_key,
        ledger_key=ledger_key,
        head=messages.LedgerHead(entries=EMPTY_LEDGER.entries, hash=EMPTY_LEDGER.hash),
        node_proof=identity.node.sign(form, ec.ECDSA(hashes.SHA256())),
        ledger_proof=identity.ledger.sign(form),
    )
    reply = _call(offer.invitation, offer.ca_pem, lambda stub: stub.Enrol, request)
    if reply.terms != offer.terms:
        raise EnrolmentError(
            "The study's terms changed while you were reading them",
            fix="Enrol again with a new invitation, and read them again",
        )
    return Enrolment.model_validate(
        facts_of(reply.terms)
        | {
            "pseudonym": reply.pseudonym,
            "fleet_address": reply.fleet_address,
            "enrolment_address": offer.invitation.address,
            "ca_pem": offer.ca_pem.decode(),
            "ledger_key": ledger_key.hex(),
        }
    )


def _call(invitation: Invitation, ca_pem: bytes, ask: Callable[..., Any], request: Any) -> Any:
    try:
        return call(invitation.address, ca_pem, ask, request)
    except EnrolmentError as error:
        raise EnrolmentError(
            "The server refuses this invitation",
            why="it was used already, has expired, or was never given out",
            fix="Ask whoever runs the study for a new one",
        ) from error


def _authority(invitation: Invitation) -> bytes:
    """The CA certificate, PEM, from the chain that the server shows: the one whose hash the invitation names.

    The chain is fetched without trust; what makes it trusted is the hash. Nothing is sent on this connection.
    """
    host, _, port = invitation.address.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((host, int(port)), timeout=TIMEOUT_SECONDS) as raw,
            context.wrap_socket(raw, server_hostname=host) as connection,
        ):
            chain = _unverified_chain(connection)
    except (OSError, ValueError) as error:
        raise unreachable(invitation.address) from error
    for der in chain:
        certificate = x509.load_der_x509_certificate(der)
        if certificate.fingerprint(hashes.SHA256()).hex() == invitation.ca_sha256:
            return certificate.public_bytes(Encoding.PEM)
    raise CertificateError(
        f"The server at {invitation.address} is not the one that invited you",
        why="its certificate authority has another fingerprint",
        fix="Do not take part; ask whoever runs the study for a new invitation",
    )


def _unverified_chain(connection: ssl.SSLSocket) -> list[bytes]:
    """The peer's chain, DER. Python has a public call for this from 3.13 on."""
    if hasattr(connection, "get_unverified_chain"):
        return list(connection.get_unverified_chain())
    chain = connection._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
    return [ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in chain]
