"""What there is of the models of past rounds, read from files: it works beside a running server and without one."""

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from fl_server.certificates import load_signing_key
from fl_server.checkpoint import Checkpoint, Checkpoints
from fl_server.folder import FederationFolder
from fl_server.models.promotion import read_promoted
from fl_server.retention import best_round
from fl_server.settings import load_settings
from fl_server.verify.lineage import Lineage
from shared_models.errors import CheckpointError
from shared_models.privacy.ledger import read_ledger


class ModelFacts(BaseModel):
    """One round's model. A damaged record has no scores.

    `best` is the best by `checkpoints.best_by` of those whose weights are kept; from `current` the next round starts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    round: int
    saved_at: AwareDatetime | None
    accuracy: float | None
    uar: float | None
    macro_f1: float | None
    weights: bool
    best: bool
    promoted: bool
    current: bool
    damaged: bool


class ModelDetails(ModelFacts):
    """All that its record says: hashes, where the ledger stood, and every score."""

    model_hash: str
    file_sha256: str
    ledger_head: str
    model: str
    scheme: str
    metrics: dict[str, Any]


def list_models(folder: FederationFolder) -> list[ModelFacts]:
    """Raises SettingsError where there is no federation in `folder`, LedgerError where its ledger does not hold."""
    metric = load_settings(folder.settings).checkpoints.best_by
    checkpoints = Checkpoints(folder.checkpoints)
    kept = set(checkpoints.with_weights())
    records = {round_: _record(checkpoints, round_) for round_ in checkpoints.rounds()}
    best = best_round([record for record in records.values() if record and record.round in kept], metric)
    promoted = read_promoted(folder)
    line = Lineage(read_ledger(folder.ledger, load_signing_key(folder).public_key()))
    return [
        ModelFacts(
            round=round_,
            saved_at=record.saved_at if record else None,
            accuracy=record.metrics["accuracy"] if record else None,
            uar=record.metrics["uar"] if record else None,
            macro_f1=record.metrics["macro_f1"] if record else None,
            weights=round_ in kept,
            best=round_ == best,
            promoted=promoted is not None and promoted.round == round_,
            current=round_ == line.current,
            damaged=record is None,
        )
        for round_, record in records.items()
    ]


def details(folder: FederationFolder, round_: int) -> ModelDetails:
    """Raises CheckpointError where there is no such round or its record is damaged, and what `list_models` raises."""
    models = {facts.round: facts for facts in list_models(folder)}
    record = Checkpoints(folder.checkpoints).record(round_)
    return ModelDetails(
        **models[round_].model_dump(),
        model_hash=record.model_hash,
        file_sha256=record.file_sha256,
        ledger_head=record.ledger_head,
        model=record.header.model,
        scheme=record.header.scheme,
        metrics=record.metrics,
    )


def _record(checkpoints: Checkpoints, round_: int) -> Checkpoint | None:
    try:
        return checkpoints.record(round_)
    except CheckpointError:
        return None
