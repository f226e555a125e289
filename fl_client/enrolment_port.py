"""One call to a study's enrolment port, and what each refusal of it means to a student."""

from collections.abc import Callable
from typing import Any

import grpc

from shared_models.enrolment import enrolment_pb2_grpc as protocol
from shared_models.enrolment.proofs import CLOCK_OFF, OLD_LEDGER
from shared_models.errors import (
    AddressError,
    AttuneError,
    CertificateError,
    ClockError,
    EnrolmentError,
    LedgerError,
    WireError,
)

TIMEOUT_SECONDS = 20.0
_CERTIFICATE_WORDS = ("certificate", "handshake", "verification")


def call(
    address: str,
    ca_pem: bytes,
    ask: Callable[[protocol.EnrolmentStub], Callable[..., Any]],
    request: Any,
    timeout: float = TIMEOUT_SECONDS,
) -> Any:
    """The server's reply; `ask` picks the call, such as `lambda stub: stub.Enrol`.

    Raises AddressError where nobody answers, CertificateError where the server's certificate does not hold,
    EnrolmentError where it refuses, WireError where it speaks another version, LedgerError where it knows more of this
    device's ledger, ClockError where this computer's clock is off.
    """
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(ca_pem)) as channel:
        try:
            return ask(protocol.EnrolmentStub(channel))(request, timeout=timeout)
        except grpc.RpcError as error:
            raise _meaning(error.code(), error.details() or "", address) from error


def unreachable(address: str) -> AddressError:
    return AddressError(
        f"The study's server at {address} does not answer", fix="Check the network connection and try again later"
    )


def _meaning(code: grpc.StatusCode, details: str, address: str) -> AttuneError:
    if code is grpc.StatusCode.PERMISSION_DENIED:
        return EnrolmentError("The server refuses this request", fix="Ask whoever runs the study")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return AddressError(
            f"The study's server at {address} does not answer this network for now",
            why="too many requests that came from it were refused",
            fix="Try again in ten minutes",
        )
    if code is grpc.StatusCode.FAILED_PRECONDITION and details == CLOCK_OFF:
        return ClockError("This computer's clock is wrong", fix="Let the system set its clock, then try again")
    if code is grpc.StatusCode.FAILED_PRECONDITION and details == OLD_LEDGER:
        return LedgerError(
            "This device's ledger is an old copy",
            why="the study's server has seen more of it, or another end",
            fix="Put the newest copy back. Spent budget is never given back by restoring a backup",
        )
    if code in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNIMPLEMENTED):
        return WireError("version", "The study's server speaks another version of the enrolment protocol")
    if any(word in details.lower() for word in _CERTIFICATE_WORDS):
        return CertificateError(
            f"The certificate of {address} is not valid",
            why="it has expired, is for another name, or this computer's clock is wrong",
            fix="Check the clock; otherwise tell whoever runs the study",
        )
    return unreachable(address)
