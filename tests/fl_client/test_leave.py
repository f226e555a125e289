from pathlib import Path

import pytest

from fl_client.consent import ConsentBook, State
from fl_client.home import Home, Identity
from fl_client.keys import open_vault
from fl_client.leave import leave
from fl_client.store import Store
from fl_client.withdrawal import Withdrawal
from shared_models.errors import KeyStoreError, StorageError
from shared_models.files import disk_full


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, laptop):
    (tmp_path / "passphrase").write_text("several words")
    monkeypatch.setenv("ATTUNE_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    return open_vault(laptop.home.root)


def test_who_leaves_takes_everything_along(laptop, vault) -> None:
    laptop.identity.save(laptop.home, vault)
    with Store(laptop.home.store, vault) as store:
        store.add(laptop.store.sequences[0].frames, 1, "happiness", "script", laptop.consent.current().since)
    (laptop.home.outbox / "kept.safetensors").write_bytes(b"an update")

    leave(laptop.home, vault, laptop.enrolment, laptop.identity)

    assert laptop.consent.current().state is State.WITHDRAWN
    assert not list((laptop.home.store / "sessions").iterdir())
    assert not list(laptop.home.outbox.iterdir())
    with pytest.raises(KeyStoreError):
        Identity.load(laptop.home, open_vault(laptop.home.root))


def test_a_record_that_cannot_be_written_keeps_nothing_alive(laptop, vault, monkeypatch: pytest.MonkeyPatch) -> None:
    laptop.identity.save(laptop.home, vault)
    with Store(laptop.home.store, vault) as store:
        store.add(laptop.store.sequences[0].frames, 1, "happiness", "script", laptop.consent.current().since)

    def full(book: ConsentBook) -> None:
        raise disk_full(laptop.home.root)

    monkeypatch.setattr(ConsentBook, "withdraw", full)
    with pytest.raises(StorageError):
        leave(laptop.home, vault, laptop.enrolment, laptop.identity)
    assert not list((laptop.home.store / "sessions").iterdir())


def test_the_ledger_says_that_its_owner_left(laptop, vault, task_record) -> None:
    laptop.identity.save(laptop.home, vault)
    laptop.participant().answer(task_record(1))
    leave(laptop.home, vault, laptop.enrolment, laptop.identity)
    assert [entry.body.kind for entry in laptop.ledger().entries] == ["intent", "aborted", "withdraw"]


def test_a_forgotten_passphrase_keeps_nobody_in(laptop, vault, monkeypatch: pytest.MonkeyPatch) -> None:
    laptop.identity.save(laptop.home, vault)
    monkeypatch.delenv("ATTUNE_PASSPHRASE_FILE")
    leave(laptop.home, open_vault(laptop.home.root), laptop.enrolment, None)
    assert laptop.consent.current().state is State.WITHDRAWN
    assert not laptop.home.ledger.exists()
    assert not laptop.home.withdrawal.exists()


def test_what_tells_the_server_is_on_the_disk_before_the_keys_go(
    laptop, vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop.identity.save(laptop.home, vault)
    kept_by_then = []
    monkeypatch.setattr(vault, "destroy", lambda name: kept_by_then.append(laptop.home.withdrawal.exists()))
    leave(laptop.home, vault, laptop.enrolment, laptop.identity)
    assert kept_by_then[-1] is True


def test_a_disk_that_has_no_room_for_it_keeps_the_keys_so_that_it_can_be_tried_again(
    laptop, vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop.identity.save(laptop.home, vault)

    def full(withdrawal: Withdrawal, home: Home) -> None:
        raise disk_full(home.withdrawal)

    keep = Withdrawal.keep
    monkeypatch.setattr(Withdrawal, "keep", full)
    with pytest.raises(StorageError):
        leave(laptop.home, vault, laptop.enrolment, laptop.identity)
    monkeypatch.setattr(Withdrawal, "keep", keep)
    leave(laptop.home, vault, laptop.enrolment, Identity.load(laptop.home, vault))
    assert laptop.home.withdrawal.exists()
    assert laptop.consent.current().state is State.WITHDRAWN


def test_a_device_of_before_that_does_not_know_where_to_say_it_still_leaves(make_laptop, vault) -> None:
    old = make_laptop(3, enrolment_address="")
    leave(old.home, vault, old.enrolment, old.identity)
    assert not old.home.withdrawal.exists()
