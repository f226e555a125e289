"""Round checkpoints: complete or absent. The rename of a checkpoint's folder is the moment a round counts."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from shared_models.errors import CheckpointError
from shared_models.files import atomic_write, storage_errors, sync_folder
from shared_models.networks.model import EmotionModel
from shared_models.networks.weights import WeightsHeader, load_model, save_model, weights_hash

_MODEL, _RECORD = "model.safetensors", "checkpoint.json"


class Checkpoint(BaseModel):
    """What is known of the global model after `round` rounds; round 0 is the model a federation starts from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    round: int
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
                model_hash=weights_hash(model.state_dict()),
                file_sha256=_sha256(draft / _MODEL),
                ledger_head=ledger_head,
                metrics=metrics,
                header=header,
            )
            atomic_write(draft / _RECORD, json.dumps(record.model_dump(mode="json"), indent=1).encode())
            os.rename(draft, final)
            sync_folder(self._folder)
        return record

    def rounds(self) -> list[int]:
        """The rounds that have a checkpoint, in order."""
        return sorted(int(path.name.removeprefix("round-")) for path in self._folder.glob("round-*"))

    def record(self, round_: int) -> Checkpoint:
        """Raises CheckpointError where the checkpoint's record is missing or damaged."""
        path = self._path(round_)
        try:
            return Checkpoint.model_validate_json((path / _RECORD).read_bytes())
        except (OSError, ValidationError) as error:
            raise _damaged(path) from error

    def load(self, round_: int) -> tuple[EmotionModel, Checkpoint]:
        """Raises CheckpointError where a byte of the model is not what was written."""
        path, record = self._path(round_), self.record(round_)
        if not (path / _MODEL).exists() or _sha256(path / _MODEL) != record.file_sha256:
            raise _damaged(path)
        model, _, _ = load_model(path / _MODEL)
        return model, record

    def _path(self, round_: int) -> Path:
        return self._folder / f"round-{round_:05d}"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _damaged(path: Path) -> CheckpointError:
    return CheckpointError(
        f"The checkpoint {path} is damaged",
        why="its files are not those that were written",
        fix="Move that folder away to go on from the round before it",
    )
