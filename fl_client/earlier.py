"""What this device spent before it was enrolled anew: put away in its folder, and counted for ever.

    earlier/1/  ledger.jsonl  consent.jsonl  receipt.json  enrolment.json

The enrolment record goes last: where it is missing, putting away was interrupted and is done again.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fl_client.consent import ConsentBook, State
from fl_client.countersigned import ask_receipt
from fl_client.high_water import KeptMark
from fl_client.home import Enrolment, Home, Identity, load_enrolment
from fl_client.keys import KeyVault, open_vault
from fl_client.passphrase import AskPassphrase
from fl_client.store_folder import erase_store
from fl_client.withdrawal import Withdrawal
from shared_models.errors import AddressError, AttuneError, EnrolmentError, KeyStoreError, LedgerError, UsageError
from shared_models.files import only_one, storage_errors, sync_folder
from shared_models.privacy.events import Intent
from shared_models.privacy.ledger import GENESIS, Entry, Ledger, intents_of, read_ledger
from shared_models.privacy.receipts import LedgerHead

_NOTE = "earlier-debits"


def put_away(home: Home, study: str, ask: AskPassphrase, lost_for_good: Callable[[str], bool]) -> KeyVault:
    """Ends the enrolment in `home` so that another of the same study can take its place; gives the vault for its keys.

    Where the old keys open, the server is told that they are not used any more, and what is stored stays. Where they do
    not, nothing stored can be opened either: it is destroyed once `lost_for_good`, which hears why, says so. Consent is
    asked for again in any case.

    Raises UsageError where the folder belongs to another study or its device is running, AddressError where the server
    cannot be told, EnrolmentError where the record of the enrolment is damaged, KeyStoreError where the keys do not
    open and are not given up, LedgerError where the ledger is an old copy.
    """
    enrolment = load_enrolment(home)
    if enrolment.study != study:
        raise UsageError(f"The folder {home.root} belongs to another study", fix="Use another --home for this one")
    if home.withdrawal.exists():
        raise AddressError("The study's server has not heard yet that this device has left", fix="Try again later")
    with only_one(home.lock, f"The device in {home.root}"):
        vault = _vault(home, enrolment, ask, lost_for_good)
        _move(home)
        KeptMark(vault).note(0, GENESIS)
        with storage_errors(home.earlier):
            os.replace(home.enrolment, _open_place(home) / home.enrolment.name)
            sync_folder(home.root)
    return vault


def history(home: Home, enrolment: Enrolment) -> list[Entry]:
    """Every entry that the devices of this folder wrote, oldest first, each chain and signature checked.

    Raises LedgerError where one does not hold.
    """
    return [*_earlier_entries(home), *_entries(home.ledger, enrolment)]


def earlier_intents(home: Home, vault: KeyVault) -> list[Intent]:
    """What was debited before this enrolment.

    Raises LedgerError where a ledger is damaged, or less is there than the system's key store remembers.
    """
    found, noted = intents_of(_earlier_entries(home)), int(vault.noted(_NOTE) or 0)
    if len(found) < noted:
        raise LedgerError(
            "What this device spent before it was enrolled anew is not all there",
            why=f"this computer's key store remembers {noted} debits, and {len(found)} are in {home.earlier}",
            fix="Put the newest copy of that folder back. Spent budget is never given back",
        )
    if len(found) > noted:
        vault.note(_NOTE, str(len(found)))
    return found


def _vault(home: Home, enrolment: Enrolment, ask: AskPassphrase, lost_for_good: Callable[[str], bool]) -> KeyVault:
    if ConsentBook(home.root).current().state is State.WITHDRAWN:
        return _fresh_vault(home, ask)  # keys and data were destroyed then, and the server was told
    try:
        vault = open_vault(home.root, ask)
        identity = Identity.load(home, vault)
        _require_newest(home, enrolment, identity, vault)
        Withdrawal.signed(enrolment, identity).say()
    except KeyStoreError as error:
        if not lost_for_good(str(error)):
            raise
        return _fresh_vault(home, ask)
    return vault


def _require_newest(home: Home, enrolment: Enrolment, identity: Identity, vault: KeyVault) -> None:
    """Raises LedgerError where the key store or the server has seen more of the ledger: it would be given back."""
    if _open_place(home).exists():
        return  # it was looked at before it began to move
    ledger = Ledger(home.ledger, identity.ledger, KeptMark(vault))
    with suppress(EnrolmentError):  # a server that does not know this device has seen nothing
        ask_receipt(enrolment, identity, LedgerHead(len(ledger.entries), ledger.head), home)


def _fresh_vault(home: Home, ask: AskPassphrase) -> KeyVault:
    """What is stored is destroyed. A key store that answers is used on: it remembers what was spent."""
    with suppress(AttuneError):
        erase_store(home.store, open_vault(home.root, ask))
    with storage_errors(home.store):
        if home.store.exists():
            shutil.rmtree(home.store)
        home.sealed_keys.unlink(missing_ok=True)
        try:
            return open_vault(home.root, ask)
        except KeyStoreError:
            home.keyring_account.unlink(missing_ok=True)
            return open_vault(home.root, ask)


def _move(home: Home) -> None:
    """All but the enrolment record; what was moved by an earlier try is there already."""
    with storage_errors(home.earlier):
        place = _open_place(home)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in (home.ledger, home.consent, home.receipt):
            if path.exists():
                os.replace(path, place / path.name)
        for parcel in home.outbox.glob("*"):
            parcel.unlink()
        sync_folder(place)


def _open_place(home: Home) -> Path:
    return home.earlier / str(len(_finished(home)) + 1)


def _finished(home: Home) -> list[Home]:
    """The enrolments that were put away, oldest first."""
    places = sorted(home.earlier.glob("*"), key=lambda place: int(place.name)) if home.earlier.exists() else []
    return [Home(place) for place in places if Home(place).enrolment.exists()]


def _earlier_entries(home: Home) -> list[Entry]:
    finished = _finished(home)
    if (home.earlier / str(len(finished) + 1)).exists():
        raise LedgerError(
            "Enrolling this device anew was interrupted", fix="Do it again with `fl-client enrol INVITATION --again`"
        )
    return [entry for place in finished for entry in _entries(place.ledger, load_enrolment(place))]


def _entries(ledger: Path, enrolment: Enrolment) -> list[Entry]:
    return read_ledger(ledger, Ed25519PublicKey.from_public_bytes(bytes.fromhex(enrolment.ledger_key)))
