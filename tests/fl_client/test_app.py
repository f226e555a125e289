"""Whatever goes wrong on a device, one fixed word leaves it."""

import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict

from fl_client.app import REFUSED, client_app
from fl_client.conditions.gate import HeldUp
from shared_models.errors import (
    BudgetError,
    CameraError,
    ClockError,
    ConsentError,
    KeyStoreError,
    LedgerError,
    ModelError,
    StorageError,
    WireError,
)

pytestmark = pytest.mark.usefixtures("inside_a_task")
CANARY = "canary-/home/anna/lecture-7-sadness"


class Scripted:
    """A participant whose answer is given."""

    def __init__(self, answer):
        self.given = answer

    def answer(self, record):
        if isinstance(self.given, BaseException):
            raise self.given
        return self.given


@pytest.fixture
def ask():
    def ask(answer):
        task = Message(content=RecordDict(), message_type="train", dst_node_id=7, ttl=60)
        context = Context(run_id=1, node_id=7, node_config={}, state=RecordDict(), run_config={})
        return task, client_app(Scripted(answer))(message=task, context=context)

    return ask


def test_an_answer_is_the_reply_to_its_task(ask):
    task, reply = ask(RecordDict({"update": ConfigRecord({"nonce": "n"})}))
    assert reply.metadata.reply_to_message_id == task.metadata.message_id
    assert dict(reply.content["update"]) == {"nonce": "n"}
    assert not reply.has_error()


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (BudgetError(CANARY, why=CANARY, fix=CANARY), "budget"),
        (ConsentError(CANARY), "consent"),
        (StorageError(CANARY), "storage"),
        (WireError("stale", CANARY), "task"),
        (ModelError(CANARY), "error"),
        (ClockError(CANARY), "clock"),
        (LedgerError(CANARY), "ledger"),
        (KeyStoreError(CANARY), "error"),
        (CameraError(CANARY), "error"),
        (RuntimeError(CANARY), "error"),
        (OSError(5, CANARY, CANARY), "error"),
        (MemoryError(CANARY), "error"),
        (KeyError(CANARY), "error"),
        (RecursionError(CANARY), "error"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_every_refusal_leaves_as_one_word_and_nothing_else(ask, error, word):
    error.__cause__, error.__notes__ = ValueError(CANARY), [CANARY]
    _, reply = ask(error)
    assert (reply.error.code, reply.error.reason) == (REFUSED, word)
    assert not reply.has_content()
    assert CANARY not in repr(reply)


def test_a_subclass_of_a_known_error_tells_no_more_than_its_parent(ask):
    class DetailError(StorageError):
        pass

    assert ask(DetailError(CANARY))[1].error.reason in ("storage", "error")


def test_the_participant_s_own_refusal_reaches_the_reply(laptop, task_record):
    laptop.consent.withdraw()
    task = Message(content=task_record(), message_type="train", dst_node_id=7, ttl=60)
    context = Context(run_id=1, node_id=7, node_config={}, state=RecordDict(), run_config={})
    reply = client_app(laptop.participant())(message=task, context=context)
    assert reply.error.reason == "consent"


def test_training_that_has_to_wait_is_no_answer_at_all(ask):
    with pytest.raises(HeldUp):
        ask(HeldUp("you are using this computer"))
