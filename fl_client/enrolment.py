"""Joining a study: the server is checked against the invitation, the terms are read, the keys are bound."""

import json
import socket
import ssl
from dataclasses import dataclass

import grpc
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fl_client.home import Enrolment, Identity
from shared_models.enrolment import enrolment_pb2 as messages
from shared_models.enrolment import enrolment_pb2_grpc as protocol
from shared_models.enrolment.invitation import Invitation
from shared_models.errors import AddressError, CertificateError, EnrolmentError
from shared_models.privacy.policy import Policy, checked_policy

_TIMEOUT = 20.0


@dataclass(frozen=True)
class Offer:
    """A study's terms as its server described them, and the certificate authority behind that server."""

    invitation: Invitation
    ca_pem: bytes
    study: messages.StudyDescription


def read_offer(invitation: Invitation) -> Offer:
    """Asks the server for the study's terms; the invitation is not used up.

    Raises AddressError where nobody answers, CertificateError where the server is not the one invited to,
    EnrolmentError where it refuses the invitation.
    """
    ca_pem = _authority(invitation)
    with _channel(invitation, ca_pem) as channel:
        request = messages.DescribeRequest(secret=bytes.fromhex(invitation.secret))
        study = _call(protocol.EnrolmentStub(channel).Describe, request, invitation)
    return Offer(invitation, ca_pem, study)


def accept(offer: Offer, identity: Identity) -> Enrolment:
    """Uses the invitation up and binds this device's keys. Raises what `read_offer` raises."""
    secret = bytes.fromhex(offer.invitation.secret)
    request = messages.EnrolRequest(
        secret=secret,
        node_key=identity.node.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        ledger_key=identity.ledger.public_key().public_bytes_raw(),
        node_proof=identity.node.sign(secret, ec.ECDSA(hashes.SHA256())),
        ledger_proof=identity.ledger.sign(secret),
    )
    with _channel(offer.invitation, offer.ca_pem) as channel:
        reply = _call(protocol.EnrolmentStub(channel).Enrol, request, offer.invitation)
    study = reply.study
    if study != offer.study:
        raise EnrolmentError(
            "The study's terms changed while you were reading them",
            fix="Enrol again with a new invitation, and read them again",
        )
    return Enrolment(
        study=study.study,
        title=study.title,
        controller=study.controller,
        contact=study.contact,
        purpose=study.purpose,
        consent_text=study.consent_text,
        pseudonym=reply.pseudonym,
        fleet_address=reply.fleet_address,
        ca_pem=offer.ca_pem.decode(),
        server_key=study.server_key.hex(),
        ledger_key=request.ledger_key.hex(),
        policy=policy_of(study),
    )


def policy_of(study: messages.StudyDescription) -> Policy:
    """The policy in `study`; raises EnrolmentError where it is not signed by the server, PolicyError where invalid."""
    try:
        key = Ed25519PublicKey.from_public_bytes(study.server_key)
        key.verify(study.policy_signature, study.policy.encode())
    except (InvalidSignature, ValueError) as error:
        raise EnrolmentError(
            "The study's privacy policy is not signed by its server",
            fix="Do not take part; tell whoever runs the study",
        ) from error
    return checked_policy(json.loads(study.policy))


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
            socket.create_connection((host, int(port)), timeout=_TIMEOUT) as raw,
            context.wrap_socket(raw, server_hostname=host) as connection,
        ):
            chain = _unverified_chain(connection)
    except (OSError, ValueError) as error:
        raise _unreachable(invitation) from error
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


def _channel(invitation: Invitation, ca_pem: bytes) -> grpc.Channel:
    return grpc.secure_channel(invitation.address, grpc.ssl_channel_credentials(ca_pem))


def _call(method, request, invitation: Invitation):  # type: ignore[no-untyped-def]
    try:
        return method(request, timeout=_TIMEOUT)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.PERMISSION_DENIED:
            raise EnrolmentError(
                "The server refuses this invitation",
                why="it was used already, has expired, or was never given out",
                fix="Ask whoever runs the study for a new one",
            ) from error
        details = (error.details() or "").lower()
        if any(word in details for word in ("certificate", "handshake", "verification")):
            raise CertificateError(
                f"The certificate of {invitation.address} is not valid",
                why="it has expired, is for another name, or this computer's clock is wrong",
                fix="Check the clock; otherwise tell whoever runs the study",
            ) from error
        raise _unreachable(invitation) from error


def _unreachable(invitation: Invitation) -> AddressError:
    return AddressError(
        f"The study's server at {invitation.address} does not answer",
        fix="Check the network connection and try again later",
    )
