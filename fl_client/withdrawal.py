"""The word to the server that this device has left: signed before its keys are destroyed, kept until it was heard."""

import base64
import logging
import secrets
import threading
from typing import Self

from pydantic import Base64Bytes, BaseModel, ConfigDict

from fl_client.enrolment_port import TIMEOUT_SECONDS, call
from fl_client.home import Enrolment, Home, Identity
from shared_models.enrolment import enrolment_pb2 as messages
from shared_models.enrolment.proofs import ENROLMENT_VERSION, withdraw_form
from shared_models.errors import AttuneError, EnrolmentError
from shared_models.files import atomic_write

_LONGEST_RETRY_SECONDS = 600.0
_chance = secrets.SystemRandom()
log = logging.getLogger(__name__)


class Withdrawal(BaseModel):
    """`withdrawal.json`: where to say it, whom to trust there, and what to say. Nothing else of the device is in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str
    ca_pem: str
    request: Base64Bytes

    @classmethod
    def signed(cls, enrolment: Enrolment, identity: Identity) -> Self:
        request = messages.WithdrawRequest(
            version=ENROLMENT_VERSION,
            pseudonym=enrolment.pseudonym,
            proof=identity.ledger.sign(withdraw_form(enrolment.study, enrolment.pseudonym)),
        )
        return cls(
            address=enrolment.enrolment_address,
            ca_pem=enrolment.ca_pem,
            request=base64.b64encode(request.SerializeToString()),
        )

    def keep(self, home: Home) -> None:
        """Raises StorageError where that is not possible."""
        atomic_write(home.withdrawal, self.model_dump_json().encode())

    def say(self, timeout: float = TIMEOUT_SECONDS) -> None:
        """Returns once the server has heard, and raises what `call` raises where it has not.

        A server that refuses has no device with this key, so that it has nothing to revoke: it has heard enough.
        """
        request = messages.WithdrawRequest.FromString(self.request)
        try:
            call(self.address, self.ca_pem.encode(), lambda stub: stub.Withdraw, request, timeout)
        except EnrolmentError:
            log.warning("the study's server does not know this device")


def tell(home: Home, timeout: float = TIMEOUT_SECONDS) -> bool:
    """Says what is kept, if anything, and forgets it once it was heard; False where it still waits to be."""
    if not home.withdrawal.exists():
        return True
    try:
        Withdrawal.model_validate_json(home.withdrawal.read_bytes()).say(timeout)
    except AttuneError as error:
        log.info("the withdrawal was not heard: %s", error)
        return False
    home.withdrawal.unlink(missing_ok=True)
    return True


def tell_until_heard(home: Home, retry: float, stop: threading.Event) -> bool:
    """Tells the server again and again until it has heard or `stop` is set; whether it has heard.

    retry: seconds until the second time, give or take half; the times between grow to ten minutes
    """
    while not tell(home):
        if stop.wait(retry * _chance.uniform(0.5, 1.5)):
            return False
        retry = min(2 * retry, _LONGEST_RETRY_SECONDS)
    return True
