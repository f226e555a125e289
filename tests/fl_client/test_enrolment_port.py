"""What each refusal of the enrolment port means to a student."""

import grpc
import pytest

from fl_client.enrolment_port import call
from shared_models.errors import AddressError, CertificateError, ClockError, EnrolmentError, LedgerError, WireError


class Refusal(grpc.RpcError):
    def __init__(self, code, details):
        self._code, self._details = code, details

    def code(self):
        return self._code

    def details(self):
        return self._details


@pytest.mark.parametrize(
    ("code", "details", "kind", "words"),
    [
        ("PERMISSION_DENIED", "not valid", EnrolmentError, "refuses this request"),
        ("RESOURCE_EXHAUSTED", "try again", AddressError, "Try again in ten minutes"),
        ("FAILED_PRECONDITION", "version", WireError, "speaks another version .* Bring both sides to the same version"),
        ("FAILED_PRECONDITION", "what a later version asks for", WireError, "speaks another version"),
        ("UNIMPLEMENTED", "Method not found!", WireError, "speaks another version"),
        ("FAILED_PRECONDITION", "clock", ClockError, "clock is wrong"),
        ("FAILED_PRECONDITION", "old ledger", LedgerError, "is an old copy: the study's server has seen more of it"),
        ("UNAVAILABLE", "Ssl handshake failed", CertificateError, "it has expired, is for another name"),
        ("UNAVAILABLE", "connection refused", AddressError, "example.org:1 does not answer"),
        ("DEADLINE_EXCEEDED", "", AddressError, "does not answer"),
    ],
)
def test_a_refusal_is_one_sentence_of_its_kind(ca_pem, code, details, kind, words):
    def refused(request, timeout):
        raise Refusal(getattr(grpc.StatusCode, code), details)

    with pytest.raises(kind, match=words.replace(" .* ", r".*")):
        call("example.org:1", ca_pem.encode(), lambda stub: refused, None)
