"""Leaving a study: what was stored is destroyed first, so that even a full disk cannot keep anyone in."""

from contextlib import suppress

from fl_client.consent import ConsentBook
from fl_client.home import IDENTITY_KEY, Enrolment, Home, Identity
from fl_client.journal import open_journal
from fl_client.keys import KeyVault
from fl_client.store_folder import erase_store
from fl_client.withdrawal import Withdrawal
from shared_models.errors import AttuneError
from shared_models.files import is_held


def leave(home: Home, vault: KeyVault, enrolment: Enrolment, identity: Identity | None) -> None:
    """Destroys the sequences, the kept updates and the device's keys, then records the withdrawal.

    What the server is to be told with, by `withdrawal.tell`, is on the disk before the keys go. A running daemon stops
    when it sees the record, and erases once more what it may have stored meanwhile. The ledger says so too.
    identity: None where its keys cannot be opened: a forgotten passphrase keeps nobody in, and tells nobody
    Raises StorageError where the disk is full; what was stored is destroyed by then, and this can be called again.
    """
    erase_store(home.store, vault)
    for parcel in home.outbox.glob("*"):
        with suppress(FileNotFoundError):
            parcel.unlink()
    if identity is not None:
        if enrolment.enrolment_address:
            Withdrawal.signed(enrolment, identity).keep(home)
        if not is_held(home.lock):  # a running daemon writes its ledger itself
            with suppress(AttuneError):
                open_journal(home, vault, enrolment, identity).withdrawn()
    vault.destroy(IDENTITY_KEY)
    ConsentBook(home.root).withdraw()
