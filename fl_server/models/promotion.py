"""The model that is handed out: a mark in `promoted.json`, set by the operator."""

import datetime as dt

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from fl_server.checkpoint import Checkpoints
from fl_server.folder import FederationFolder
from shared_models.errors import CheckpointError
from shared_models.files import atomic_write


class Promoted(BaseModel):
    """The model to hand out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    round: int
    model_hash: str
    at: AwareDatetime


def read_promoted(folder: FederationFolder) -> Promoted | None:
    """None where no model was promoted. Raises CheckpointError where the mark cannot be read."""
    try:
        return Promoted.model_validate_json(folder.promoted.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise CheckpointError(
            f"{folder.promoted} cannot be read", fix="Promote the model again with `fl-server models promote`"
        ) from error


def promote(folder: FederationFolder, round_: int) -> Promoted:
    """Marks the model of `round_`. Works beside a running server, which keeps the weights that are marked.

    Raises CheckpointError where the checkpoint is damaged or its weights are not kept; what was marked then stays so.
    """
    checkpoints = Checkpoints(folder.checkpoints)
    _, record = checkpoints.load(round_)
    before = folder.promoted.read_bytes() if folder.promoted.exists() else None
    promoted = Promoted(round=round_, model_hash=record.model_hash, at=dt.datetime.now(dt.UTC))
    atomic_write(folder.promoted, promoted.model_dump_json(indent=1).encode())
    if round_ not in checkpoints.with_weights():  # a running server tidied them up before it saw the mark
        _put_back(folder, before)
        checkpoints.load(round_)
    return promoted


def _put_back(folder: FederationFolder, before: bytes | None) -> None:
    if before is None:
        folder.promoted.unlink()
    else:
        atomic_write(folder.promoted, before)
