"""The store's key: made, changed and destroyed in the key vault, in step with the index.

Two names take turns. A new key replaces the one before the last, so that no earlier key outlives the next change,
whatever crashed; and where the index is lost, what there is to destroy is still known.
"""

from cryptography.exceptions import InvalidTag

from fl_client.keys import KeyVault
from fl_client.store_index import StoreIndex, StoreKey
from shared_models.errors import KeyStoreError
from shared_models.sealing import seal, unseal

_CHECK = b"attune store check"
_NAMES = ("store-0", "store-1")


class StoreKeys:
    """The current key of one store; every method belongs inside a transaction of `index`."""

    def __init__(self, index: StoreIndex, vault: KeyVault) -> None:
        self._index, self._vault = index, vault
        self._current, self._key = StoreKey(0, None), b""

    def current(self) -> bytes:
        """The store's key, made where there is none yet; another process may have changed it since the last time.

        Raises KeyStoreError where the vault does not hold it.
        """
        current = self._index.store_key()
        if current.check is None:
            return self._make(current.generation)
        if current != self._current:
            key = self._vault.key(_name(current.generation))
            try:
                unseal(key, current.check, _CHECK)
            except InvalidTag as error:
                raise KeyStoreError(
                    "The stored data cannot be opened",
                    why="the key in the key store is not the one it was sealed with",
                    fix="Restore the key store from the same backup, or delete the stored data with"
                    " 'fl-client data delete --all'",
                ) from error
            self._current, self._key = current, key
        return self._key

    def renew(self) -> bytes:
        """A new key in place of the current one, which stays in the vault until `destroy_former`."""
        return self._make(self._index.store_key().generation + 1)

    def _make(self, generation: int) -> bytes:
        self._key = self._vault.create(_name(generation))
        self._current = StoreKey(generation, seal(self._key, b"", _CHECK))
        self._index.set_store_key(self._current)
        return self._key


def retire(index: StoreIndex) -> None:
    """Lets the index forget the current key; the next one is made when it is needed. Needs no key."""
    index.set_store_key(StoreKey(index.store_key().generation + 1, None))


def destroy_former(index: StoreIndex, vault: KeyVault) -> None:
    """Destroys what the vault holds beside the current key; inside a transaction."""
    current = index.store_key()
    if current.check is None:
        destroy_all(vault)
    else:
        vault.destroy(_name(current.generation + 1))


def destroy_all(vault: KeyVault) -> None:
    for name in _NAMES:
        vault.destroy(name)


def _name(generation: int) -> str:
    return _NAMES[generation % len(_NAMES)]
