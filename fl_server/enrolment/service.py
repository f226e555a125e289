"""The gRPC service behind which devices enrol."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import grpc
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from fl_server.enrolment.registry import Device, Registry
from shared_models.enrolment import enrolment_pb2 as messages
from shared_models.enrolment import enrolment_pb2_grpc as protocol
from shared_models.enrolment.invitation import SECRET_BYTES
from shared_models.errors import AddressError

_MAX_MESSAGE_BYTES = 16 * 1024
_THREADS = 4
log = logging.getLogger(__name__)


class EnrolmentService(protocol.EnrolmentServicer):
    """Answers `Describe` and `Enrol`. `admit` tells the transport of each new device before it is answered."""

    def __init__(
        self,
        registry: Registry,
        description: messages.StudyDescription,
        fleet_address: str,
        admit: Callable[[Device], None],
    ) -> None:
        self._registry, self._description = registry, description
        self._fleet_address, self._admit = fleet_address, admit

    def Describe(  # noqa: N802 - the name in the protocol
        self, request: messages.DescribeRequest, context: grpc.ServicerContext
    ) -> messages.StudyDescription:
        if not self._registry.is_valid(request.secret):
            _refuse(context)
        return self._description

    def Enrol(  # noqa: N802 - the name in the protocol
        self, request: messages.EnrolRequest, context: grpc.ServicerContext
    ) -> messages.EnrolReply:
        if len(request.secret) != SECRET_BYTES or not _keys_are_held(request):
            _refuse(context)
        device = self._registry.enrol(request.secret, request.node_key, request.ledger_key)
        if device is None:
            _refuse(context)
        self._admit(device)
        log.info("device %s enrolled", device.pseudonym)
        return messages.EnrolReply(
            pseudonym=device.pseudonym, fleet_address=self._fleet_address, study=self._description
        )


def start_enrolment(service: EnrolmentService, host: str, port: int, key: bytes, chain: bytes) -> grpc.Server:
    """Listens on host:port over TLS; raises AddressError where the port is taken."""
    server = grpc.server(
        ThreadPoolExecutor(_THREADS, "enrolment"),
        options=[("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES), ("grpc.so_reuseport", 0)],
    )
    protocol.add_EnrolmentServicer_to_server(service, server)
    try:
        server.add_secure_port(f"{host}:{port}", grpc.ssl_server_credentials([(key, chain)]))
    except RuntimeError as error:
        raise AddressError(
            f"The enrolment port {host}:{port} cannot be opened",
            why="another program holds it, or this machine does not have that address",
            fix="Stop that program, or change server.enrolment_port in federation.toml",
        ) from error
    server.start()
    return server


def _keys_are_held(request: messages.EnrolRequest) -> bool:
    """Whether the sender has both private keys, of the kinds that the protocol asks for."""
    try:
        node_key = load_pem_public_key(request.node_key)
        if not isinstance(node_key, ec.EllipticCurvePublicKey) or not isinstance(node_key.curve, ec.SECP384R1):
            return False
        node_key.verify(request.node_proof, request.secret, ec.ECDSA(hashes.SHA256()))
        Ed25519PublicKey.from_public_bytes(request.ledger_key).verify(request.ledger_proof, request.secret)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _refuse(context: grpc.ServicerContext) -> NoReturn:
    log.warning("an enrolment was refused")
    context.abort(grpc.StatusCode.PERMISSION_DENIED, "the invitation is not valid")
    raise PermissionError  # abort has raised already; its type does not say so
