"""The enrolment service over real TLS: what is refused is refused alike, whatever is wrong with it."""

import base64
import socket

import grpc
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fl_server.enrolment import service as service_module
from fl_server.enrolment.registry import Registry
from fl_server.enrolment.service import EnrolmentService, start_enrolment
from fl_server.settings import load_settings
from shared_models.enrolment import enrolment_pb2 as messages
from shared_models.enrolment import enrolment_pb2_grpc as protocol
from shared_models.errors import AddressError

REFUSED = (grpc.StatusCode.PERMISSION_DENIED, "the invitation is not valid")
STUDY = messages.StudyDescription(study="seminar", title="Emotions", policy="{}")


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def unknown_algorithm(node):
    """A well-formed key of an algorithm that nobody knows."""
    der = node.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    other = der.replace(bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2a8648ce3d027f"))
    return b"-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(other) + b"-----END PUBLIC KEY-----\n"


@pytest.fixture
def registry(folder):
    return Registry(folder.enrolment)


@pytest.fixture
def admitted():
    return []


@pytest.fixture
def stub(folder, registry, admitted):
    """A client of a service that listens on this machine."""
    settings = load_settings(folder.settings).server
    server = start_enrolment(
        EnrolmentService(registry, STUDY, "fleet.example.org:4433", admitted.append),
        "127.0.0.1",
        settings.enrolment_port,
        folder.certificate_key.read_bytes(),
        folder.certificate.read_bytes(),
    )
    credentials = grpc.ssl_channel_credentials(folder.ca_certificate.read_bytes())
    with grpc.secure_channel(f"127.0.0.1:{settings.enrolment_port}", credentials) as channel:
        yield protocol.EnrolmentStub(channel)
    server.stop(None).wait()


@pytest.fixture
def request_for():
    """`request_for(secret)`: what an honest device sends; fields can be replaced."""
    node, ledger = ec.generate_private_key(ec.SECP384R1()), Ed25519PrivateKey.generate()

    def request_for(secret, **changed):
        honest = {
            "secret": secret,
            "node_key": pem(node),
            "ledger_key": ledger.public_key().public_bytes_raw(),
            "node_proof": node.sign(secret, ec.ECDSA(hashes.SHA256())),
            "ledger_proof": ledger.sign(secret),
        }
        return messages.EnrolRequest(**(honest | changed))

    return request_for


def refusal(call, request):
    with pytest.raises(grpc.RpcError) as refused:
        call(request, timeout=20)
    return refused.value.code(), refused.value.details()


def test_an_honest_device_is_enrolled_and_admitted_before_it_hears_so(stub, registry, request_for, admitted):
    secret, _ = registry.invite(3600)
    reply = stub.Enrol(request_for(secret), timeout=20)
    [device] = admitted
    assert registry.devices() == [device]
    assert (reply.pseudonym, reply.fleet_address, reply.study) == (device.pseudonym, "fleet.example.org:4433", STUDY)


def test_the_terms_can_be_read_without_using_the_invitation_up(stub, registry, request_for):
    secret, _ = registry.invite(3600)
    for _ in range(3):
        assert stub.Describe(messages.DescribeRequest(secret=secret), timeout=20) == STUDY
    assert stub.Enrol(request_for(secret), timeout=20).pseudonym


def test_unknown_used_and_expired_invitations_are_refused_alike(stub, registry, request_for):
    used, expired = registry.invite(3600)[0], registry.invite(-1)[0]
    stub.Enrol(request_for(used), timeout=20)
    for secret in (used, expired, bytes(32), b"short", b"", b"x" * 4000):
        assert refusal(stub.Enrol, request_for(secret)) == REFUSED
        assert refusal(stub.Describe, messages.DescribeRequest(secret=secret)) == REFUSED
    assert len(registry.devices()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"node_key": b""},
        {"node_key": b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"},
        {"node_key": unknown_algorithm(ec.generate_private_key(ec.SECP384R1()))},
        {"node_key": pem(rsa.generate_private_key(65537, 2048))},
        {"node_key": pem(ec.generate_private_key(ec.SECP256R1()))},
        {"node_key": pem(ec.generate_private_key(ec.SECP384R1()))},
        {"node_proof": b""},
        {"node_proof": ec.generate_private_key(ec.SECP384R1()).sign(b"other", ec.ECDSA(hashes.SHA256()))},
        {"ledger_key": b""},
        {"ledger_key": bytes(31)},
        {"ledger_key": Ed25519PrivateKey.generate().public_key().public_bytes_raw()},
        {"ledger_proof": b""},
        {"ledger_proof": Ed25519PrivateKey.generate().sign(b"other")},
    ],
    ids=[
        "no node key",
        "malformed node key",
        "node key of an unknown algorithm",
        "rsa node key",
        "node key on another curve",
        "somebody else's node key",
        "no node proof",
        "node proof by another key",
        "no ledger key",
        "short ledger key",
        "somebody else's ledger key",
        "no ledger proof",
        "ledger proof by another key",
    ],
)
def test_keys_that_the_sender_does_not_hold_are_refused_like_a_wrong_secret(
    stub, registry, request_for, admitted, wrong
):
    secret, _ = registry.invite(3600)
    assert refusal(stub.Enrol, request_for(secret, **wrong)) == REFUSED
    assert (registry.devices(), admitted) == ([], [])
    assert stub.Enrol(request_for(secret), timeout=20).pseudonym


def test_a_node_key_on_another_curve_is_refused_though_it_is_held(stub, registry, request_for):
    secret, _ = registry.invite(3600)
    other = ec.generate_private_key(ec.SECP256R1())
    proof = other.sign(secret, ec.ECDSA(hashes.SHA256()))
    assert refusal(stub.Enrol, request_for(secret, node_key=pem(other), node_proof=proof)) == REFUSED


def test_proofs_made_for_one_invitation_do_not_hold_for_another(stub, registry, request_for):
    mine, theirs = registry.invite(3600)[0], registry.invite(3600)[0]
    proofs = request_for(mine)
    stolen = request_for(theirs, node_proof=proofs.node_proof, ledger_proof=proofs.ledger_proof)
    assert refusal(stub.Enrol, stolen) == REFUSED
    assert registry.open_invitations() == 2


def test_a_device_cannot_enrol_twice(stub, registry, request_for):
    first, second = registry.invite(3600)[0], registry.invite(3600)[0]
    stub.Enrol(request_for(first), timeout=20)
    assert refusal(stub.Enrol, request_for(second)) == REFUSED
    assert registry.open_invitations() == 1


def test_a_message_beyond_16_kib_is_not_taken(stub, registry, request_for):
    secret, _ = registry.invite(3600)
    code, _ = refusal(stub.Enrol, request_for(secret, node_key=b"x" * 17 * 1024))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_the_log_names_the_device_and_nothing_secret(stub, registry, request_for, admitted, caplog):
    caplog.set_level("DEBUG", service_module.__name__)
    secret, _ = registry.invite(3600)
    refusal(stub.Enrol, request_for(bytes(32)))
    stub.Enrol(request_for(secret), timeout=20)
    assert [record.getMessage() for record in caplog.records] == [
        "an enrolment was refused",
        f"device {admitted[0].pseudonym} enrolled",
    ]


def test_without_the_federation_s_authority_nobody_connects(stub, folder):
    port = load_settings(folder.settings).server.enrolment_port
    with grpc.secure_channel(f"127.0.0.1:{port}", grpc.ssl_channel_credentials()) as channel:
        code, _ = refusal(protocol.EnrolmentStub(channel).Describe, messages.DescribeRequest(secret=bytes(32)))
    assert code is grpc.StatusCode.UNAVAILABLE


def test_two_servers_do_not_share_a_port(stub, folder, registry):
    port = load_settings(folder.settings).server.enrolment_port
    with pytest.raises(AddressError):
        start_enrolment(
            EnrolmentService(registry, STUDY, "", print),
            "127.0.0.1",
            port,
            folder.certificate_key.read_bytes(),
            folder.certificate.read_bytes(),
        )


def test_a_port_that_is_taken_is_named(folder, registry):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(AddressError, match=f"127.0.0.1:{port} cannot be opened") as refused:
            start_enrolment(
                EnrolmentService(registry, STUDY, "", print),
                "127.0.0.1",
                port,
                folder.certificate_key.read_bytes(),
                folder.certificate.read_bytes(),
            )
    assert (refused.value.exit_code, "server.enrolment_port" in refused.value.fix) == (16, True)
