"""Round checkpoints: complete or absent. The rename of a checkpoint's folder is the moment a round counts."""

import datetime as dt
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared_models.canonical import canonical_hash
from shared_models.errors import CheckpointError
from shared_models.files import atomic_write, storage_errors, sync_folder
from shared_models.networks.model import EmotionModel
from shared_models.networks.weights import WeightsHeader, load_model, save_model, weights_hash

_MODEL, _RECORD = "model.safetensors", "checkpoint.json"
_OPTIMISER = "optimiser.safetensors"


class Checkpoint(BaseModel):
    """What is known of the global model after `round` rounds; round 0 is the model a federation starts from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    round: int
    saved_at: AwareDatetime
    model_hash: str
    file_sha256: str
    ledger_head: str
    metrics: dict[str, Any]
    header: WeightsHeader


class Checkpoints:
    """The folder `checkpoints/`, one folder a round."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(
        self,
        round_: int,
        model: EmotionModel,
        header: WeightsHeader,
        metrics: dict[str, Any],
        ledger_head: str,
    ) -> Checkpoint:
        """Raises StorageError where the disk is full; the checkpoint is then absent and the one before it is whole."""
        final = self._path(round_)
        draft = final.with_name(f".{final.name}.new")
        with storage_errors(draft):
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(mode=0o700)
            save_model(draft / _MODEL, model, header)
            record = Checkpoint(
                round=round_,
                saved_at=dt.datetime.now(dt.UTC),
                model_hash=weights_hash(model.state_dict()),
                file_sha256=_sha256(draft / _MODEL),
                ledger_head=ledger_head,
                metrics=metrics,
                header=header,
            )
            facts = record.model_dump(mode="json")
            sealed = {"record": facts, "sha256": canonical_hash(facts)}
            atomic_write(draft / _RECORD, json.dumps(sealed, indent=1).encode())
            os.rename(draft, final)
            sync_folder(self._folder)
        return record

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
