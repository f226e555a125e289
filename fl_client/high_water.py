"""How far the device's ledger had come, remembered by the system's key store: a restored old copy is noticed."""

from fl_client.keys import KeyVault
from shared_models.errors import LedgerError

_NAME = "ledger-mark"


class KeptMark:
    """See `shared_models.privacy.ledger.HighWaterMark`.

    A vault in the device's own folder remembers nothing, since it would be restored with the ledger; there the
    server's receipt is the only witness.
    """

    def __init__(self, vault: KeyVault) -> None:
        self._vault = vault

    def read(self) -> tuple[int, str] | None:
        """Raises LedgerError where what the key store holds is no mark."""
        text = self._vault.noted(_NAME)
        if text is None:
            return None
        entries, _, head = text.partition(" ")
        if not entries.isdecimal():
            raise LedgerError("What the key store remembers of this device's ledger is damaged", fix="Enrol again")
        return int(entries), head

    def note(self, entries: int, head: str) -> None:
        self._vault.note(_NAME, f"{entries} {head}")
