"""The invitation: a one-time token that carries the server's address, its CA fingerprint and a secret."""

import base64
import time
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from shared_models.errors import EnrolmentError

SECRET_BYTES = 32
_PREFIX = "attune1."


class Invitation(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str
    """host:port of the enrolment listener."""
    ca_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    secret: Annotated[str, Field(pattern=f"^[0-9a-f]{{{2 * SECRET_BYTES}}}$")]
    expires: int
    """Unix time in seconds."""

    def encode(self) -> str:
        """One line of text that can be sent to a student."""
        return _PREFIX + base64.urlsafe_b64encode(self.model_dump_json().encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Self:
        """Raises EnrolmentError where `text` is not an invitation or has expired."""
        body = text.strip()
        try:
            if not body.startswith(_PREFIX):
                raise ValueError(body)
            padded = body[len(_PREFIX) :] + "=" * (-(len(body) - len(_PREFIX)) % 4)
            invitation = cls.model_validate_json(base64.urlsafe_b64decode(padded))
        except ValueError as error:
            raise EnrolmentError(
                "This is not an invitation",
                why="part of it may be missing",
                fix="Copy the whole line that you were sent",
            ) from error
        if invitation.expires < time.time():
            raise EnrolmentError("The invitation has expired", fix="Ask whoever runs the study for a new one")
        return invitation
