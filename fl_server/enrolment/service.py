"""The enrolment service: invitations in, keys bound, ledgers countersigned, leavers let go."""

import logging
import time
from collections.abc import Callable, Iterable
from typing import NoReturn

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fl_server.enrolment.limiter import RefusalLimit
from fl_server.enrolment.proving import ledger_proof_holds, node_key_of, node_proof_holds, one_form
from fl_server.enrolment.registry import Device, Member, Refusal, Registry
from shared_models.enrolment import enrolment_pb2 as messages
from shared_models.enrolment import enrolment_pb2_grpc as protocol
from shared_models.enrolment.invitation import SECRET_BYTES
from shared_models.enrolment.proofs import (
    CLOCK_OFF,
    CLOCK_WINDOW_SECONDS,
    ENROLMENT_VERSION,
    OLD_LEDGER,
    OTHER_VERSION,
    enrol_form,
    policy_form,
    receipt_form,
    withdraw_form,
)
from shared_models.privacy.receipts import EMPTY_LEDGER, LedgerHead, sign_head

_REFUSED = "the invitation or the proof is not valid"
_SHUT_OUT = "too many requests from this address were refused: try again in ten minutes"
log = logging.getLogger(__name__)


class EnrolmentService(protocol.EnrolmentServicer):
    """Answers the calls of enrolment.proto. `admit` and `revoke` tell the transport before the device is answered."""

    def __init__(
        self,
        registry: Registry,
        terms: messages.Terms,
        key: Ed25519PrivateKey,
        fleet_address: str,
        admit: Callable[[Iterable[Device]], None],
        revoke: Callable[[Iterable[Device]], None],
        limit: RefusalLimit | None = None,
    ) -> None:
        self._registry, self._terms, self._key = registry, terms, key
        self._fleet_address, self._admit, self._revoke = fleet_address, admit, revoke
        self._limit = limit or RefusalLimit()

    def Policy(  # noqa: N802 - the name in the protocol
        self, request: messages.PolicyRequest, context: grpc.ServicerContext
    ) -> messages.Terms:
        self._let_in(request.version, context)
        if request.WhichOneof("asker") == "device":
            asker = request.device
            form = policy_form(self._terms.study, asker.pseudonym, asker.at)
            self._require_active(asker.pseudonym, asker.proof, form, context)
            if abs(time.time() - asker.at) > CLOCK_WINDOW_SECONDS:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, CLOCK_OFF)
        elif not self._registry.accepts(request.secret):
            self._refuse(context)
        return self._terms

    def Enrol(  # noqa: N802 - the name in the protocol
        self, request: messages.EnrolRequest, context: grpc.ServicerContext
    ) -> messages.EnrolReply:
        self._let_in(request.version, context)
        head = LedgerHead(request.head.entries, request.head.hash) if request.HasField("head") else EMPTY_LEDGER
        key, flaw = node_key_of(request.node_key), None
        form = enrol_form(self._terms.study, request.secret, request.node_key, request.ledger_key, head)
        held = [
            node_proof_holds(key, request.node_proof, form),
            ledger_proof_holds(request.ledger_key, request.ledger_proof, form),
        ]
        if len(request.secret) != SECRET_BYTES or key is None or not head.is_well_formed:
            flaw = Refusal.MALFORMED
        elif not all(held):
            flaw = Refusal.WRONG_PROOF
        node_key = one_form(key) if key else request.node_key
        device = self._registry.enrol(request.secret, node_key, request.ledger_key, head, flaw)
        if device is None:
            self._refuse(context)
        self._admit([device])
        log.info("device %s enrolled", device.pseudonym)
        return messages.EnrolReply(pseudonym=device.pseudonym, fleet_address=self._fleet_address, terms=self._terms)

    def Receipt(  # noqa: N802 - the name in the protocol
        self, request: messages.ReceiptRequest, context: grpc.ServicerContext
    ) -> messages.ReceiptReply:
        self._let_in(request.version, context)
        head, study = LedgerHead(request.head.entries, request.head.hash), self._terms.study
        self._require_active(request.pseudonym, request.proof, receipt_form(study, request.pseudonym, head), context)
        if not head.is_well_formed or not self._registry.advance(request.pseudonym, head):
            log.warning("device %s has an old copy of its ledger", request.pseudonym)
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, OLD_LEDGER)
        receipt = sign_head(self._key, study, request.pseudonym, head, int(time.time()))
        return messages.ReceiptReply(at=receipt.at, signature=bytes.fromhex(receipt.signature))

    def Withdraw(  # noqa: N802 - the name in the protocol
        self, request: messages.WithdrawRequest, context: grpc.ServicerContext
    ) -> messages.WithdrawReply:
        """Neither the version nor what others at the same address did keeps anybody from leaving."""
        form = withdraw_form(self._terms.study, request.pseudonym)
        member = self._proven(request.pseudonym, request.proof, form, context)
        self._registry.leave([request.pseudonym], "withdrawn")
        self._revoke([member.device])
        if member.left is None:
            log.info("device %s has withdrawn", request.pseudonym)
        return messages.WithdrawReply()

    def _let_in(self, version: int, context: grpc.ServicerContext) -> None:
        if version != ENROLMENT_VERSION:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, OTHER_VERSION)
        if self._limit.is_shut_out(context.peer()):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, _SHUT_OUT)

    def _require_active(self, pseudonym: str, proof: bytes, form: bytes, context: grpc.ServicerContext) -> None:
        if self._proven(pseudonym, proof, form, context).left is not None:
            self._registry.count(Refusal.DEVICE_LEFT)
            self._refuse(context)

    def _proven(self, pseudonym: str, proof: bytes, form: bytes, context: grpc.ServicerContext) -> Member:
        """The device, also one that has left, whose ledger key signed `form`."""
        member = self._registry.member(pseudonym)
        held = ledger_proof_holds(member.device.ledger_key if member else None, proof, form)
        if member is None or not held:
            self._registry.count(Refusal.WRONG_PROOF if member else Refusal.UNKNOWN_DEVICE)
            self._refuse(context)
        return member

    def _refuse(self, context: grpc.ServicerContext) -> NoReturn:
        """One answer for all; the log has no more lines of an address than it takes to shut it out."""
        if not self._limit.is_shut_out(context.peer()):
            log.warning("a request was refused")
            if self._limit.refused(context.peer()):
                log.warning("an address was refused too often and is not answered for a while")
        context.abort(grpc.StatusCode.PERMISSION_DENIED, _REFUSED)
        raise PermissionError  # abort has raised already; its type does not say so
