"""The order is the promise: checked, agreed to, trained, debited on disk, and only then answered."""

import errno
import os
from dataclasses import replace

import pytest
import torch
from flwr.app import RecordDict

from fl_client import participant as participant_module
from fl_client.conditions.gate import HeldUp
from fl_client.home import Identity
from fl_client.journal import Journal
from fl_client.participant import Participant
from fl_client.settings import Limits
from shared_models.errors import (
    BudgetError,
    ClockError,
    ConsentError,
    LedgerError,
    PolicyError,
    StorageError,
    WireError,
)
from shared_models.networks.weights import load_model, weights_hash
from shared_models.privacy import ledger as ledger_module
from shared_models.privacy.events import Aborted, Erased, Intent, Withdrawn
from shared_models.privacy.gradients import ENGINES, engine_by_name
from shared_models.privacy.ledger import read_ledger
from shared_models.privacy.receipts import Receipt
from shared_models.wire import decode_update, encode_task, shapes_of

NONCE = "ab" * 16


@pytest.fixture
def read_update(model, policy):
    shapes = shapes_of(model.trainable(policy.trainable))
    return lambda record: decode_update(record, shapes)


def content(record: RecordDict) -> list[bytes]:
    """Every byte of an answer."""
    return [repr(dict(record["update"])).encode(), *(array.data for array in record["delta"].values())]


def on_disk(laptop):
    return [entry.body for entry in read_ledger(laptop.home.ledger, laptop.identity.ledger.public_key())]


def intents(laptop):
    return [event for event in on_disk(laptop) if isinstance(event, Intent)]


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_answer_holds_an_intent_that_says_what_was_spent(laptop, make_task, task_record, read_update, policy):
    task = make_task(2, NONCE)
    update = read_update(laptop.participant().answer(task_record(2, NONCE)))
    assert update.nonce == NONCE
    assert update.intent.body == Intent(
        study="seminar",
        device=laptop.enrolment.pseudonym,
        round=2,
        nonce=NONCE,
        model_hash=task.model_hash,
        policy_hash=policy.hash,
        mechanisms=policy.mechanisms,
        engine="fast",
        update_hash=weights_hash(update.delta),
    )


def test_the_debit_and_the_bytes_are_on_disk_before_there_is_an_answer(laptop, task_record, monkeypatch):
    seen = []
    encode = participant_module.encode_update

    def look_at_the_disk(update):
        seen.append((on_disk(laptop), [path.stem for path in laptop.home.outbox.iterdir()]))
        return encode(update)

    monkeypatch.setattr(participant_module, "encode_update", look_at_the_disk)
    laptop.participant().answer(task_record(1, NONCE))
    [([intent], parcels)] = seen
    assert (intent.kind, intent.nonce, parcels) == ("intent", NONCE, [NONCE])


def test_a_crash_after_the_debit_refunds_nothing(laptop, task_record, read_update, monkeypatch):
    class Killed(BaseException):
        pass

    def die(update):
        raise Killed

    with monkeypatch.context() as crash:
        crash.setattr(participant_module, "encode_update", die)
        with pytest.raises(Killed):
            laptop.participant().answer(task_record(1, NONCE))
    again = laptop.participant()
    assert again.journal.participations == 1
    intent, update = laptop.ledger().entries[0], read_update(again.answer(task_record(1, NONCE)))
    assert (update.intent, again.journal.participations) == (intent, 1)
    assert weights_hash(update.delta) == intent.body.update_hash


def test_the_same_task_gets_the_same_bytes_and_costs_once(laptop, task_record):
    first = laptop.participant()
    answers = [first.answer(task_record(1, NONCE)), first.answer(task_record(1, NONCE))]
    answers.append(laptop.participant().answer(task_record(1, NONCE)))
    assert content(answers[0]) == content(answers[1]) == content(answers[2])
    assert len(on_disk(laptop)) == 1


def test_a_server_that_lost_the_answer_in_a_crash_gets_the_same_bytes_for_nothing(laptop, task_record):
    participant = laptop.participant()
    first = content(participant.answer(task_record(1, NONCE)))
    participant.journal.released(NONCE)
    for again in (participant, laptop.participant()):
        assert content(again.answer(task_record(1, NONCE))) == first
        again.journal.released(NONCE)
        assert again.journal.participations == 1
    assert [event.kind for event in on_disk(laptop)] == ["intent", "released"]


def test_the_bytes_of_an_answer_are_gone_once_the_next_task_is_answered(laptop, task_record):
    participant = laptop.participant()
    participant.answer(task_record(1, NONCE))
    participant.journal.released(NONCE)
    other = "cd" * 16
    participant.answer(task_record(2, other))
    assert [path.stem for path in laptop.home.outbox.iterdir()] == [other]
    with pytest.raises(WireError) as refused:
        participant.answer(task_record(1, NONCE))
    assert refused.value.reason == "replay"


def test_two_tasks_of_one_round_cost_twice_and_share_no_noise(laptop, task_record, read_update):
    participant = laptop.participant()
    one, other = (read_update(participant.answer(task_record(1))) for _ in range(2))
    assert participant.journal.participations == 2
    for name, change in one.delta.items():
        assert not torch.equal(change, other.delta[name])


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"study": "another"}, "study"), ({"policy_hash": "0" * 64}, "policy")],
)
def test_a_task_of_another_study_or_policy_is_refused(laptop, task_record, changed, reason):
    participant = laptop.participant()
    with pytest.raises(WireError) as refused:
        participant.answer(task_record(**changed))
    assert refused.value.reason == reason
    assert on_disk(laptop) == []


def test_that_the_study_has_another_policy_by_now_is_passed_on(laptop, task_record):
    heard = []
    engine, journal = engine_by_name("fast"), laptop.journal()
    participant = Participant(
        laptop.enrolment,
        laptop.limits,
        laptop.consent,
        laptop.store,
        journal,
        engine,
        on_other_policy=lambda: heard.append("another"),
    )
    for changed in ({"study": "another"}, {"policy_hash": "0" * 64}):
        with pytest.raises(WireError):
            participant.answer(task_record(**changed))
    assert heard == ["another"]


def test_what_was_debited_before_it_was_enrolled_anew_counts_against_the_same_caps(laptop, policy, task_record):
    laptop.participant().answer(task_record(1))
    old, new = intents(laptop) * (policy.participations - 1), Identity.generate().ledger
    ledger = ledger_module.Ledger(laptop.home.ledger.with_name("new.jsonl"), new)
    journal = Journal(policy, ledger, laptop.home.outbox, laptop.home.erasures, old)
    assert (journal.participations, journal.epsilon) == (len(old), policy.epsilon_after(len(old)))
    journal.require_budget()
    ledger.append(old[0])
    with pytest.raises(BudgetError):
        journal.require_budget()


def test_an_older_round_is_refused_and_the_same_or_a_later_one_is_not(laptop, task_record):
    participant = laptop.participant()
    participant.answer(task_record(5))
    with pytest.raises(WireError) as refused:
        laptop.participant().answer(task_record(4))
    assert refused.value.reason == "stale"
    participant.answer(task_record(5))
    participant.answer(task_record(6))
    assert [event.round for event in intents(laptop)] == [5, 5, 6]


def test_at_the_lifetime_cap_no_task_is_answered_any_more(laptop, task_record, policy):
    participant = laptop.participant()
    for round_ in range(1, policy.participations + 1):
        participant.journal.require_budget()
        participant.answer(task_record(round_))
    assert participant.journal.epsilon == policy.epsilon_after(policy.participations) <= policy.epsilon
    for device in (participant, laptop.participant()):
        with pytest.raises(BudgetError, match="budget of this device is spent"):
            device.journal.require_budget()
        with pytest.raises(BudgetError):
            device.answer(task_record(9))
    assert len(intents(laptop)) == policy.participations


def test_nothing_is_spent_before_the_first_answer(laptop):
    assert (laptop.journal().epsilon, laptop.participant().journal.participations) == (0.0, 0)


@pytest.mark.parametrize("ends", ["never agreed", "not to train", "paused", "withdrawn"])
def test_without_consent_there_is_no_answer_and_no_debit(make_laptop, task_record, ends):
    laptop = make_laptop(agreed=ends != "never agreed")
    if ends == "not to train":
        laptop.agree("capture", "store")
    elif ends == "paused":
        laptop.consent.pause()
    elif ends == "withdrawn":
        laptop.consent.withdraw()
    with pytest.raises(ConsentError):
        laptop.participant().answer(task_record())
    assert on_disk(laptop) == []
    assert list(laptop.home.outbox.iterdir()) == []


def test_an_empty_store_answers_like_any_other(make_laptop, task_record, read_update, make_receipt):
    empty, full = make_laptop(0, sequences=0), make_laptop(1, sequences=4)
    answers = [
        laptop.participant().answer(task_record(1, NONCE, receipt=make_receipt(device=laptop.enrolment.pseudonym)))
        for laptop in (empty, full)
    ]
    sizes = [[len(array.data) for array in answer["delta"].values()] for answer in answers]
    assert sizes[0] == sizes[1]
    assert len({len(answer["update"]["intent"]) for answer in answers}) == 1
    one, other = (read_update(answer).intent.body for answer in answers)
    own = {"device", "update_hash"}
    assert one.model_dump(exclude=own) == other.model_dump(exclude=own)


def test_an_empty_store_answers_noise_alone(make_laptop, task_record, read_update, policy):
    delta = read_update(make_laptop(sequences=0).participant().answer(task_record())).delta
    values = torch.cat([change.flatten() for change in delta.values()]).double()
    deviation = (
        policy.learning_rate / policy.denominator * policy.noise_multiplier * policy.clip_norm * policy.steps**0.5
    )
    assert float(values.std()) == pytest.approx(deviation, rel=0.15)
    assert abs(float(values.mean())) < 5 * deviation / len(values) ** 0.5


def test_only_the_first_sequences_are_used(make_laptop, task_record, policy, monkeypatch):
    used = []
    train = participant_module.local_update

    def watch(model, policy, inputs, targets, *others):
        used.append((len(inputs), targets.argmax(dim=1).tolist()))
        return train(model, policy, inputs, targets, *others)

    monkeypatch.setattr(participant_module, "local_update", watch)
    make_laptop(sequences=policy.max_sequences + 3).participant().answer(task_record())
    assert used == [(policy.max_sequences, [0, 1, 2, 3])]


@pytest.mark.parametrize(
    ("policy_allows", "owner_allows", "used"),
    [(False, False, [0, 2]), (True, False, [0, 2]), (False, True, [0, 2]), (True, True, [0, 1, 2, 3])],
)
def test_what_the_model_labelled_is_trained_on_only_where_policy_and_owner_allow_it(
    make_laptop, make_policy, task_record, monkeypatch, policy_allows, owner_allows, used
):
    used_targets, train = [], participant_module.local_update

    def watch(model, policy, inputs, targets, *others):
        used_targets.append(targets.argmax(dim=1).tolist())
        return train(model, policy, inputs, targets, *others)

    monkeypatch.setattr(participant_module, "local_update", watch)
    policy = make_policy(pseudo_labels=policy_allows)
    laptop = make_laptop(sequences=4)
    laptop.enrolment = laptop.enrolment.model_copy(update={"policy": policy})
    laptop.agree()
    for position in (1, 3):
        laptop.store.sequences[position] = replace(laptop.store.sequences[position], source="pseudo")
    laptop.participant(train_on_pseudo=owner_allows).answer(task_record(policy_hash=policy.hash))
    assert used_targets == [used]


def test_a_full_disk_under_the_outbox_costs_nothing(laptop, task_record, monkeypatch):
    participant = laptop.participant()
    with monkeypatch.context() as full:
        full.setattr(os, "replace", full_disk)
        with pytest.raises(StorageError, match="the disk is full"):
            participant.answer(task_record(1, NONCE))
    assert on_disk(laptop) == []
    participant.answer(task_record(1, NONCE))
    assert len(on_disk(laptop)) == 1


def test_a_full_disk_under_the_ledger_gives_no_answer_and_leaves_it_whole(laptop, task_record, monkeypatch):
    participant = laptop.participant()
    participant.answer(task_record(1))
    before = laptop.home.ledger.read_bytes()
    sync = os.fsync

    def full_for_the_ledger(descriptor):
        if os.fstat(descriptor).st_ino == laptop.home.ledger.stat().st_ino:
            full_disk()
        sync(descriptor)

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", full_for_the_ledger)
        with pytest.raises(StorageError, match="the disk is full"):
            participant.answer(task_record(2, NONCE))
    assert laptop.home.ledger.read_bytes() == before
    participant.answer(task_record(2, NONCE))
    assert [event.round for event in intents(laptop)] == [1, 2]


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        (Limits(max_epsilon=7.9), "epsilon"),
        (Limits(max_delta=1e-6), "delta"),
        (Limits(max_participations=2), "participations"),
        (Limits(max_lifetime_steps=5), "lifetime_steps"),
        (Limits(min_rounds_between=1), "min_rounds_between"),
        (Limits(min_noise_multiplier=9.0), "noise_multiplier"),
    ],
)
def test_a_policy_beyond_this_device_s_own_limits_is_refused_at_once(laptop, limits, field):
    laptop.limits = limits
    with pytest.raises(PolicyError, match=f"because of its {field}:"):
        laptop.participant()


def test_what_is_logged_names_no_path_and_no_sequence(laptop, task_record, caplog):
    caplog.set_level("DEBUG")
    laptop.participant().answer(task_record(3))
    assert "round 3: debited" in caplog.text
    assert str(laptop.home.root) not in caplog.text
    assert not any(sequence.id in caplog.text for sequence in laptop.store.sequences)


def test_the_study_s_weights_are_kept_as_they_came_for_live_reading(laptop, make_task, task_record, policy):
    participant = laptop.participant(keep_model=laptop.home.model)
    task = make_task(2)
    participant.answer(encode_task(task))
    kept, header, seen = load_model(laptop.home.model)
    assert weights_hash(kept.state_dict()) == task.model_hash
    assert (header.model, header.scheme, header.input_shape) == (policy.model, policy.scheme, (16, 1, 48, 48))
    assert "before its round 2" in header.training_data
    assert seen == frozenset()
    before = laptop.home.model.read_bytes()
    with pytest.raises(WireError):
        participant.answer(task_record(1))
    assert laptop.home.model.read_bytes() == before


def test_weights_that_cannot_be_kept_cost_nothing(laptop, task_record):
    laptop.home.model.mkdir()
    with pytest.raises(StorageError):
        laptop.participant(keep_model=laptop.home.model).answer(task_record())
    assert on_disk(laptop) == []


def test_a_pause_during_training_costs_nothing(laptop, task_record, monkeypatch):
    train = participant_module.local_update

    def pause_meanwhile(*given):
        laptop.consent.pause()
        return train(*given)

    monkeypatch.setattr(participant_module, "local_update", pause_meanwhile)
    with pytest.raises(ConsentError, match="paused"):
        laptop.participant().answer(task_record())
    assert on_disk(laptop) == []
    assert list(laptop.home.outbox.iterdir()) == []


class Passes:
    """Lets training go on for so many looks, then holds it up; counts them."""

    def __init__(self, most):
        self.most, self.count = most, 0

    def __call__(self):
        self.count += 1
        if self.count > self.most:
            raise HeldUp("you are using this computer")


def test_training_that_is_held_up_anywhere_costs_nothing_and_can_be_begun_again(laptop, task_record, policy):
    watch = Passes(10**6)
    laptop.participant(look_up=watch).answer(task_record(1))
    spent = len(on_disk(laptop))
    assert watch.count == 3 + 3 + policy.steps  # each sequence as it is opened and as its features are taken, each step
    for most in range(watch.count):
        participant = laptop.participant(look_up=Passes(most))
        with pytest.raises(HeldUp):
            participant.answer(task_record(2, NONCE))
        assert len(on_disk(laptop)) == spent
        assert not (laptop.home.outbox / f"{NONCE}.safetensors").exists()
    laptop.participant(look_up=Passes(watch.count)).answer(task_record(2, NONCE))
    assert [event.round for event in intents(laptop)] == [1, 2]


def test_a_task_that_was_answered_is_sent_again_whoever_uses_the_computer(laptop, task_record, read_update):
    """Nothing is trained for it."""
    first = laptop.participant().answer(task_record(1, NONCE))
    again = laptop.participant(look_up=Passes(0)).answer(task_record(1, NONCE))
    assert weights_hash(read_update(again).delta) == weights_hash(read_update(first).delta)


def test_a_new_task_ends_an_earlier_one_that_was_never_confirmed(laptop, task_record):
    participant = laptop.participant()
    participant.answer(task_record(1, NONCE))
    other = "cd" * 16
    participant.answer(task_record(2, other))
    assert [(event.kind, event.nonce) for event in on_disk(laptop)] == [
        ("intent", NONCE),
        ("intent", other),
        ("aborted", NONCE),
    ]
    assert [path.stem for path in laptop.home.outbox.iterdir()] == [other]
    assert participant.journal.participations == 2
    with pytest.raises(WireError) as refused:
        participant.answer(task_record(1, NONCE))
    assert refused.value.reason == "replay"


def test_a_task_that_comes_a_thousand_times_costs_once_and_gets_the_same_bytes(laptop, task_record, quick_disk):
    participant = laptop.participant()
    first = content(participant.answer(task_record(1, NONCE)))
    for _ in range(500):
        assert content(participant.answer(task_record(1, NONCE))) == first
    participant.journal.released(NONCE)
    for _ in range(500):
        assert content(participant.answer(task_record(1, NONCE))) == first
    assert participant.journal.participations == 1


def test_fewer_rounds_apart_than_the_policy_says_is_too_soon(make_laptop, make_policy, task_record):
    policy = make_policy(min_rounds_between=3)
    laptop = make_laptop(policy=policy)
    participant = laptop.participant()
    participant.answer(task_record(4, policy_hash=policy.hash))
    for round_ in (4, 6):
        with pytest.raises(WireError) as refused:
            laptop.participant().answer(task_record(round_, policy_hash=policy.hash))
        assert refused.value.reason == "too_soon"
    participant.answer(task_record(7, policy_hash=policy.hash))
    assert [event.round for event in intents(laptop)] == [4, 7]


def test_the_lifetime_cap_on_steps_ends_it_before_the_cap_on_rounds(make_laptop, make_policy, task_record):
    policy = make_policy(lifetime_steps=5)
    laptop = make_laptop(policy=policy)
    for round_ in (1, 2):
        laptop.participant().answer(task_record(round_, policy_hash=policy.hash))
    with pytest.raises(BudgetError):
        laptop.participant().answer(task_record(3, policy_hash=policy.hash))


def test_a_clock_that_runs_backwards_is_refused_and_costs_nothing(laptop, task_record, monkeypatch):
    participant = laptop.participant()
    participant.answer(task_record(1))
    last = laptop.ledger().entries[-1].at
    monkeypatch.setattr(ledger_module.time, "time", lambda: last - 3600.0)
    with pytest.raises(ClockError, match="3600 seconds from now"):
        participant.answer(task_record(2))
    assert len(on_disk(laptop)) == 1


def test_a_ledger_restored_from_a_backup_is_noticed_by_the_server_s_receipt(laptop, task_record, make_receipt):
    backup = b""
    for round_ in (1, 2):
        backup = laptop.home.ledger.read_bytes() if laptop.home.ledger.exists() else b""
        laptop.participant().answer(task_record(round_))
    used = laptop.journal()._ledger.entries[1].hash
    laptop.participant().answer(task_record(2, receipt=make_receipt(used)))
    laptop.home.ledger.write_bytes(backup)
    with pytest.raises(LedgerError, match="old copy"):
        laptop.participant().answer(task_record(3, receipt=make_receipt(used)))
    assert laptop.home.ledger.read_bytes() == backup


def test_a_task_needs_a_receipt_that_the_server_signed_for_this_device(laptop, task_record, make_receipt):
    honest = make_receipt()
    for receipt in (
        Receipt("", ""),
        Receipt("ab" * 32, honest.signature),
        Receipt("", honest.signature[:-2] + "00"),
        make_receipt(device="ffffffff"),
    ):
        with pytest.raises(WireError) as refused:
            laptop.participant().answer(task_record(1, receipt=receipt))
        assert refused.value.reason == "receipt"
    assert on_disk(laptop) == []


def test_who_has_left_answers_no_task_even_if_consent_is_given_again(laptop, task_record):
    participant = laptop.participant()
    participant.answer(task_record(1, NONCE))
    participant.journal.withdrawn()
    assert on_disk(laptop)[1:] == [Aborted(nonce=NONCE), Withdrawn()]
    for device in (participant, laptop.participant()):
        with pytest.raises(ConsentError, match="left the study"):
            device.answer(task_record(2))
    assert len(intents(laptop)) == 1


def test_what_was_deleted_is_recorded_once(laptop, task_record):
    laptop.home.erasures.touch()
    participant = laptop.participant()
    participant.answer(task_record(1))
    participant.answer(task_record(2))
    assert [event.kind for event in on_disk(laptop)] == ["erase", "intent", "intent", "aborted"]
    assert on_disk(laptop)[0] == Erased()
    assert not laptop.home.erasures.exists()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_ledger_names_the_engine(laptop, task_record, engine):
    facts = laptop.enrolment, laptop.limits, laptop.consent, laptop.store, laptop.journal()
    Participant(*facts, engine_by_name(engine)).answer(task_record())
    assert intents(laptop)[0].engine == engine


def test_a_participant_s_budget_is_counted_in_uploads(make_laptop, make_policy, task_record):
    policy = make_policy(unit="participant", update_clip=0.1)
    laptop = make_laptop(policy=policy)
    with pytest.raises(PolicyError, match="because of its unit: it is 'participant', and this device allows sequence"):
        laptop.participant()
    laptop.limits = Limits(units=("participant",))
    for round_ in range(1, policy.participations + 1):
        laptop.participant().answer(task_record(round_, policy_hash=policy.hash))
        assert laptop.journal().epsilon == policy.epsilon_after(round_)
    with pytest.raises(BudgetError):
        laptop.participant().answer(task_record(9, policy_hash=policy.hash))
