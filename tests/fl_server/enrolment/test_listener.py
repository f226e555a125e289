"""What the enrolment port answers besides its own calls, and with which certificate."""

import socket
import ssl

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from fl_server.certificates import issue_server_certificate
from fl_server.enrolment.listener import SERVICE
from shared_models.enrolment import enrolment_pb2 as messages
from shared_models.enrolment import enrolment_pb2_grpc as protocol
from shared_models.enrolment.proofs import ENROLMENT_VERSION
from shared_models.errors import AddressError


@pytest.fixture
def connect(port):
    def connect():
        credentials = grpc.ssl_channel_credentials(port.folder.ca_certificate.read_bytes())
        # Without a pool of its own, a second channel would use the first one's connection.
        return grpc.secure_channel(port.address, credentials, [("grpc.use_local_subchannel_pool", 1)])

    return connect


def health(channel):
    request = health_pb2.HealthCheckRequest(service=SERVICE)
    return health_pb2_grpc.HealthStub(channel).Check(request, timeout=20).status


def services(channel):
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    [reply] = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request]), timeout=20)
    return {service.name for service in reply.list_services_response.service}


def test_health_checks_and_reflection_are_off_unless_switched_on(port, connect):
    with port.listening(), connect() as channel:
        for ask in (health, services):
            with pytest.raises(grpc.RpcError) as refused:
                ask(channel)
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_each_can_be_switched_on(port, connect):
    with port.listening(grpc_health=True), connect() as channel:
        assert health(channel) == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError):
            services(channel)
    with port.listening(grpc_reflection=True), connect() as channel:
        assert SERVICE in services(channel)
        with pytest.raises(grpc.RpcError):
            health(channel)


def shown(port):
    """The certificate that the port shows to whoever connects now, PEM."""
    host, number = port.address.split(":")
    return ssl.get_server_certificate((host, int(number)))


def reads_terms(port, connect):
    request = messages.PolicyRequest(version=ENROLMENT_VERSION, secret=bytes.fromhex(port.invite().secret))
    with connect() as channel:
        return protocol.EnrolmentStub(channel).Policy(request, timeout=20) == port.terms


def test_a_renewed_certificate_is_shown_without_a_restart(port, connect):
    with port.listening():
        before = shown(port)
        assert reads_terms(port, connect)
        issue_server_certificate(port.folder, "127.0.0.1")
        after = shown(port)
        assert after != before
        assert after in port.folder.certificate.read_text()
        assert reads_terms(port, connect)


def test_a_certificate_whose_key_has_not_come_yet_is_not_taken(port, connect):
    with port.listening():
        before, old_key = shown(port), port.folder.certificate_key.read_bytes()
        issue_server_certificate(port.folder, "127.0.0.1")
        new_key = port.folder.certificate_key.read_bytes()
        port.folder.certificate_key.write_bytes(old_key)
        assert shown(port) == before
        port.folder.certificate_key.write_text("nothing that is a key")
        assert shown(port) == before
        port.folder.certificate_key.write_bytes(new_key)
        assert shown(port) != before


def test_without_the_federation_s_authority_nobody_connects(port):
    with port.listening(), grpc.secure_channel(port.address, grpc.ssl_channel_credentials()) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            protocol.EnrolmentStub(channel).Policy(messages.PolicyRequest(), timeout=20)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_two_servers_do_not_share_a_port(port):
    with port.listening(), pytest.raises(AddressError), port.listening():
        pass


def test_a_port_that_is_taken_is_named(port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with (
            pytest.raises(AddressError, match=f"127.0.0.1:{taken} cannot be opened") as refused,
            port.listening(enrolment_port=taken),
        ):
            pass
    assert (refused.value.exit_code, "server.enrolment_port" in refused.value.fix) == (16, True)
