"""The Flower ClientApp of a device: the only code that a task ever runs."""

import logging

from flwr.app import Context, Error, Message
from flwr.clientapp import ClientApp

from fl_client.conditions.gate import HeldUp
from fl_client.participant import Participant
from shared_models.errors import (
    AttuneError,
    BudgetError,
    ClockError,
    ConsentError,
    LedgerError,
    StorageError,
    WireError,
)

REFUSED = 2
"""Flower's code for an error that a ClientApp raised."""
_REASONS: dict[type[AttuneError], str] = {
    BudgetError: "budget",
    ClockError: "clock",
    ConsentError: "consent",
    LedgerError: "ledger",
    StorageError: "storage",
    WireError: "task",
}
log = logging.getLogger(__name__)


def client_app(participant: Participant) -> ClientApp:
    """A ClientApp that trains with `participant`. A refusal leaves the device as one word, never as an error text.

    Raises HeldUp where training has to wait: that is no answer, and nothing of the server's business.
    """
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        try:
            return Message(content=participant.answer(message.content), reply_to=message)
        except HeldUp:
            raise
        except AttuneError as error:
            log.warning("task refused: %s", error)
            return Message(Error(REFUSED, _REASONS.get(type(error), "error")), reply_to=message)
        except Exception:
            log.exception("training failed")
            return Message(Error(REFUSED, "error"), reply_to=message)

    return app
