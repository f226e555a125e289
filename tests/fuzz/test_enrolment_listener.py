"""The enrolment listener under malformed bytes: all are refused, nobody is enrolled, and honest devices go on."""

import random
import socket
import ssl

import grpc
import pytest
from fuzz.conftest import Target
from fuzz.mutations import mutate
from fuzz.sockets import ANSWER_SECONDS, said

from fl_client.countersigned import ask_receipt
from fl_client.enrolment import accept, read_offer
from fl_client.home import Home, Identity
from fl_client.terms import ask_terms
from fl_client.withdrawal import Withdrawal, tell
from fl_server.certificates import ca_fingerprint
from fl_server.enrolment.limiter import RefusalLimit
from fl_server.enrolment.listener import renewing_credentials, start_enrolment
from fl_server.enrolment.registry import Registry
from fl_server.enrolment.service import EnrolmentService
from fl_server.enrolment.terms import describe
from fl_server.settings import load_settings
from shared_models.enrolment import enrolment_pb2
from shared_models.enrolment.invitation import Invitation
from shared_models.privacy.receipts import LedgerHead


class Recorder:
    """Stands before the service and keeps every request while `listening`, by the name of its call."""

    listening = True

    def __init__(self, service):
        self.requests, self._service = {}, service

    def __getattr__(self, name):
        def call(request, context):
            if self.listening:
                self.requests.setdefault(name, []).append(request.SerializeToString())
            return getattr(self._service, name)(request, context)

        return call


@pytest.fixture
def enrolment(folder, policy, server_key, tmp_path):
    """A listener, and what an honest device asked of it from joining to leaving."""
    settings, registry = load_settings(folder.settings), Registry(folder.enrolment)
    terms, port = describe(settings, policy, server_key), settings.server.enrolment_port
    service = EnrolmentService(
        registry, terms, server_key, "127.0.0.1:1", lambda _: None, lambda _: None, RefusalLimit(most=10**9)
    )
    recorder, home = Recorder(service), Home(tmp_path / "home")
    home.create()
    server = start_enrolment(recorder, settings.server, renewing_credentials(folder))

    def enrol():
        secret, expires = registry.invite(3600)
        invitation = Invitation(
            address=f"127.0.0.1:{port}", ca_sha256=ca_fingerprint(folder), secret=secret.hex(), expires=expires
        )
        identity = Identity.generate()
        enrolled = accept(read_offer(invitation), identity)
        ask_terms(enrolled, identity)
        ask_receipt(enrolled, identity, LedgerHead(1, "ab" * 32), home)
        Withdrawal.signed(enrolled, identity).keep(home)
        assert tell(home)

    enrol()
    recorder.listening = False
    yield f"127.0.0.1:{port}", folder.ca_certificate.read_bytes(), recorder.requests, enrol, registry
    server.stop(None).wait()


def test_the_enrolment_service_on_the_wire(attack, enrolment):
    """Every call of the service, its request malformed, over TLS. Nobody is enrolled by accident."""
    address, authority, seeds, enrol, registry = enrolment
    recorded, enrolled = dict(seeds), registry.devices()
    names = [method.name for method in enrolment_pb2.DESCRIPTOR.services_by_name["Enrolment"].methods]
    prefix = f"/{enrolment_pb2.DESCRIPTOR.package}.Enrolment/"
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(authority)) as channel:
        calls = {name: channel.unary_unary(prefix + name) for name in names}

        def make(rng):
            name = rng.choice(names)
            bodies = recorded.get(name) or [body for each in recorded.values() for body in each]
            return name, mutate(rng.choice(bodies), rng)

        def feed(request):
            name, body = request
            try:
                calls[name](body, timeout=ANSWER_SECONDS)
            except grpc.RpcError as error:
                if error.code() in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise  # the handler raised, or hangs
                return error.code().name.lower()
            return "answered"

        attack(Target("enrolment service, calls over TLS", 10, make, feed))
    assert registry.devices() == enrolled
    enrol()


def test_the_enrolment_listener_as_bytes(attack, enrolment):
    """What is no HTTP/2 and no TLS either."""
    address, authority, _, enrol, _ = enrolment
    context = ssl.create_default_context(cadata=authority.decode())
    context.set_alpn_protocols(["h2"])
    host, port = address.split(":")
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)

    def feed(made):
        in_tls, data = made
        with socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS) as raw:
            if not in_tls:
                return "no TLS: " + said(raw, data)
            with context.wrap_socket(raw, server_hostname=host) as connection:
                return said(connection, data)

    def make(rng: random.Random):
        return rng.random() < 0.7, mutate(preface, rng)

    attack(Target("enrolment listener, bytes", 1, make, feed))
    enrol()
