import pytest

from fl_client.high_water import KeptMark
from shared_models.errors import LedgerError
from shared_models.privacy.ledger import Ledger


class Vault:
    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def note(self, name: str, text: str) -> None:
        self.texts[name] = text

    def noted(self, name: str) -> str | None:
        return self.texts.get(name)


class Forgetful(Vault):
    def note(self, name: str, text: str) -> None:
        pass


def test_a_restored_laptop_is_noticed_by_its_key_store(laptop, task_record) -> None:
    vault = Vault()
    ledger = Ledger(laptop.home.ledger, laptop.identity.ledger, KeptMark(vault))
    assert KeptMark(vault).read() is None
    laptop.ledger = lambda: ledger
    laptop.participant().answer(task_record(1))
    backup = laptop.home.ledger.read_bytes()
    laptop.participant().answer(task_record(2))
    assert KeptMark(vault).read() == (len(ledger.entries), ledger.head)
    laptop.home.ledger.write_bytes(backup)
    with pytest.raises(LedgerError, match="old copy"):
        Ledger(laptop.home.ledger, laptop.identity.ledger, KeptMark(vault))


def test_a_vault_that_remembers_nothing_vouches_for_nothing(laptop, task_record) -> None:
    mark = KeptMark(Forgetful())
    laptop.participant().answer(task_record(1))
    assert len(Ledger(laptop.home.ledger, laptop.identity.ledger, mark).entries) == 1


def test_a_damaged_memory_is_an_error_and_no_fresh_start() -> None:
    vault = Vault()
    vault.note("ledger-mark", "many entries")
    with pytest.raises(LedgerError, match="damaged"):
        KeptMark(vault).read()
