"""The node loop on a clock that only the test moves."""

from contextlib import contextmanager

import pytest
from flwr.app import ConfigRecord, Error, Message, RecordDict

from fl_client import node as node_module
from fl_client.conditions.condition import Condition
from fl_client.conditions.consent import consented
from fl_client.conditions.gate import Gate, HeldUp
from fl_client.node import NodeLoop
from fl_client.settings import NodeSettings
from fl_client.transport import LineDownError
from shared_models.errors import (
    AddressError,
    BudgetError,
    CertificateError,
    ClockError,
    EnrolmentError,
    StorageError,
    WireError,
)

NONCE = "cd" * 16
pytestmark = pytest.mark.usefixtures("inside_a_task", "quick_disk")


class Clock:
    """Time passes only in waits; the fake of the stop event adds them up."""

    def __init__(self):
        self.now, self.waits, self.at_wait = 1000.0, [], {}
        self.stopped = False

    def __call__(self):
        return self.now

    def is_set(self):
        return self.stopped

    def set(self):
        self.stopped = True

    def wait(self, seconds):
        self.waits.append(seconds)
        self.now += seconds
        self.at_wait.get(len(self.waits), lambda: None)()
        if len(self.waits) > 50:
            pytest.fail("the loop does not end")
        return self.stopped


class Connection:
    """Hands out tasks, then ends the loop; an error in the script is raised at its turn."""

    def __init__(self, script, clock):
        self.script, self.clock, self.pushed = list(script), clock, []
        self.refuse_push, self.clock_error = [], None

    def pull(self):
        if not self.script:
            self.clock.set()
            return None
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step() if callable(step) else step

    def push(self, reply):
        if self.refuse_push:
            raise self.refuse_push.pop(0)
        self.pushed.append((self.clock.now, reply))


class FakeJournal:
    """Has budget for so many checks; remembers which intents were closed."""

    def __init__(self, budget=100):
        self.budget, self.closed, self.disk_is_full = budget, [], False

    def require_budget(self):
        if self.budget == 0:
            raise BudgetError("The lifetime privacy budget of this device is spent")
        self.budget -= 1

    def released(self, nonce):
        if self.disk_is_full:
            raise StorageError("the ledger cannot be written", why="the disk is full")
        self.closed.append(nonce)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(node_module, "steady", clock)
    return clock


def a_task():
    return Message(content=RecordDict(), message_type="train", dst_node_id=7, ttl=60)


def update(task):
    return Message(content=RecordDict({"update": ConfigRecord({"nonce": NONCE})}), reply_to=task)


class Loop:
    """A NodeLoop whose surroundings are all fakes but consent."""

    def __init__(self, laptop, clock, monkeypatch, script=(), reply_seconds=10.0):
        self.clock, self.reports, self.connections = clock, [], []
        self.training_seconds, self.reply = 0.0, update
        self.journal = FakeJournal()
        self.connection = Connection(script, clock)
        self.refusals = []
        self.in_use, self.returns = "", []
        self.user = Condition("the user", lambda: self.in_use, str)
        policy = laptop.enrolment.policy.model_copy(update={"reply_seconds": reply_seconds})
        enrolment = laptop.enrolment.model_copy(update={"policy": policy})
        monkeypatch.setattr(node_module, "connect", self.connect)
        self.loop = NodeLoop(
            enrolment,
            laptop.identity.node,
            self.journal,
            self.app,
            laptop.consent,
            Gate([consented(laptop.consent, policy.hash), self.user], clock),
            NodeSettings(poll_seconds=20, retry_seconds=10),
            self.report,
        )
        laptop.consent.inform("t" * 64, policy.hash)
        self.agree = lambda: laptop.consent.grant(["train"], "t" * 64, policy.hash)

    def report(self, state):
        if self.reports[-1:] != [state]:
            self.reports.append(state)

    @contextmanager
    def connect(self, address, ca_pem, key):
        self.connections.append((address, ca_pem, key))
        if self.refusals:
            raise self.refusals.pop(0)
        yield self.connection

    def app(self, message, context):
        self.clock.now += self.training_seconds
        if self.returns:
            self.in_use = self.returns.pop(0)
            raise HeldUp(self.in_use)
        return self.reply(message)

    def run(self):
        self.loop.run(self.clock)
        return self


@pytest.fixture
def make(laptop, clock, monkeypatch):
    def make(*script, agreed=True, **options):
        loop = Loop(laptop, clock, monkeypatch, script, **options)
        if agreed:
            loop.agree()
        return loop

    return make


def test_nothing_is_asked_for_before_there_is_consent_to_train(make, clock, laptop):
    loop = make(agreed=False)
    clock.at_wait = {3: loop.agree}
    loop.run()
    assert loop.reports == ["waits: for your consent to train", "connected"]
    assert clock.waits[:3] == [5.0] * 3
    assert loop.connections == [
        (laptop.enrolment.fleet_address, laptop.enrolment.ca_pem.encode(), laptop.identity.node)
    ]


@pytest.mark.parametrize("action", ["pause", "withdraw"])
def test_a_pause_or_withdrawal_ends_the_connection_before_the_next_task(make, clock, laptop, action):
    loop = make(lambda: getattr(laptop.consent, action)(), a_task)
    clock.at_wait = {2: clock.set}
    loop.run()
    assert loop.connection.pushed == []
    assert len(loop.connection.script) == 1
    assert loop.reports[-1].startswith("waits: ")


@pytest.mark.parametrize("training_seconds", [0.0, 0.1, 3.7, 9.9])
def test_an_answer_leaves_at_its_fixed_time_however_long_training_took(make, clock, training_seconds):
    loop = make(a_task)
    loop.training_seconds = training_seconds
    [(at, _)] = loop.run().connection.pushed
    assert at == pytest.approx(1010.0)
    assert clock.waits[0] == pytest.approx(10.0 - training_seconds)


def test_a_refusal_leaves_at_the_same_fixed_time(make):
    loop = make(a_task)
    loop.reply = lambda task: Message(Error(1, "error"), reply_to=task)
    [(at, reply)] = loop.run().connection.pushed
    assert (at, reply.error.reason) == (1010.0, "error")
    assert loop.journal.closed == []


@pytest.mark.parametrize("ends", ["stop", "pause", "withdraw"])
def test_an_answer_never_leaves_early_or_against_the_student_s_word(make, clock, laptop, ends):
    loop = make(a_task)
    clock.at_wait = {1: clock.set if ends == "stop" else getattr(laptop.consent, ends), 3: clock.set}
    loop.run()
    assert loop.connection.pushed == loop.journal.closed == []


@pytest.mark.parametrize(("training_seconds", "leaves"), [(10.1, 1020.0), (25.0, 1030.0), (30.0, 1030.0)])
def test_an_answer_that_is_late_leaves_at_the_next_whole_reply_time(make, training_seconds, leaves):
    """At once would tell how long training took, and so how much is stored."""
    loop = make(a_task)
    loop.training_seconds = training_seconds
    [(at, _)] = loop.run().connection.pushed
    assert at == pytest.approx(leaves)


def test_without_a_reply_time_an_answer_leaves_at_once(make):
    loop = make(a_task, reply_seconds=0.0)
    loop.training_seconds = 3.0
    [(at, _)] = loop.run().connection.pushed
    assert at == pytest.approx(1003.0)


def test_the_debit_is_closed_only_once_the_answer_has_arrived(make, clock):
    assert make(a_task).run().journal.closed == [NONCE]
    clock.stopped = False
    lost = make(a_task)
    lost.connection.refuse_push = [AddressError("The exchange with the server broke off")]
    clock.at_wait = {len(clock.waits) + 2: clock.set}
    assert lost.run().journal.closed == []


def test_a_full_disk_after_the_answer_does_not_end_the_loop(make, caplog):
    loop = make(a_task, a_task)
    loop.journal.disk_is_full = True
    assert len(loop.run().connection.pushed) == 2
    assert "the ledger could not say so" in caplog.text


def test_without_a_task_it_asks_again_after_about_the_set_time(make, clock):
    make(None, None, None, None, None).run()
    assert len(clock.waits) == 6
    assert all(14 <= wait <= 26 for wait in clock.waits)
    assert len(set(clock.waits)) > 1


@pytest.mark.parametrize(
    "error",
    [
        AddressError("The study's server does not answer"),
        CertificateError("The server's certificate is not valid"),
        ClockError("This computer's clock is 90 seconds ahead"),
    ],
)
def test_what_may_pass_by_itself_is_reported_and_tried_again(make, clock, error):
    loop = make()
    loop.refusals = [error, error]
    loop.run()
    assert loop.reports == [str(error), "connected"]
    assert len(loop.connections) == 3
    assert all(5 <= wait <= 15 for wait in clock.waits[:2])


def test_a_line_that_was_down_is_no_reason_to_connect_anew(make, clock):
    loop = make(LineDownError("nobody answers"), LineDownError("nobody answers"), a_task).run()
    assert (len(loop.connection.pushed), len(loop.connections)) == (1, 1)
    assert all(5 <= wait <= 15 for wait in clock.waits[:2])
    assert loop.reports == ["connected", "nobody answers.", "connected", "training", "connected"]


def test_a_server_that_asks_to_be_left_alone_is_left_alone(make, clock):
    make(LineDownError("busy", retry_after=900.0), a_task).run()
    assert clock.waits[0] == 900.0


def test_while_the_line_is_down_the_same_answer_is_sent_again(make):
    loop, answers = make(a_task), []
    loop.reply = lambda task: answers.append(update(task)) or answers[-1]
    loop.connection.refuse_push = [LineDownError("nobody answers")] * 2
    loop.run()
    [(_, sent)] = loop.connection.pushed
    assert [answer is sent for answer in answers] == [True]
    assert loop.journal.closed == [NONCE]


def test_an_answer_that_nobody_takes_in_time_is_given_up(make, clock):
    loop = make(a_task)
    loop.connection.refuse_push = [LineDownError("nobody answers")] * 50
    loop.run()
    assert loop.connection.pushed == loop.journal.closed == []
    assert 60 <= clock.now - 1010 <= 60 + 4 * 15


def test_told_to_stop_it_does_not_wait_for_the_line(make, clock):
    loop = make(a_task)
    loop.connection.refuse_push = [LineDownError("nobody answers")] * 50
    clock.at_wait = {2: clock.set}
    loop.run()
    assert loop.connection.pushed == []
    assert len(clock.waits) <= 4


def test_a_task_that_cannot_be_read_is_reported_and_the_next_one_taken(make):
    loop = make(WireError("schema", "The task cannot be read"), a_task).run()
    assert len(loop.connection.pushed) == 1
    assert len(loop.connections) == 2


def test_a_connection_that_a_restored_server_does_not_know_is_made_anew(make):
    loop = make(EnrolmentError("The server does not know this device"), a_task).run()
    assert len(loop.connection.pushed) == 1
    assert len(loop.connections) == 2


def test_a_server_that_does_not_know_the_device_ends_the_loop(make, clock):
    loop = make()
    loop.refusals = [EnrolmentError("The server does not know this device")]
    with pytest.raises(EnrolmentError):
        loop.run()
    assert clock.waits == []


@pytest.mark.parametrize("budget", [0, 2])
def test_when_the_budget_is_spent_it_says_so_and_takes_no_more_tasks(make, clock, budget):
    loop = make(a_task, a_task, a_task)
    loop.journal.budget = budget
    loop.run()
    assert not clock.is_set()
    assert "budget of this device is spent" in loop.reports[-1]
    assert len(loop.connection.pushed) == max(0, budget - 1)
    assert len(loop.connections) == (1 if budget else 0)


def test_it_stops_when_told_to(make, clock):
    loop = make(None, None, None)
    clock.at_wait = {1: clock.set}
    loop.run()
    assert len(loop.connection.script) == 2
    clock.stopped = True
    assert make(a_task).run().connections == []


def test_an_app_sees_nothing_of_the_device_but_its_task(make):
    seen = []
    loop = make(a_task)
    loop.app = loop.loop._app = lambda message, context: seen.append(context) or update(message)
    loop.run()
    [context] = seen
    assert (dict(context.node_config), dict(context.run_config), dict(context.state)) == ({}, {}, {})


def use_until(loop, wait):
    """The student uses the computer until so many waits have passed."""
    loop.in_use = "you are using this computer"

    def leave():
        loop.in_use = ""

    loop.clock.at_wait[wait] = leave


def test_while_a_condition_says_no_the_device_is_offline_and_says_why(make):
    loop = make(a_task)
    use_until(loop, 4)
    loop.run()
    assert loop.reports[:2] == ["waits: you are using this computer", "connected"]
    assert (len(loop.connections), len(loop.connection.pushed)) == (1, 1)
    assert loop.clock.waits[:4] == [5.0] * 4


def test_when_the_student_returns_no_task_is_asked_for_and_the_line_is_closed(make, clock):
    loop = make(None, a_task)
    clock.at_wait[1] = lambda: use_until(loop, 3)
    loop.run()
    assert len(loop.connections) == 2
    assert len(loop.connection.pushed) == 1


def test_a_task_that_was_held_up_is_taken_up_again_and_answered_at_a_whole_reply_time(make, clock):
    loop = make(a_task, reply_seconds=10.0)
    loop.returns = ["you are using this computer"]
    loop.training_seconds = 2.0
    clock.at_wait[3] = lambda: setattr(loop, "in_use", "")
    loop.run()
    [(at, _)] = loop.connection.pushed
    assert at == pytest.approx(1020.0)  # two and two seconds of training, fifteen of waiting
    assert len(loop.connections) == 1
    assert loop.reports[1:4] == ["training", "waits: you are using this computer", "training"]


def test_a_task_that_is_held_up_for_too_long_is_given_up_and_costs_nothing(make, clock):
    loop = make(a_task)
    loop.returns = ["you are using this computer"]
    clock.at_wait[14] = lambda: setattr(loop, "in_use", "")
    loop.run()
    assert loop.connection.pushed == loop.journal.closed == []
    assert clock.now >= 1060


def test_told_to_stop_while_a_task_is_held_up_it_stops(make, clock):
    loop = make(a_task)
    loop.returns = ["on battery"]
    clock.at_wait[1] = clock.set
    loop.run()
    assert loop.connection.pushed == []
    assert len(clock.waits) == 1


def test_an_answer_that_is_ready_leaves_also_when_the_student_is_back(make, clock):
    """What it costs is written down already, and to send it needs no processor to speak of."""
    loop = make(a_task)
    clock.at_wait[1] = lambda: use_until(loop, 2)
    loop.run()
    assert len(loop.connection.pushed) == 1


def test_a_wrong_clock_is_said_until_it_is_right_again_and_stops_nothing(make, clock, caplog):
    behind = ClockError("This computer's clock is 90 seconds behind the server's")
    loop = make(None, None, a_task)
    loop.connection.clock_error = behind
    said = []
    clock.at_wait = {
        1: lambda: said.append(loop.loop.clock),
        2: lambda: (said.append(loop.loop.clock), setattr(loop.connection, "clock_error", None)),
    }
    loop.run()
    assert said == [behind.what] * 2
    assert loop.loop.clock == ""
    assert len(loop.connection.pushed) == 1
    assert caplog.text.count("90 seconds behind") == 1
