"""The round in progress, on disk: whom it asks with which nonce, and every update that it accepted.

An update counts from the moment that its file has its name. Whatever ends the server, the next start goes on with the
same round: accepted updates are there, and a device that has not answered is asked again with the nonce that it had,
which it answers with the same bytes and pays for once.
"""

import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from shared_models.errors import LedgerError
from shared_models.files import atomic_write, storage_errors, sync_folder
from shared_models.privacy.ledger import Entry, parse_entry
from shared_models.wire import Update

_RECORD, _SUFFIX, _INTENT = "round.json", ".safetensors", "intent"
log = logging.getLogger(__name__)


class _Record(BaseModel):
    """`nonces`: by pseudonym, of the tasks of this round."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    round: int
    model_hash: str
    policy_hash: str
    online: int
    nonces: dict[str, str]


class OpenRound:
    """The folder `open-round/`. Memory holds the signed intents, never the updates."""

    def __init__(self, folder: Path, record: _Record, intents: dict[str, Entry]) -> None:
        self._folder, self._record, self._intents = folder, record, intents

    @classmethod
    def begin(
        cls, folder: Path, round_: int, model_hash: str, policy_hash: str, nonces: Mapping[str, str], online: int
    ) -> Self:
        """A new round, known on disk before any task leaves. Raises StorageError where the disk is full."""
        record = _Record(
            round=round_, model_hash=model_hash, policy_hash=policy_hash, online=online, nonces=dict(nonces)
        )
        with storage_errors(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            atomic_write(folder / _RECORD, record.model_dump_json(indent=1).encode())
            sync_folder(folder.parent)
        return cls(folder, record, {})

    @classmethod
    def resume(cls, folder: Path) -> Self | None:
        """The round that was open when the server ended; None where there was none."""
        try:
            record = _Record.model_validate_json((folder / _RECORD).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        intents = {device: _read_intent(folder / f"{device}{_SUFFIX}") for device in record.nonces}
        return cls(folder, record, {device: intent for device, intent in intents.items() if intent is not None})

    @property
    def round(self) -> int:
        return self._record.round

    @property
    def model_hash(self) -> str:
        """Of the model that its devices train from."""
        return self._record.model_hash

    @property
    def online(self) -> int:
        """How many devices were online when the round was opened."""
        return self._record.online

    @property
    def nonces(self) -> Mapping[str, str]:
        """The nonce of each device that the round asks, by pseudonym."""
        return self._record.nonces

    @property
    def intents(self) -> Mapping[str, Entry]:
        """The ledger entry behind each accepted update, by pseudonym."""
        return self._intents

    def is_of(self, round_: int, model_hash: str, policy_hash: str) -> bool:
        """Whether its updates can still be used: for this round, from this model, under this policy."""
        record = self._record
        return (record.round, record.model_hash, record.policy_hash) == (round_, model_hash, policy_hash)

    def accept(self, device: str, update: Update) -> None:
        """The update counts when this returns. Raises StorageError where the disk is full; it does not count then."""
        facts = {_INTENT: update.intent.model_dump_json()}
        atomic_write(self._path(device), save(update.delta, metadata=facts))
        self._intents[device] = update.intent

    @property
    def updates(self) -> "Updates":
        """The accepted changes, in the order of the pseudonyms."""
        return Updates([self._path(device) for device in sorted(self._intents)])

    def discard(self) -> None:
        """The round is checkpointed, or given up. Its record goes first: what is left is no round."""
        (self._folder / _RECORD).unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, device: str) -> Path:
        return self._folder / f"{device}{_SUFFIX}"


class Updates:
    """Changes on the disk, to be gone through as often as needed with one of them in memory at a time."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for path in self._paths:
            with safe_open(path, "pt") as file:
                yield {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict


def _read_intent(path: Path) -> Entry | None:
    """None where the device has not answered. A damaged file is as good as none: its device still has the bytes."""
    try:
        with safe_open(path, "pt") as file:
            return parse_entry((file.metadata() or {}).get(_INTENT, ""))
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, LedgerError):
        log.warning("the accepted update %s cannot be read; its device is asked again", path.name)
        return None
