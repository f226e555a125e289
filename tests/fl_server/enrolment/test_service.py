"""The enrolment service over real TLS: what an honest device gets."""

import time

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fl_server.enrolment import service as service_module
from shared_models.enrolment import enrolment_pb2 as messages
from shared_models.enrolment.proofs import ENROLMENT_VERSION, policy_form, terms_form
from shared_models.privacy.receipts import EMPTY_LEDGER, HeadReceipt, LedgerHead, head_receipt_holds

UPGRADE = (grpc.StatusCode.FAILED_PRECONDITION, "version")
OLD = (grpc.StatusCode.FAILED_PRECONDITION, "old ledger")
HEAD = [EMPTY_LEDGER, *(LedgerHead(n, f"{n:064x}") for n in range(1, 6))]


def asked_by(sender, at=None, **changed):
    at = int(time.time()) if at is None else at
    proof = sender.ledger.sign(policy_form(sender.study, sender.pseudonym, at))
    device = messages.DeviceProof(**({"pseudonym": sender.pseudonym, "at": at, "proof": proof} | changed))
    return messages.PolicyRequest(version=ENROLMENT_VERSION, device=device)


def test_an_honest_device_is_enrolled_and_admitted_before_it_hears_so(stub, port, sender):
    secret, _ = port.registry.invite(3600)
    reply = stub.Enrol(sender().enrol(secret, HEAD[3]), timeout=20)
    [member] = port.registry.members()
    assert port.admitted == [member.device]
    assert (reply.pseudonym, reply.fleet_address, reply.terms) == (member.device.pseudonym, "127.0.0.1:1", port.terms)
    assert (member.head, member.left) == (HEAD[3], None)


def test_the_terms_can_be_read_without_using_the_invitation_up_and_are_signed_whole(stub, port, sender):
    secret, _ = port.registry.invite(3600)
    request = messages.PolicyRequest(version=ENROLMENT_VERSION, secret=secret)
    for _ in range(3):
        assert stub.Policy(request, timeout=20) == port.terms
    Ed25519PublicKey.from_public_bytes(port.terms.server_key).verify(port.terms.signature, terms_form(port.terms))
    assert stub.Enrol(sender().enrol(secret), timeout=20).pseudonym


def test_an_enrolled_device_reads_the_terms_with_a_proof_that_soon_means_nothing(stub, port, enrolled, refusal):
    assert stub.Policy(asked_by(enrolled), timeout=20) == port.terms
    clock = (grpc.StatusCode.FAILED_PRECONDITION, "clock")
    for off in (-301, 301):
        assert refusal(stub.Policy, asked_by(enrolled, int(time.time()) + off)) == clock
    kept = asked_by(enrolled, int(time.time()) - 200)
    kept.device.at += 200
    assert refusal(stub.Policy, kept)[0] is grpc.StatusCode.PERMISSION_DENIED


def test_a_ledger_s_head_is_countersigned_and_kept(stub, port, enrolled):
    reply = stub.Receipt(enrolled.receipt(HEAD[2]), timeout=20)
    server = Ed25519PublicKey.from_public_bytes(port.terms.server_key)
    receipt = HeadReceipt(HEAD[2], reply.at, reply.signature.hex())
    assert head_receipt_holds(receipt, server, enrolled.study, enrolled.pseudonym)
    assert not head_receipt_holds(receipt, server, enrolled.study, "00000000")
    assert port.registry.member(enrolled.pseudonym).head == HEAD[2]


def test_a_shorter_ledger_or_another_end_of_it_is_an_old_copy(stub, port, enrolled, refusal):
    for head in (HEAD[0], HEAD[3], HEAD[3]):
        stub.Receipt(enrolled.receipt(head), timeout=20)
    for head in (HEAD[0], HEAD[2], LedgerHead(3, "f" * 64), LedgerHead(4, "short"), LedgerHead(4, "0" * 64)):
        assert refusal(stub.Receipt, enrolled.receipt(head)) == OLD
    assert port.registry.member(enrolled.pseudonym).head == HEAD[3]
    stub.Receipt(enrolled.receipt(HEAD[5]), timeout=20)


def test_a_ledger_that_came_with_the_enrolment_cannot_be_left_behind(stub, port, sender, refusal):
    one = sender()
    one.pseudonym = stub.Enrol(one.enrol(port.registry.invite(3600)[0], HEAD[4]), timeout=20).pseudonym
    assert refusal(stub.Receipt, one.receipt(HEAD[0])) == OLD


def test_who_withdraws_is_let_in_no_more_and_may_say_so_again(stub, port, enrolled, refusal):
    for _ in range(3):
        stub.Withdraw(enrolled.withdraw(), timeout=20)
    [member] = port.registry.members()
    assert member.how == "withdrawn"
    assert {device.pseudonym for device in port.revoked} == {enrolled.pseudonym}
    assert port.registry.active() == []
    for call, request in ((stub.Policy, asked_by(enrolled)), (stub.Receipt, enrolled.receipt(HEAD[1]))):
        assert refusal(call, request)[0] is grpc.StatusCode.PERMISSION_DENIED


def test_who_was_removed_and_withdraws_stays_removed(stub, port, enrolled):
    port.registry.leave([enrolled.pseudonym], "removed")
    stub.Withdraw(enrolled.withdraw(), timeout=20)
    assert port.registry.member(enrolled.pseudonym).how == "removed"


def test_the_keys_of_who_left_never_enrol_again_however_they_are_written(stub, port, sender, enrolled, refusal):
    port.registry.leave([enrolled.pseudonym], "removed")
    rewritten = enrolled.node_pem.replace(b"\n", b"\r\n") + b"\n"
    half_new = sender()
    half_new.node = enrolled.node
    for one, changed in ((enrolled, {}), (half_new, {}), (half_new, {"node_key": rewritten})):
        secret, _ = port.registry.invite(3600)
        assert refusal(stub.Enrol, one.enrol(secret, **changed))[0] is grpc.StatusCode.PERMISSION_DENIED
    assert port.registry.refusals() == {"key_taken": 3}


def test_a_device_of_another_version_is_told_to_upgrade_and_uses_nothing_up(stub, port, sender, refusal):
    secret, _ = port.registry.invite(3600)
    for version in (0, ENROLMENT_VERSION - 1, ENROLMENT_VERSION + 1):
        assert refusal(stub.Enrol, sender().enrol(secret, version=version)) == UPGRADE
        assert refusal(stub.Policy, messages.PolicyRequest(version=version, secret=secret)) == UPGRADE
    assert (port.registry.open_invitations(), port.registry.refusals()) == (1, {})


def test_so_is_one_whose_protocol_has_another_name(channel, refusal):
    for method in ("v1.Enrolment/Describe", "v1.Enrolment/Enrol", "v3.Enrolment/Enrol"):
        assert refusal(channel.unary_unary(f"/attune.enrolment.{method}"), b"\n\x03abc") == UPGRADE


def test_nobody_needs_to_upgrade_in_order_to_leave(stub, port, enrolled):
    stub.Withdraw(enrolled.withdraw(version=77), timeout=20)
    assert port.registry.active() == []


def test_the_log_names_the_device_and_nothing_secret(stub, port, sender, refusal, caplog):
    caplog.set_level("DEBUG", service_module.__name__)
    one = sender()
    refusal(stub.Enrol, one.enrol(bytes(32)))
    one.pseudonym = stub.Enrol(one.enrol(port.registry.invite(3600)[0]), timeout=20).pseudonym
    stub.Withdraw(one.withdraw(), timeout=20)
    assert [record.getMessage() for record in caplog.records] == [
        "a request was refused",
        f"device {one.pseudonym} enrolled",
        f"device {one.pseudonym} has withdrawn",
    ]
