"""The order is the promise: checked, agreed to, trained, debited on disk, and only then answered."""

import errno
import os

import pytest
import torch
from flwr.app import RecordDict

from fl_client import participant as participant_module
from fl_client.settings import Limits
from shared_models.errors import BudgetError, ConsentError, PolicyError, StorageError, WireError
from shared_models.networks.weights import weights_hash
from shared_models.privacy.ledger import Debit, Released, read_ledger
from shared_models.wire import decode_update, shapes_of

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


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_answer_holds_a_debit_that_says_what_was_spent(laptop, make_task, task_record, read_update, policy):
    task = make_task(2, NONCE)
    update = read_update(laptop.participant().answer(task_record(2, NONCE)))
    assert update.nonce == NONCE
    assert update.debit.body == Debit(
        study="seminar",
        device=laptop.enrolment.pseudonym,
        round=2,
        nonce=NONCE,
        model_hash=task.model_hash,
        policy_hash=policy.hash,
        sigma=policy.noise_multiplier,
        clip_norm=0.5,
        steps=2,
        engine="loop",
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
    [([debit], parcels)] = seen
    assert (debit.kind, debit.nonce, parcels) == ("debit", NONCE, [NONCE])


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
    assert again.participations == 1
    debit, update = laptop.ledger().entries[0], read_update(again.answer(task_record(1, NONCE)))
    assert (update.debit, again.participations) == (debit, 1)
    assert weights_hash(update.delta) == debit.body.update_hash


def test_the_same_task_gets_the_same_bytes_and_costs_once(laptop, task_record):
    first = laptop.participant()
    answers = [first.answer(task_record(1, NONCE)), first.answer(task_record(1, NONCE))]
    answers.append(laptop.participant().answer(task_record(1, NONCE)))
    assert content(answers[0]) == content(answers[1]) == content(answers[2])
    assert len(on_disk(laptop)) == 1


def test_a_task_whose_answer_has_arrived_is_not_answered_again(laptop, task_record):
    participant = laptop.participant()
    participant.answer(task_record(1, NONCE))
    participant.released(NONCE)
    assert list(laptop.home.outbox.iterdir()) == []
    assert on_disk(laptop)[-1] == Released(nonce=NONCE)
    with pytest.raises(WireError) as refused:
        participant.answer(task_record(1, NONCE))
    assert refused.value.reason == "replay"
    assert participant.participations == 1


def test_two_tasks_of_one_round_cost_twice_and_share_no_noise(laptop, task_record, read_update):
    participant = laptop.participant()
    one, other = (read_update(participant.answer(task_record(1))) for _ in range(2))
    assert participant.participations == 2
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


def test_an_older_round_is_refused_and_the_same_or_a_later_one_is_not(laptop, task_record):
    participant = laptop.participant()
    participant.answer(task_record(5))
    with pytest.raises(WireError) as refused:
        laptop.participant().answer(task_record(4))
    assert refused.value.reason == "stale"
    participant.answer(task_record(5))
    participant.answer(task_record(6))
    assert [debit.round for debit in on_disk(laptop)] == [5, 5, 6]


def test_at_the_lifetime_cap_no_task_is_answered_any_more(laptop, task_record, policy):
    participant = laptop.participant()
    for round_ in range(1, policy.participations + 1):
        participant.require_budget()
        participant.answer(task_record(round_))
    assert participant.epsilon == policy.epsilon_after(policy.participations) <= policy.epsilon
    for device in (participant, laptop.participant()):
        with pytest.raises(BudgetError, match="budget of this device is spent"):
            device.require_budget()
        with pytest.raises(BudgetError):
            device.answer(task_record(9))
    assert len(on_disk(laptop)) == policy.participations


def test_nothing_is_spent_before_the_first_answer(laptop):
    assert (laptop.participant().epsilon, laptop.participant().participations) == (0.0, 0)


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


def test_an_empty_store_answers_like_any_other(make_laptop, task_record, read_update):
    empty, full = make_laptop(0, sequences=0), make_laptop(1, sequences=4)
    answers = [laptop.participant().answer(task_record(1, NONCE)) for laptop in (empty, full)]
    sizes = [[len(array.data) for array in answer["delta"].values()] for answer in answers]
    assert sizes[0] == sizes[1]
    assert len({len(answer["update"]["debit"]) for answer in answers}) == 1
    one, other = (read_update(answer).debit.body for answer in answers)
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

    def watch(model, policy, inputs, targets, noise):
        used.append((len(inputs), targets.argmax(dim=1).tolist()))
        return train(model, policy, inputs, targets, noise)

    monkeypatch.setattr(participant_module, "local_update", watch)
    make_laptop(sequences=policy.max_sequences + 3).participant().answer(task_record())
    assert used == [(policy.max_sequences, [0, 1, 2, 3])]


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
    assert [debit.round for debit in on_disk(laptop)] == [1, 2]


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        (Limits(max_epsilon=7.9), "epsilon"),
        (Limits(max_delta=1e-6), "delta"),
        (Limits(max_participations=2), "participations"),
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
