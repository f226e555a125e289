"""A federation's life with its real ledger, checkpoints and devices, over a Grid in memory; and its deaths."""

import dataclasses
import json
import time
from types import SimpleNamespace

import pytest
import torch
from flwr.app import Context, Error, Message, RecordDict

from fl_client.app import client_app
from fl_server.certificates import load_signing_key
from fl_server.checkpoint import Checkpoints
from fl_server.federation import Federation
from fl_server.open_round import OpenRound
from fl_server.round_summary import read_rounds
from fl_server.settings import Settings
from shared_models.errors import CheckpointError, LedgerError, StorageError
from shared_models.evaluation.benchmark import Benchmark
from shared_models.networks.weights import WeightsHeader, weights_hash
from shared_models.privacy.ledger import Ledger, read_ledger
from shared_models.wire import decode_update, shapes_of

pytestmark = pytest.mark.usefixtures("quick_disk")
HEADER = WeightsHeader(model="cnn-lstm", scheme="basic-7", input_shape=(16, 1, 48, 48), training_data="none")


class Killed(BaseException):
    """The process dies here."""


class Study:
    """A federation's folder and what a start of the server makes of it."""

    def __init__(self, folder, policy, key, model, benchmark, grid, clock):
        self.key = key
        self.folder, self.policy, self.model, self.benchmark = folder, policy, model, benchmark
        self.grid, self.clock = grid, clock
        self.announced, self.noticed, self.devices, self.sent, self.phases = [], [], {}, [], []
        self.rounds = {"min_devices": 2, "deadline_seconds": 30, "pause_seconds": 7, "close_at": 1.0}
        self.aggregation = {}
        self.after_summary = lambda summary: None
        self.checkpoints = Checkpoints(folder.checkpoints)

    def start(self):
        """A new Federation, as a fresh process makes it."""
        settings = Settings.model_validate(
            {
                "study": dict.fromkeys(("title", "controller", "contact", "consent_text"), "-") | {"id": "seminar"},
                "server": {"fleet_port": 1, "enrolment_port": 2},
                "rounds": self.rounds,
                "aggregation": self.aggregation,
            }
        )
        key = load_signing_key(self.folder)
        ledger = Ledger(self.folder.ledger, key)
        federation = Federation(
            self.folder,
            settings,
            self.policy,
            ledger,
            self.key,
            self.benchmark,
            self.clock,
            self._announce,
            self.noticed.append,
            self.phases.append,
        )
        self.public_key = key.public_key()
        self.begun = federation.begin(lambda: (self.model, HEADER))
        return federation

    def run(self, last_round):
        federation = self.start()
        federation.run(self.grid, lambda: dict(self.devices), last_round)
        return federation

    def ledger(self):
        return [entry.body for entry in read_ledger(self.folder.ledger, self.public_key)]

    def weights(self, round_):
        return self.checkpoints.load(round_)[0].state_dict()

    def states(self):
        return [(summary.round, summary.state) for summary in self.announced]

    def _announce(self, summary):
        self.announced.append(summary)
        self.after_summary(summary)


def _intents(laptop):
    return [entry for entry in laptop.ledger().entries if entry.body.kind == "intent"]


@pytest.fixture
def study(folder, policy, server_key, model, benchmark, grid, clock):
    return Study(folder, policy, server_key, model, benchmark, grid, clock)


@pytest.fixture
def join(study, make_laptop, connect, policy, model):
    """`join(node)`: an enrolled device; what it sends is kept in `study.sent`."""
    shapes = shapes_of(model.trainable(policy.trainable))

    def join(node):
        laptop = make_laptop(node, sequences=1)
        answer = connect(node, laptop)

        def watched(message):
            reply = answer(message)
            if not reply.has_error():
                study.sent.append((node, decode_update(reply.content, shapes)))
            return reply

        study.grid.handlers[node] = watched
        study.devices[node] = laptop.registered
        return laptop

    return join


def test_rounds_run_and_each_is_announced_scored_and_kept(study, join):
    for node in (1, 2, 3):
        join(node)
    study.run(2)
    assert study.states() == [(0, "start"), (1, "checkpointed"), (2, "checkpointed")]
    assert study.checkpoints.rounds() == [0, 1, 2]
    assert [(s.online, s.asked, s.accepted, s.rejected) for s in study.announced] == [
        (0, 0, 0, {}),
        (3, 3, 3, {}),
        (3, 3, 3, {}),
    ]
    for summary in study.announced:
        metrics = study.checkpoints.record(summary.round).metrics
        assert (summary.accuracy, summary.uar, summary.macro_f1) == (
            metrics["accuracy"],
            metrics["uar"],
            metrics["macro_f1"],
        )
    assert [s.epsilon for s in study.announced] == [0.0, study.policy.epsilon_after(1), study.policy.epsilon_after(2)]
    assert read_rounds(study.folder) == study.announced


def test_each_model_is_the_one_before_plus_the_mean_of_the_updates(study, join):
    for node in (1, 2, 3):
        join(node)
    study.run(2)
    for round_, updates in ((1, study.sent[:3]), (2, study.sent[3:])):
        before, after = study.weights(round_ - 1), study.weights(round_)
        deltas = [update.delta for _, update in updates]
        assert len(deltas) == 3
        for name, value in after.items():
            if name not in deltas[0]:
                assert torch.equal(value, before[name])
                continue
            mean = torch.stack([delta[name].double() for delta in deltas]).mean(dim=0)
            assert mean.abs().max() > 0
            torch.testing.assert_close(value.double() - before[name].double(), mean, rtol=0, atol=1e-6)


def test_the_ledger_says_which_model_became_which_by_whose_updates(study, join):
    laptops = {node: join(node) for node in (1, 2)}
    study.run(2)
    first, second = study.ledger()
    for round_, closed in ((1, first), (2, second)):
        assert (closed.round, closed.study, closed.policy_hash) == (round_, "seminar", study.policy.hash)
        assert closed.model_before == weights_hash(study.weights(round_ - 1))
        assert closed.model_after == weights_hash(study.weights(round_))
        entries = {laptop.enrolment.pseudonym: _intents(laptop)[round_ - 1].hash for laptop in laptops.values()}
        assert closed.debits == entries
    record = study.checkpoints.record(2)
    assert record.ledger_head == read_ledger(study.folder.ledger, study.public_key)[-1].hash


def test_between_rounds_it_pauses_and_after_the_last_it_does_not(study, join, clock):
    for node in (1, 2):
        join(node)
    study.run(3)
    assert clock.waits.count(7) == 2
    assert clock.waits[-1] != 7


def test_too_few_good_updates_leave_model_and_ledger_as_they_were(study, join, clock):
    join(1)
    join(2)
    honest = study.grid.handlers[2]
    study.grid.handlers[2] = lambda message: Message(Error(1, "storage"), reply_to=message)

    def mend(summary):
        if summary.state == "failed":
            study.at_failure = (study.ledger(), study.checkpoints.rounds())
            study.grid.handlers[2] = honest

    study.after_summary = mend
    study.run(1)
    assert study.states() == [(0, "start"), (1, "failed"), (1, "checkpointed")]
    failed = study.announced[1]
    assert (failed.asked, failed.accepted, failed.rejected) == (2, 1, {"device_storage": 1})
    assert study.at_failure == ([], [0])
    [closed] = study.ledger()
    assert (closed.round, closed.model_before) == (1, weights_hash(study.weights(0)))
    assert [(s.round, s.state) for s in read_rounds(study.folder)] == study.states()


def test_a_device_that_always_fails_never_stops_the_others(study, join):
    for node in (1, 2, 3):
        join(node)
    study.grid.handlers[3] = lambda message: None
    study.run(2)
    assert study.states()[1:] == [(1, "checkpointed"), (2, "checkpointed")]
    assert [summary.rejected for summary in study.announced[1:]] == [{"no_answer": 1}] * 2
    assert [closed.rejected for closed in study.ledger()] == [{"no_answer": 1}] * 2


def test_a_device_at_its_lifetime_cap_is_not_asked_again(study, join, clock):
    cap = study.policy.participations
    for node in (1, 2):
        join(node)
    clock.at_wait = lambda: clock.set() if len(clock.waits) > 50 else None
    federation = study.run(cap + 5)
    assert len(study.grid.sent) == 2 * cap
    assert study.checkpoints.rounds()[-1] == cap
    assert set(federation.participations().values()) == {cap}
    assert study.announced[-1].epsilon == study.policy.epsilon_after(cap) <= study.policy.epsilon


def test_what_a_replaced_device_spent_counts_for_the_one_in_its_place(study, join, clock):
    """Node 3 takes the place of node 1, which took part in all rounds but one."""
    cap = study.policy.participations
    for node in (1, 2):
        join(node)
    study.run(cap - 1)
    replaced = study.devices.pop(1)
    for node in (3, 4, 5):
        join(node)
    study.devices[3] = dataclasses.replace(study.devices[3], earlier=(replaced.pseudonym,))
    clock.at_wait = lambda: clock.set() if len(clock.waits) > 50 else None
    study.run(cap + 5)
    asked = [message.metadata.dst_node_id for message in study.grid.sent]
    assert [asked.count(node) for node in (3, 4, 5)] == [1, cap, cap]


def test_fresh_devices_go_on_where_spent_ones_must_stop(study, join):
    cap = study.policy.participations
    for node in (1, 2):
        join(node)
    study.run(cap)
    for node in (3, 4):
        join(node)
    study.run(cap + 1)
    assert {message.metadata.dst_node_id for message in study.grid.sent[2 * cap :]} == {3, 4}
    assert study.announced[-1].online == 2


def test_a_start_after_the_last_round_does_nothing_more(study, join):
    for node in (1, 2):
        join(node)
    study.run(1)
    files = {path: path.read_bytes() for path in study.folder.root.rglob("*") if path.is_file()}
    study.run(1)
    assert {path: path.read_bytes() for path in study.folder.root.rglob("*") if path.is_file()} == files
    assert len(study.grid.sent) == 2


def test_a_restart_goes_on_with_the_round_after_the_last_checkpoint(study, join):
    for node in (1, 2):
        join(node)
    study.run(1)
    study.run(2)
    assert study.states() == [(0, "start"), (1, "checkpointed"), (2, "checkpointed")]
    assert study.begun.round == 1
    assert [body.kind for body in study.ledger()] == ["round", "round"]


@pytest.fixture
def die_at(monkeypatch, study):
    """`die_at("Ledger.append", 2)`: runs to that round and is killed at the call that would end it."""

    def die(call, last_round):
        with monkeypatch.context() as crash:
            _replace(crash, study, call, _die)
            with pytest.raises(Killed):
                study.run(last_round)

    return die


CALLS = {
    "OpenRound.accept": OpenRound,
    "OpenRound.discard": OpenRound,
    "Checkpoints.draft": Checkpoints,
    "Checkpoints.commit": Checkpoints,
    "Ledger.append": Ledger,
    "Benchmark.score": Benchmark,
}


def _die(*_):
    raise Killed


def _replace(patch, study, call, instead):
    """Calls `instead(honest)` for the server's own calls; devices have ledgers too."""
    owner, name = CALLS[call], call.partition(".")[2]
    honest = getattr(owner, name)

    def replaced(self, *given):
        if owner is Ledger and self._path != study.folder.ledger:
            return honest(self, *given)
        return instead(lambda: honest(self, *given))

    patch.setattr(owner, name, replaced)


@pytest.mark.parametrize("call", CALLS)
def test_a_server_killed_at_any_step_of_a_round_finishes_it_and_nobody_pays_twice(study, join, die_at, call):
    laptops = [join(node) for node in (1, 2)]
    study.run(1)
    die_at(call, 2)
    study.run(3)
    assert [(body.kind, body.round) for body in study.ledger()] == [("round", 1), ("round", 2), ("round", 3)]
    assert study.checkpoints.rounds() == [0, 1, 2, 3]
    assert [laptop.journal().participations for laptop in laptops] == [3, 3]
    paid = {entry.hash for laptop in laptops for entry in _intents(laptop)}
    assert sorted(debit for body in study.ledger() for debit in body.debits.values()) == sorted(paid)
    assert [line.round for line in read_rounds(study.folder)] == [0, 1, 2, 3]


def test_a_round_that_failed_is_open_until_its_line_says_so(study, join, die_at):
    """Else a device pays for the same round again, and nothing on the server tells why."""
    laptops = [join(node) for node in (1, 2)]
    study.start()
    honest = study.grid.handlers[2]
    study.grid.handlers[2] = lambda message: Message(Error(1, "storage"), reply_to=message)
    die_at("OpenRound.discard", 1)
    assert [(line.round, line.state) for line in read_rounds(study.folder)] == [(0, "start"), (1, "failed")]
    study.grid.handlers[2] = honest
    study.run(1)
    assert [laptop.journal().participations for laptop in laptops] == [1, 1]


def test_a_round_that_is_finished_after_a_crash_has_the_very_updates_that_were_accepted(study, join, die_at):
    for node in (1, 2):
        join(node)
    study.start()
    die_at("Checkpoints.commit", 1)
    accepted = {update.nonce: update.delta for _, update in study.sent}
    study.run(1)
    before, after = study.weights(0), study.weights(1)
    for name in next(iter(accepted.values())):
        mean = torch.stack([delta[name].double() for delta in accepted.values()]).mean(dim=0)
        torch.testing.assert_close(after[name].double() - before[name].double(), mean, rtol=0, atol=1e-6)


def test_a_round_whose_draft_is_lost_is_void_and_repeated(study, join, die_at):
    """No crash leaves this behind: somebody took the file away."""
    for node in (1, 2):
        join(node)
    study.start()
    die_at("Checkpoints.commit", 1)
    next(study.folder.checkpoints.glob(".round-*/model.safetensors")).unlink()
    study.run(1)
    assert [body.kind for body in study.ledger()] == ["round", "round_void", "round"]


def test_an_open_round_from_another_model_is_put_away(study, join, die_at):
    for node in (1, 2):
        join(node)
    study.start()
    die_at("Checkpoints.draft", 1)
    record = study.folder.open_round / "round.json"
    record.write_text(record.read_text().replace(weights_hash(study.weights(0)), "0" * 64))
    study.run(1)
    assert len(study.grid.sent) == 4


def test_the_optimiser_s_memory_survives_a_restart(study, join):
    study.aggregation = {"optimiser": "fedavgm", "server_momentum": 0.5}
    for node in (1, 2):
        join(node)
    study.run(1)
    study.run(2)
    first, second = ([update.delta for _, update in study.sent[at : at + 2]] for at in (0, 2))
    for name in first[0]:
        means = [torch.stack([delta[name].double() for delta in deltas]).mean(dim=0) for deltas in (first, second)]
        change = study.weights(2)[name].double() - study.weights(1)[name].double()
        torch.testing.assert_close(change, 0.5 * means[0] + means[1], rtol=0, atol=1e-6)


def test_a_crash_after_the_checkpoint_loses_only_a_line_of_the_log(study, join, monkeypatch):
    for node in (1, 2):
        join(node)
    study.after_summary = lambda summary: (_ for _ in ()).throw(Killed) if summary.round == 1 else None
    with pytest.raises(Killed):
        study.run(2)
    study.after_summary = lambda summary: None
    study.run(2)
    assert study.checkpoints.rounds() == [0, 1, 2]
    assert [body.kind for body in study.ledger()] == ["round", "round"]


@pytest.mark.parametrize("call", CALLS)
def test_a_full_disk_pauses_rounds_and_they_go_on_when_there_is_room(study, join, clock, monkeypatch, call):
    laptops = [join(node) for node in (1, 2)]
    study.start()
    left = [3]

    def full(honest):
        if left[0]:
            left[0] -= 1
            raise StorageError("a file cannot be written", why="the disk is full")
        return honest()

    _replace(monkeypatch, study, call, full)
    study.run(2)
    assert study.noticed.count("Paused: a file cannot be written: the disk is full.") == 3
    assert [phase.state for phase in study.phases].count("paused") == 3
    assert clock.waits.count(10.0) == 3
    assert [(body.kind, body.round) for body in study.ledger()] == [("round", 1), ("round", 2)]
    assert [laptop.journal().participations for laptop in laptops] == [2, 2]


def test_a_clock_that_was_set_back_pauses_rounds_until_it_has_caught_up(study, join, clock, monkeypatch):
    for node in (1, 2):
        join(node)
    study.run(1)
    real = time.time
    behind = [3600.0]
    monkeypatch.setattr("shared_models.privacy.ledger.time", SimpleNamespace(time=lambda: real() - behind[0]))
    clock.at_wait = lambda: behind.__setitem__(0, 0.0) if clock.waits[-1] == 10.0 else None
    study.run(2)
    assert [phase.state for phase in study.phases].count("paused") == 1
    assert any("clock runs backwards" in text for text in study.noticed)
    assert study.checkpoints.rounds() == [0, 1, 2]


def test_the_states_are_those_that_are_drawn(study, join):
    for node in (1, 2):
        join(node)
    study.run(1)
    states = [phase.state for phase in study.phases]
    assert [state for state, before in zip(states, [None, *states], strict=False) if state != before] == [
        "waiting", "sampling", "collecting", "aggregating", "evaluating", "checkpointed", "stopped",
    ]  # fmt: skip
    assert [(p.round, p.asked, p.accepted) for p in study.phases if p.state == "checkpointed"] == [(1, 2, 2)]


@pytest.mark.parametrize("moment", ["waiting for devices", "collecting", "pausing"])
def test_it_stops_promptly_and_keeps_every_whole_round(study, join, clock, moment):
    join(1)
    if moment != "waiting for devices":
        join(2)
    if moment == "collecting":
        study.grid.handlers[2] = lambda message: None
    clock.at_wait = lambda: clock.set() if moment != "pausing" or clock.waits[-1] == 7 else None
    study.run(3)
    assert study.checkpoints.rounds() == ([0, 1] if moment == "pausing" else [0])
    assert len(clock.waits) <= 3


def test_a_damaged_ledger_or_checkpoint_stops_the_start(study, join):
    for node in (1, 2):
        join(node)
    study.run(1)
    line = study.folder.ledger.read_bytes()
    study.folder.ledger.write_bytes(line.replace(b'"round":1', b'"round":2'))
    with pytest.raises(LedgerError):
        study.start()
    study.folder.ledger.write_bytes(line)
    record = study.folder.checkpoints / "round-00001" / "checkpoint.json"
    record.write_bytes(record.read_bytes()[:-1])
    with pytest.raises(CheckpointError):
        study.start()


def test_the_log_of_rounds_names_no_device(study, join):
    laptops = [join(node) for node in (1, 2)]
    study.run(1)
    text = study.folder.rounds.read_text()
    assert all(json.loads(line) for line in text.splitlines())
    assert not any(laptop.enrolment.pseudonym in text for laptop in laptops)


@pytest.fixture
def join_under(study, make_laptop, connect, make_policy):
    """`join_under(node, min_survivors=3)`: a device of a study with that policy."""

    def join(node, **changes):
        study.policy = make_policy(**changes)
        laptop = make_laptop(node, sequences=1, policy=study.policy)
        connect(node, laptop)
        study.devices[node] = laptop.registered
        return laptop

    return join


def test_a_round_with_fewer_survivors_than_the_policy_s_does_not_count(study, join_under):
    """Each device adds its share of the noise for three: two updates would carry too little."""
    for node in (1, 2, 3):
        join_under(node, min_survivors=3)
    honest = study.grid.handlers[3]
    study.grid.handlers[3] = lambda message: Message(Error(2, "storage"), reply_to=message)
    study.after_summary = lambda summary: summary.state == "failed" and study.grid.handlers.update({3: honest})
    study.run(1)
    assert study.states() == [(0, "start"), (1, "failed"), (1, "checkpointed")]
    assert study.announced[1].accepted == 2
    assert [body.kind for body in study.ledger()] == ["round"]


def test_a_device_that_must_rest_is_not_asked(study, join_under):
    laptops = [join_under(node, min_rounds_between=2) for node in (1, 2, 3, 4)]
    study.rounds |= {"cohort": 2}
    study.run(2)
    assert study.announced[-1].rejected == {}
    assert [laptop.journal().participations for laptop in laptops] == [1, 1, 1, 1]


def test_a_task_carries_a_receipt_for_what_was_used_and_a_restored_device_is_refused(study, join):
    laptops = [join(node) for node in (1, 2, 3)]
    study.run(1)
    backup = laptops[0].home.ledger.read_bytes()
    study.run(2)
    laptops[0].home.ledger.write_bytes(backup)
    study.grid.handlers[1] = _restarted(laptops[0])
    study.run(3)
    assert study.announced[-1].rejected == {"device_ledger": 1}


def _restarted(laptop):
    app = client_app(laptop.participant())
    context = Context(run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config={})
    return lambda message: app(message=message, context=context)
