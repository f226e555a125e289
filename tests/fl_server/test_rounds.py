"""One round: whatever a device sends or does not send, the others' updates count and the round ends in time."""

import copy
import random

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, RecordDict

from fl_server.open_round import OpenRound
from fl_server.rounds import RoundProtocol, Stopped
from fl_server.settings import RoundSettings
from fl_server.state_machine import StateMachine
from shared_models.errors import RoundError, StorageError
from shared_models.networks.weights import weights_hash
from shared_models.wire import decode_task, decode_update, shapes_of

pytestmark = pytest.mark.usefixtures("quick_disk")
SETTINGS = RoundSettings(min_devices=2, cohort=10, deadline_seconds=60, close_at=1.0)


@pytest.fixture
def make_protocol(policy, make_receipt, clock):
    def make(settings=SETTINGS):
        machine = StateMachine(lambda phase: None)
        machine.enter("waiting")
        machine.enter("sampling")
        return RoundProtocol("seminar", policy, settings, lambda d: make_receipt(device=d), machine, clock)

    return make


@pytest.fixture
def protocol(make_protocol):
    return make_protocol()


@pytest.fixture
def cohort(make_laptop, connect):
    """Four honest devices, by node id."""
    laptops = {node: make_laptop(node, sequences=1) for node in (1, 2, 3, 4)}
    for node, laptop in laptops.items():
        connect(node, laptop)
    return laptops


@pytest.fixture
def registered(cohort):
    return {node: laptop.registered for node, laptop in cohort.items()}


@pytest.fixture
def open_round(protocol, model, policy, registered, tmp_path):
    """`open_round(3)`: round 3 with every device in it."""

    def begin(round_=1, devices=registered):
        nonces, model_hash = protocol.sample(devices), weights_hash(model.state_dict())
        return OpenRound.begin(tmp_path / "open-round", round_, model_hash, policy.hash, nonces, len(devices))

    return begin


@pytest.fixture
def collect(make_protocol, grid, model, registered, open_round):
    def collect(round_=1, protocol=None, opened=None):
        protocol = protocol or make_protocol()
        return protocol.collect(grid, model, opened or open_round(round_), lambda: registered)

    return collect


def poisoned(handler, change):
    """A device that trains honestly and then alters what it sends."""

    def answer(message):
        reply = handler(message)
        content = change(RecordDict(dict(reply.content)))
        return Message(content=content, reply_to=message)

    return answer


def altered(content, change):
    content["delta"] = ArrayRecord({name: Array(change(array.numpy())) for name, array in content["delta"].items()})
    return content


def with_nan(content):
    return altered(content, lambda values: values * np.float32("nan"))


def with_large_values(content):
    return altered(content, lambda values: values * 1000)


def with_other_shapes(content):
    return altered(content, lambda values: values.reshape(1, -1))


def without_intent(content):
    content["update"] = ConfigRecord({"version": 2, "nonce": content["update"]["nonce"]})
    return content


def of_another_version(content):
    content["update"]["version"] = 99
    return content


def with_more(content):
    content["frames"] = ArrayRecord([np.zeros(3)])
    return content


def of_another_task(content):
    content["update"]["nonce"] = "0" * 32
    return content


def test_every_device_gets_its_own_task_and_every_update_counts(collect, grid, cohort, model, policy):
    before = copy.deepcopy(model.state_dict())
    outcome = collect(5)
    assert (outcome.asked, outcome.rejected, len(outcome.intents)) == (4, {}, 4)
    entries = {laptop.enrolment.pseudonym: laptop.ledger().entries[0].hash for laptop in cohort.values()}
    assert outcome.debits == entries
    tasks = [decode_task(message.content, shapes_of(before)) for message in grid.sent]
    assert len({task.nonce for task in tasks}) == 4
    assert {(task.study, task.round, task.policy_hash) for task in tasks} == {("seminar", 5, policy.hash)}
    assert sorted(message.metadata.dst_node_id for message in grid.sent) == [1, 2, 3, 4]
    assert {message.metadata.ttl for message in grid.sent} == {60.0}
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_what_is_kept_on_the_disk_is_what_the_devices_sent(collect, open_round, grid, model, policy):
    shapes, sent = shapes_of(model.trainable(policy.trainable)), {}
    for node, handler in list(grid.handlers.items()):
        grid.handlers[node] = lambda message, n=node, h=handler: sent.setdefault(n, h(message))
    opened = open_round()
    collect(opened=opened)
    for _ in range(2):  # whoever combines them may go through them as often as needed
        for update, node in zip(opened.updates, sorted(sent), strict=True):
            expected = decode_update(sent[node].content, shapes).delta
            assert all(torch.equal(update[name], expected[name]) for name in shapes)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (with_nan, "not_finite"),
        (with_large_values, "intent"),
        (with_other_shapes, "shape"),
        (without_intent, "schema"),
        (of_another_version, "version"),
        (with_more, "schema"),
        (of_another_task, "nonce"),
        (lambda content: RecordDict(), "schema"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_update_is_counted_by_its_reason_and_the_others_count(collect, grid, change, reason, caplog):
    grid.handlers[2] = poisoned(grid.handlers[2], change)
    outcome = collect()
    assert (outcome.asked, outcome.rejected, len(outcome.intents)) == (4, {reason: 1}, 3)
    assert "00000002" not in outcome.debits
    assert f"round 1: device 00000002 rejected: {reason}" in caplog.text


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("budget", "device_budget"),
        ("consent", "device_consent"),
        (None, "device_error"),
        ("", "device_error"),
        ("Traceback: /home/anna/x.png", "device_error"),
        ("x" * 33, "device_error"),
        ("ärger", "device_error"),
    ],
)
def test_a_device_that_cannot_train_says_one_word(collect, grid, word, reason, caplog):
    grid.handlers[3] = lambda message: Message(Error(2, word), reply_to=message)
    outcome = collect()
    assert (outcome.rejected, len(outcome.intents)) == ({reason: 1}, 3)
    assert "anna" not in caplog.text


@pytest.mark.parametrize(
    ("code", "reason"), [(5, "went_offline"), (3, "too_late"), (4, "too_late"), (1, "device_error")]
)
def test_what_flower_reports_itself_has_its_own_word(collect, grid, code, reason):
    grid.handlers[3] = lambda message: Message(Error(code, "Error: Node 12 has been gone since noon"), reply_to=message)
    outcome = collect()
    assert (outcome.rejected, len(outcome.intents)) == ({reason: 1}, 3)


def test_a_device_that_does_not_answer_holds_the_round_up_only_to_its_deadline(collect, grid, clock):
    grid.handlers[1] = lambda message: None
    outcome = collect()
    assert (outcome.rejected, len(outcome.intents)) == ({"no_answer": 1}, 3)
    assert 60 <= clock.now - 1000 <= 60.5


def test_an_answer_after_the_deadline_does_not_count(collect, grid):
    grid.delays[4] = 61.0
    outcome = collect()
    assert (outcome.rejected, len(outcome.intents)) == ({"no_answer": 1}, 3)
    grid.delays[4] = 59.0


def test_a_late_answer_of_an_earlier_round_does_not_disturb_the_next(collect, grid):
    grid.delays[4] = 61.0
    collect(1)
    grid.delays[4] = 0.0
    outcome = collect(2)
    assert (outcome.rejected, len(outcome.intents)) == ({}, 4)


def test_a_slow_device_counts_and_the_round_ends_when_all_have_answered(collect, grid, clock):
    grid.delays = {1: 5.0, 2: 12.0}
    assert len(collect().intents) == 4
    assert 12 <= clock.now - 1000 <= 12.5


def test_a_second_answer_to_one_task_is_ignored(collect, grid):
    honest = grid.handlers[2]
    grid.handlers[2] = lambda message: [honest(message), honest(message)]
    outcome = collect()
    assert (outcome.asked, outcome.rejected, len(outcome.intents), len(outcome.debits)) == (4, {}, 4, 4)


def test_an_answer_to_no_task_of_ours_is_ignored(collect, grid):
    honest = grid.handlers[2]

    def astray(message):
        reply = honest(message)
        reply.metadata.__dict__["_reply_to_message_id"] = "f" * 64
        return reply

    grid.handlers[2] = astray
    outcome = collect()
    assert (outcome.rejected, len(outcome.intents)) == ({"no_answer": 1}, 3)


def test_an_update_sent_in_another_device_s_name_does_not_hold(collect, grid):
    """Device 1 sends what it was asked for in answer to the task of device 2: the intent is not signed by device 2."""
    thief, tasks = grid.handlers[1], []
    grid.handlers[1] = lambda message: tasks.append(message) or None
    grid.handlers[2] = lambda message: [Message(content=thief(tasks[0]).content, reply_to=message), thief(tasks[0])]
    outcome = collect()
    assert (outcome.rejected, len(outcome.intents)) == ({"nonce": 1}, 3)
    assert "00000002" not in outcome.debits


def test_when_nobody_s_update_holds_there_is_an_empty_outcome(collect, grid):
    for node in list(grid.handlers):
        grid.handlers[node] = lambda message: Message(Error(2, "storage"), reply_to=message)
    outcome = collect()
    assert (outcome.asked, outcome.rejected, len(outcome.intents), outcome.debits) == (4, {"device_storage": 4}, 0, {})


def test_a_round_waits_for_as_many_devices_as_it_needs(protocol, grid, registered, clock):
    grid.offline = {2, 3, 4}
    clock.at_wait = lambda: grid.offline.discard(len(clock.waits))
    assert set(protocol.wait_for_devices(grid, lambda: registered, print)) == {1, 2}
    assert len(clock.waits) == 2


def test_a_node_that_is_online_and_not_eligible_is_not_there(protocol, grid, registered, clock):
    eligible = {node: device for node, device in registered.items() if node in (3, 4)}
    assert protocol.wait_for_devices(grid, lambda: eligible, print) == eligible


def test_a_device_that_enrols_while_the_server_waits_is_seen(protocol, grid, registered, clock):
    eligible = {1: registered[1]}
    clock.at_wait = lambda: eligible.update({2: registered[2]})
    assert set(protocol.wait_for_devices(grid, lambda: dict(eligible), print)) == {1, 2}


def test_while_it_waits_the_operator_hears_each_change_once(protocol, grid, registered, clock):
    heard, grid.offline = [], {1, 2, 3, 4}
    clock.at_wait = lambda: grid.offline.discard(len(clock.waits) - 3)
    protocol.wait_for_devices(grid, lambda: registered, heard.append)
    assert heard == [
        f"Waiting for devices: a round needs 2, {online} are online, 4 are enrolled and have budget left"
        for online in (0, 1)
    ]
    assert len(clock.waits) == 5


@pytest.mark.parametrize("moment", ["waiting", "collecting"])
def test_it_stops_at_once_when_told_to(protocol, grid, registered, collect, clock, moment):
    clock.at_wait = clock.set
    grid.handlers[1] = lambda message: None
    if moment == "waiting":
        grid.offline = {1, 2, 3, 4}
    work = {"waiting": lambda: protocol.wait_for_devices(grid, lambda: registered, print), "collecting": collect}
    with pytest.raises(Stopped):
        work[moment]()
    assert len(clock.waits) == 1
    assert clock.waits[0] <= 0.5


def test_a_cohort_is_drawn_from_all_that_are_online(make_protocol, registered):
    protocol = make_protocol(RoundSettings(min_devices=1, cohort=2))
    drawn = [protocol.sample(registered) for _ in range(200)]
    assert {frozenset(int(device) for device in chosen) for chosen in drawn} == {
        frozenset(pair) for pair in ((1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4))
    }
    assert list(protocol.sample({1: registered[1]})) == ["00000001"]


def test_no_choice_of_the_server_comes_from_a_seeded_generator(protocol, registered):
    """Nonces and cohorts must not be guessable."""
    nonces = []
    for _ in range(2):
        random.seed(1)
        torch.manual_seed(1)
        nonces += protocol.sample(registered).values()
    assert len(set(nonces)) == len(nonces) == 8
    assert all(len(bytes.fromhex(nonce)) == 16 for nonce in nonces)


def test_a_task_that_flower_does_not_take_ends_the_round_for_now(collect, grid):
    grid.push_messages = lambda messages: [None for _ in messages]
    with pytest.raises(RoundError, match="did not take a task"):
        collect()


def test_a_round_that_goes_on_asks_whom_it_has_no_answer_of_with_the_same_nonce(
    collect, open_round, grid, cohort, tmp_path
):
    opened = open_round()
    answering = dict(grid.handlers)
    grid.handlers |= dict.fromkeys((3, 4), lambda message: None)
    collect(opened=opened)
    asked = {message.metadata.dst_node_id: message.content["task"]["nonce"] for message in grid.sent}
    grid.sent.clear()
    grid.handlers |= answering
    outcome = collect(opened=OpenRound.resume(tmp_path / "open-round"))
    assert {m.metadata.dst_node_id: m.content["task"]["nonce"] for m in grid.sent} == {n: asked[n] for n in (3, 4)}
    assert (outcome.asked, outcome.rejected, len(outcome.intents)) == (4, {}, 4)
    assert [laptop.journal().participations for laptop in cohort.values()] == [1] * 4


def test_an_update_counts_only_once_it_is_on_the_disk(collect, open_round, tmp_path, monkeypatch):
    opened = open_round()
    with monkeypatch.context() as disk:
        disk.setattr("fl_server.open_round.atomic_write", _full_disk)
        with pytest.raises(StorageError):
            collect(opened=opened)
    assert not opened.intents
    assert len(collect(opened=OpenRound.resume(tmp_path / "open-round")).intents) == 4


def _full_disk(*_):
    raise StorageError("the disk is full")


def test_a_damaged_file_of_an_update_is_asked_for_again(collect, open_round, grid, tmp_path):
    collect(opened=open_round())
    [damaged, *_] = sorted((tmp_path / "open-round").glob("*.safetensors"))
    damaged.write_bytes(damaged.read_bytes()[:-8])
    opened = OpenRound.resume(tmp_path / "open-round")
    assert len(opened.intents) == 3
    assert len(collect(opened=opened).intents) == 4


def test_a_device_that_went_offline_is_asked_again_when_it_is_back(collect, grid, cohort, clock):
    honest, tries = grid.handlers[2], []

    def answer_the_second_time(message):
        tries.append(message.content["task"]["nonce"])
        if len(tries) > 1:
            return honest(message)
        grid.offline.add(2)
        return Message(Error(5, "Node 2 is gone"), reply_to=message)

    grid.handlers[2] = answer_the_second_time
    clock.at_wait = lambda: grid.offline.discard(2) if clock.now > 1020 else None
    outcome = collect()
    assert (outcome.rejected, len(outcome.intents)) == ({}, 4)
    assert len(tries) == 2
    assert len(set(tries)) == 1


def test_with_enough_updates_a_slow_device_holds_the_round_up_for_its_time_only(make_protocol, collect, grid, clock):
    grid.delays = {1: 5.0, 2: 5.0, 3: 5.0, 4: 40.0}
    protocol = make_protocol(SETTINGS.model_copy(update={"close_at": 0.8, "straggler_seconds": 20.0}))
    outcome = collect(protocol=protocol)
    assert (outcome.rejected, len(outcome.intents)) == ({"no_answer": 1}, 3)
    assert 25 <= clock.now - 1000 <= 26


def test_an_answer_to_a_closed_round_is_refused_and_logged(make_protocol, collect, grid, clock, caplog):
    grid.delays = {4: 40.0}
    protocol = make_protocol(SETTINGS.model_copy(update={"close_at": 0.8, "straggler_seconds": 20.0}))
    collect(1, protocol)
    grid.delays, clock.now = {}, clock.now + 30
    protocol._machine.enter("failed")
    protocol._machine.enter("waiting")
    protocol._machine.enter("sampling")
    outcome = collect(2, protocol)
    assert len(outcome.intents) == 4
    assert "round 1: device 00000004 rejected: late" in caplog.text


def test_a_device_that_leaves_is_not_waited_for(collect, grid, registered, clock):
    grid.handlers[3] = lambda message: None
    clock.at_wait = lambda: registered.pop(3, None) if clock.now > 1010 else None
    outcome = collect()
    assert (outcome.rejected, len(outcome.intents)) == ({"left": 1}, 3)
    assert clock.now < 1012
