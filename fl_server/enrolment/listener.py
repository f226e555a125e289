"""The enrolment port: gRPC over TLS, with certificates that can be renewed while it listens."""

import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from fl_server.certificates import current_certificate
from fl_server.enrolment.service import EnrolmentService
from fl_server.folder import FederationFolder
from fl_server.settings import ServerSettings
from shared_models.enrolment import enrolment_pb2 as messages
from shared_models.enrolment.proofs import ENROLMENT_VERSION, OTHER_VERSION
from shared_models.errors import AddressError, CertificateError, StorageError

SERVICE = messages.DESCRIPTOR.services_by_name["Enrolment"].full_name
_ANY_VERSION = f"/{SERVICE.split('.')[0]}.{SERVICE.split('.')[1]}."
_MAX_MESSAGE_BYTES = 16 * 1024
_THREADS = 4
log = logging.getLogger(__name__)


def start_enrolment(
    service: EnrolmentService, settings: ServerSettings, credentials: grpc.ServerCredentials
) -> grpc.Server:
    """Listens on the enrolment port of `settings`; raises AddressError where it is taken."""
    server = grpc.server(
        ThreadPoolExecutor(_THREADS, "enrolment"),
        options=[("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES), ("grpc.so_reuseport", 0)],
    )
    server.add_generic_rpc_handlers((_handlers(service), _OtherVersions()))
    if settings.grpc_health:
        _answer_health_checks(server)
    if settings.grpc_reflection:
        reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), server)
    address = f"{settings.bind}:{settings.enrolment_port}"
    try:
        server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise AddressError(
            f"The enrolment port {address} cannot be opened",
            why="another program holds it, or this machine does not have that address",
            fix="Stop that program, or change server.enrolment_port in federation.toml",
        ) from error
    server.start()
    return server


def renewing_credentials(folder: FederationFolder) -> grpc.ServerCredentials:
    """The certificate that lies in `folder` whenever somebody connects: a renewed one counts without a restart.

    The one before stays where key and certificate do not fit, as between the writing of the two files.
    """
    seen = _times(folder)

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal seen
        try:
            now = _times(folder)
            if now == seen:
                return None
            seen = now
            found = _certificate(folder)
        except (CertificateError, OSError) as error:
            log.warning("the renewed certificate cannot be used: %s", error)
            return None
        log.info("a renewed certificate was found")
        return found

    return grpc.dynamic_ssl_server_credentials(_certificate(folder), renewed)


def _handlers(service: EnrolmentService) -> grpc.GenericRpcHandler:
    calls: dict[str, tuple[Callable[..., Any], Any, Any]] = {
        "Policy": (service.Policy, messages.PolicyRequest, messages.Terms),
        "Enrol": (service.Enrol, messages.EnrolRequest, messages.EnrolReply),
        "Receipt": (service.Receipt, messages.ReceiptRequest, messages.ReceiptReply),
        "Withdraw": (service.Withdraw, messages.WithdrawRequest, messages.WithdrawReply),
    }
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            name: grpc.unary_unary_rpc_method_handler(_careful(call), _lenient(request), reply.SerializeToString)
            for name, (call, request, reply) in calls.items()
        },
    )


def _lenient(kind: Any) -> Callable[[bytes], Any]:
    """Bytes that are no message are read as an empty one, so that they are refused and counted like any other."""

    def read(data: bytes) -> Any:
        try:
            return kind.FromString(data)
        except DecodeError:
            return kind(version=ENROLMENT_VERSION)

    return read


def _careful(call: Callable[[Any, grpc.ServicerContext], Any]) -> Callable[[Any, grpc.ServicerContext], Any]:
    """`call`, except that a register which cannot be written now is said to be unavailable, without details."""

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return call(request, context)
        except (sqlite3.Error, StorageError) as error:
            log.error("the register of enrolments cannot be used: %s", error)
            context.abort(grpc.StatusCode.UNAVAILABLE, "try again later")

    return answer


class _OtherVersions(grpc.GenericRpcHandler):
    """Tells a device whose protocol has another number that it must be upgraded."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        if not handler_call_details.method.startswith(_ANY_VERSION):
            return None
        return grpc.unary_unary_rpc_method_handler(
            lambda _, context: context.abort(grpc.StatusCode.FAILED_PRECONDITION, OTHER_VERSION)
        )


def _answer_health_checks(server: grpc.Server) -> None:
    servicer = health.HealthServicer()
    for name in (health.OVERALL_HEALTH, SERVICE):
        servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)


def _times(folder: FederationFolder) -> tuple[int, int]:
    return folder.certificate_key.stat().st_mtime_ns, folder.certificate.stat().st_mtime_ns


def _certificate(folder: FederationFolder) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([current_certificate(folder)])
