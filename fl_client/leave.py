"""Leaving a study: what was stored is destroyed first, so that even a full disk cannot keep anyone in."""

from contextlib import suppress

from fl_client.consent import ConsentBook
from fl_client.home import IDENTITY_KEY, Home
from fl_client.keys import KeyVault
from fl_client.store import erase_store


def leave(home: Home, vault: KeyVault) -> None:
    """Destroys the sequences, the kept updates and the device's keys, then records the withdrawal.

    A running daemon stops when it sees the record, and erases once more what it may have stored meanwhile.
    Raises StorageError where the record cannot be written; everything else is done by then.
    """
    erase_store(home.store, vault)
    for parcel in home.outbox.glob("*"):
        with suppress(FileNotFoundError):
            parcel.unlink()
    vault.destroy(IDENTITY_KEY)
    ConsentBook(home.root).withdraw()
