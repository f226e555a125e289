"""Leaving a study: what was stored is destroyed first, so that even a full disk cannot keep anyone in."""

from contextlib import suppress

from fl_client.consent import ConsentBook
from fl_client.home import IDENTITY_KEY, Enrolment, Home, Identity
from fl_client.journal import open_journal
from fl_client.keys import KeyVault
from fl_client.store import erase_store
from shared_models.errors import AttuneError
from shared_models.files import is_held


def leave(home: Home, vault: KeyVault, enrolment: Enrolment) -> None:
    """Destroys the sequences, the kept updates and the device's keys, then records the withdrawal.

    A running daemon stops when it sees the record, and erases once more what it may have stored meanwhile. The ledger
    says so too, where its key can be had: a forgotten passphrase keeps nobody in.
    Raises StorageError where the record cannot be written; everything else is done by then.
    """
    erase_store(home.store, vault)
    for parcel in home.outbox.glob("*"):
        with suppress(FileNotFoundError):
            parcel.unlink()
    if not is_held(home.lock):  # a running daemon writes its ledger itself
        with suppress(AttuneError):
            open_journal(home, vault, enrolment, Identity.load(home, vault)).withdrawn()
    vault.destroy(IDENTITY_KEY)
    ConsentBook(home.root).withdraw()
