"""Round checkpoints: complete or absent.

A round's weights are drafted before its ledger entry is written, and the draft gets its name once the model is scored.
The ledger entry is the moment a round counts: a start finds either no entry, and the draft is nothing, or the entry and
the weights that it names, and finishes the checkpoint.
"""

import datetime as dt
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from shared_models.canonical import canonical_hash
from shared_models.errors import CheckpointError, ModelError
from shared_models.files import atomic_write, storage_errors, sync_folder
from shared_models.networks.model import EmotionModel
from shared_models.networks.weights import WeightsHeader, load_model, save_model, weights_hash

_MODEL, _OPTIMISER, _RECORD = "model.safetensors", "optimiser.safetensors", "checkpoint.json"


class Checkpoint(BaseModel):
    """What is known of the global model after `round` rounds; round 0 is the model a federation starts from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    round: int
    saved_at: AwareDatetime
    model_hash: str
    file_sha256: str
    optimiser_sha256: str = ""
    """Of the server optimiser's state; empty in the records of a server that kept none."""
    ledger_head: str
    metrics: dict[str, Any]
    header: WeightsHeader


class Checkpoints:
    """The folder `checkpoints/`, one folder a round."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def draft(self, round_: int, model: EmotionModel, header: WeightsHeader, optimiser: Mapping[str, Tensor]) -> None:
        """Puts a round's weights and the server optimiser's state on the disk, under a name that counts for nothing.

        Raises StorageError where the disk is full; what was there before is whole.
        """
        draft = self._draft_path(round_)
        with storage_errors(draft):
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(mode=0o700)
            save_model(draft / _MODEL, model, header)
            atomic_write(draft / _OPTIMISER, save(dict(optimiser)))
            sync_folder(self._folder)

    def drafted(self, round_: int) -> tuple[EmotionModel, WeightsHeader] | None:
        """The model of a draft; None where there is none, or not a whole one."""
        try:
            model, header, _ = load_model(self._draft_path(round_) / _MODEL)
            load((self._draft_path(round_) / _OPTIMISER).read_bytes())
        except (OSError, SafetensorError, ModelError):
            return None
        return model, header

    def commit(
        self, round_: int, model: EmotionModel, header: WeightsHeader, metrics: dict[str, Any], ledger_head: str
    ) -> Checkpoint:
        """Makes the draft of `round_`, which holds `model`, its checkpoint. Raises StorageError as `draft` does."""
        draft = self._draft_path(round_)
        record = Checkpoint(
            round=round_,
            saved_at=dt.datetime.now(dt.UTC),
            model_hash=weights_hash(model.state_dict()),
            file_sha256=_sha256(draft / _MODEL),
            optimiser_sha256=_sha256(draft / _OPTIMISER),
            ledger_head=ledger_head,
            metrics=metrics,
            header=header,
        )
        facts = record.model_dump(mode="json")
        sealed = {"record": facts, "sha256": canonical_hash(facts)}
        with storage_errors(draft):
            atomic_write(draft / _RECORD, json.dumps(sealed, indent=1).encode())
            os.rename(draft, self._path(round_))
            sync_folder(self._folder)
        return record

    def save(
        self, round_: int, model: EmotionModel, header: WeightsHeader, metrics: dict[str, Any], ledger_head: str
    ) -> Checkpoint:
        """Draft and commit in one: for a model that no ledger entry waits for."""
        self.draft(round_, model, header, {})
        return self.commit(round_, model, header, metrics, ledger_head)

    def rounds(self) -> list[int]:
        """The rounds that have a checkpoint, in order."""
        numbers = (path.name.removeprefix("round-") for path in self._folder.glob("round-*"))
        return sorted(int(number) for number in numbers if number.isdecimal())

    def with_weights(self) -> list[int]:
        """Those of them whose weights are still kept, in order."""
        return [round_ for round_ in self.rounds() if (self._path(round_) / _MODEL).exists()]

    def drop_weights(self, round_: int) -> None:
        """Removes the weights for good and keeps the record. Raises StorageError where that is not possible.

        The model goes last: for as long as it is there, a call that was cut off is made again.
        """
        path = self._path(round_)
        with storage_errors(path):
            for name in (_OPTIMISER, _MODEL):
                (path / name).unlink(missing_ok=True)

    def record(self, round_: int) -> Checkpoint:
        """Raises CheckpointError where the checkpoint's record is missing or not what was written."""
        path = self._path(round_)
        if not path.exists():
            raise CheckpointError(
                f"There is no checkpoint of round {round_}", fix="`fl-server models list` shows those that there are"
            )
        try:
            sealed = json.loads((path / _RECORD).read_bytes())
            intact = canonical_hash(sealed["record"]) == sealed["sha256"]
            record = Checkpoint.model_validate(sealed["record"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(path) from error
        if not intact:
            raise _damaged(path)
        return record

    def load(self, round_: int) -> tuple[EmotionModel, Checkpoint]:
        """Raises CheckpointError where its weights are not there or a byte of them is not what was written."""
        path, record = self._path(round_), self.record(round_)
        if not (path / _MODEL).exists():
            raise _without_weights(path)
        if _sha256(path / _MODEL) != record.file_sha256:
            raise _damaged(path)
        model, _, _ = load_model(path / _MODEL)
        return model, record

    def optimiser_state(self, round_: int) -> dict[str, Tensor]:
        """The server optimiser's state after `round_`; empty where it has none. Raises as `load` does."""
        path, expected = self._path(round_) / _OPTIMISER, self.record(round_).optimiser_sha256
        if not expected:
            return {}
        if not path.exists() or _sha256(path) != expected:
            raise _damaged(path.parent)
        return load(path.read_bytes())

    def _draft_path(self, round_: int) -> Path:
        return self._folder / f".round-{round_:05d}.new"

    def _path(self, round_: int) -> Path:
        return self._folder / f"round-{round_:05d}"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _without_weights(path: Path) -> CheckpointError:
    return CheckpointError(
        f"There are no weights in the checkpoint {path}",
        why="they were removed to save space, and its record was kept",
        fix="Choose a round that `fl-server models list` shows with weights",
    )


def _damaged(path: Path) -> CheckpointError:
    return CheckpointError(
        f"The checkpoint {path} is damaged",
        why="its files are not those that were written",
        fix="Move that folder away to go on from the round before it",
    )
