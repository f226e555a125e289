"""Who was not invited: refused alike whatever is wrong, after the same work, counted, and shut out in the end."""

import base64
import re
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

import grpc
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fl_server.enrolment import listener, proving, tables
from fl_server.enrolment.limiter import RefusalLimit
from fl_server.enrolment.registry import Refusal
from fl_server.enrolment.service import EnrolmentService
from shared_models.enrolment import enrolment_pb2 as messages
from shared_models.enrolment import enrolment_pb2_grpc as protocol
from shared_models.enrolment.proofs import ENROLMENT_VERSION, policy_form
from shared_models.privacy.receipts import LedgerHead

REFUSED = (grpc.StatusCode.PERMISSION_DENIED, "the invitation or the proof is not valid")


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def unknown_algorithm(node):
    """A well-formed key of an algorithm that nobody knows."""
    der = node.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    other = der.replace(bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2a8648ce3d027f"))
    return b"-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(other) + b"-----END PUBLIC KEY-----\n"


@pytest.fixture
def attacks(port, sender):
    """A refused request for each reason to refuse an invitation."""
    registry = port.registry

    def fresh():
        return registry.invite(3600)[0]

    used, taken = fresh(), sender()
    registry.enrol(used, taken.node_pem, taken.ledger.public_key().public_bytes_raw())
    return {
        Refusal.GUESSED: sender().enrol(bytes(32)),
        Refusal.USED: sender().enrol(used),
        Refusal.EXPIRED: sender().enrol(registry.invite(-1)[0]),
        Refusal.KEY_TAKEN: taken.enrol(fresh()),
        Refusal.WRONG_PROOF: sender().enrol(fresh(), ledger_proof=bytes(64)),
        Refusal.MALFORMED: sender().enrol(b"short"),
    }


def test_every_refusal_looks_the_same_and_is_counted_by_its_reason(stub, port, attacks, refusal):
    for request in attacks.values():
        assert refusal(stub.Enrol, request) == REFUSED
    assert port.registry.refusals() == {reason.value: 1 for reason in attacks}
    assert len(port.registry.devices()) == 1
    assert port.admitted == []


def test_who_only_asks_for_the_terms_is_refused_alike(stub, port, refusal):
    expired, _ = port.registry.invite(-1)
    for secret in (expired, bytes(32), b"short", b"", b"x" * 4000, b"' OR 1=1 --"):
        request = messages.PolicyRequest(version=ENROLMENT_VERSION, secret=secret)
        assert refusal(stub.Policy, request) == REFUSED


@pytest.fixture
def work(monkeypatch):
    """`with work() as done:` what the service does: each statement to the register, each signature that it checks."""
    opened, steps = sqlite3.connect, []

    def traced(*given, **options):
        database = opened(*given, **options)
        # Without what they are about: the values, and of the counted refusal only that it is counted.
        database.set_trace_callback(lambda sql: steps.append(re.sub(r"(?i)x'[0-9a-f]*'|'[^']*'|\b\d+\b", "?", sql)))
        return database

    class Counted:
        def __init__(self, key):
            self._key = key

        def verify(self, *given):
            steps.append(f"verify {type(self._key).__name__}")
            return self._key.verify(*given)

    class Keys:
        from_public_bytes = staticmethod(lambda raw: Counted(real.from_public_bytes(raw)))

    class Dummy:
        def __init__(self, key):
            self._key = key

        def public_key(self):
            return Counted(self._key.public_key())

    real, parse = proving.Ed25519PublicKey, proving.node_key_of

    def parsed(pem):
        key = parse(pem)
        if key is None:
            return None
        counted = Counted(key)
        counted.public_bytes = key.public_bytes
        return counted

    monkeypatch.setattr(tables.sqlite3, "connect", traced)
    monkeypatch.setattr(proving, "Ed25519PublicKey", Keys)
    monkeypatch.setattr(proving, "_DUMMY_NODE", Dummy(proving._DUMMY_NODE))
    monkeypatch.setattr(proving, "_DUMMY_LEDGER", Dummy(proving._DUMMY_LEDGER))
    monkeypatch.setattr("fl_server.enrolment.service.node_key_of", parsed)

    @contextmanager
    def work():
        steps.clear()
        done = []
        yield done
        done.extend(steps)

    return work


def test_every_refused_enrolment_takes_the_same_work(stub, attacks, sender, refusal, work):
    broken = {
        "no key": sender().enrol(bytes(32), node_key=b"", ledger_key=b""),
        "key on another curve": sender().enrol(bytes(32), node_key=pem(ec.generate_private_key(ec.SECP256R1()))),
    }
    paths = {}
    for name, request in (attacks | broken).items():
        with work() as done:
            refusal(stub.Enrol, request)
        paths[str(name)] = done
    expected = paths["guessed"]
    assert sum(step.startswith("verify") for step in expected) == 2
    assert sum("SELECT" in step for step in expected) == 2
    assert sum("INSERT INTO refusals" in step for step in expected) == 1
    for name, done in paths.items():
        assert done == expected, name


def test_an_unknown_device_and_a_wrong_proof_take_the_same_work(stub, enrolled, refusal, work):
    head, paths = LedgerHead(1, "a" * 64), []
    for request in (enrolled.receipt(head, pseudonym="ffffffff"), enrolled.receipt(head, proof=bytes(64))):
        with work() as done:
            assert refusal(stub.Receipt, request) == REFUSED
        paths.append(done)
    assert paths[0] == paths[1]
    assert sum(step.startswith("verify") for step in paths[0]) == 1


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
        {"head": messages.LedgerHead(entries=4, hash="0" * 64)},
        {"head": messages.LedgerHead(entries=4, hash="'; DROP TABLE devices")},
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
        "entries without a hash",
        "hash that is none",
    ],
)
def test_keys_that_the_sender_does_not_hold_are_refused_like_a_wrong_secret(stub, port, sender, refusal, wrong):
    secret, one = port.registry.invite(3600)[0], sender()
    assert refusal(stub.Enrol, one.enrol(secret, **wrong)) == REFUSED
    assert (port.registry.devices(), port.admitted) == ([], [])
    assert stub.Enrol(one.enrol(secret), timeout=20).pseudonym


def test_a_node_key_on_another_curve_is_refused_though_it_is_held(stub, port, sender, refusal):
    other = sender()
    other.node = ec.generate_private_key(ec.SECP256R1())
    assert refusal(stub.Enrol, other.enrol(port.registry.invite(3600)[0])) == REFUSED


def test_proofs_made_for_one_purpose_hold_for_no_other(stub, port, sender, enrolled, refusal):
    mine, theirs = port.registry.invite(3600)[0], port.registry.invite(3600)[0]
    thief = sender()
    proofs = thief.enrol(mine)
    stolen = thief.enrol(theirs, node_proof=proofs.node_proof, ledger_proof=proofs.ledger_proof)
    assert refusal(stub.Enrol, stolen) == REFUSED
    at = int(time.time())
    asked = enrolled.ledger.sign(policy_form(enrolled.study, enrolled.pseudonym, at))
    assert refusal(stub.Withdraw, enrolled.withdraw(proof=asked)) == REFUSED
    assert refusal(stub.Withdraw, enrolled.withdraw(proof=enrolled.receipt(LedgerHead(1, "a" * 64)).proof)) == REFUSED
    enrolled.study = "another-study"
    assert refusal(stub.Withdraw, enrolled.withdraw()) == REFUSED
    assert len(port.registry.active()) == 1


def test_nobody_withdraws_another(stub, port, sender, enrolled, refusal):
    other = sender()
    other.pseudonym = enrolled.pseudonym
    assert refusal(stub.Withdraw, other.withdraw()) == REFUSED
    assert port.revoked == []
    assert port.registry.refusals() == {"wrong_proof": 1}


def test_two_devices_race_for_one_invitation_and_one_wins(stub, port, sender):
    for _ in range(5):
        secret, start = port.registry.invite(3600)[0], Barrier(2)

        def race(request, start=start):
            start.wait()
            try:
                return stub.Enrol(request, timeout=20).pseudonym
            except grpc.RpcError as error:
                return (error.code(), error.details())

        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(race, [sender().enrol(secret), sender().enrol(secret)]))
        assert results.count(REFUSED) == 1
    assert len(port.registry.devices()) == len(port.admitted) == 5


def test_a_message_beyond_16_kib_is_not_taken(stub, port, sender, refusal):
    secret, _ = port.registry.invite(3600)
    code, _ = refusal(stub.Enrol, sender().enrol(secret, node_key=b"x" * 17 * 1024))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert port.registry.open_invitations() == 1


@pytest.mark.parametrize("call", ["Policy", "Enrol", "Receipt", "Withdraw"])
def test_bytes_that_are_no_message_are_refused_like_any_other(channel, port, refusal, caplog, call):
    for data in (b"\xff", b"\n\x7fabc", b"\x12\xff\xff\xff\xff\x0f", bytes(200)):
        assert refusal(channel.unary_unary(f"/{listener.SERVICE}/{call}"), data) == REFUSED
    assert sum(port.registry.refusals().values()) == 4
    assert "Traceback" not in caplog.text


def test_a_register_that_cannot_be_used_says_only_that(stub, port, sender, refusal):
    request = sender().enrol(bytes(32))
    port.folder.enrolment.write_bytes(b"no database at all" * 100)
    assert refusal(stub.Enrol, request) == (grpc.StatusCode.UNAVAILABLE, "try again later")


def test_an_address_that_guesses_is_shut_out_but_may_still_leave(port, sender, enrolled, refusal):
    limited = EnrolmentService(
        port.registry, port.terms, Ed25519PrivateKey.generate(), "", print, port.revoked.extend, RefusalLimit(most=3)
    )
    credentials = grpc.ssl_channel_credentials(port.folder.ca_certificate.read_bytes())
    with port.listening(limited), grpc.secure_channel(port.address, credentials) as channel:
        stub = protocol.EnrolmentStub(channel)
        for _ in range(3):
            assert refusal(stub.Enrol, sender().enrol(bytes(32))) == REFUSED
        valid = sender().enrol(port.registry.invite(3600)[0])
        code, words = refusal(stub.Enrol, valid)
        assert (code, "try again" in words) == (grpc.StatusCode.RESOURCE_EXHAUSTED, True)
        stub.Withdraw(enrolled.withdraw(), timeout=20)
    assert port.registry.active() == []
    assert port.registry.refusals() == {"guessed": 3}
