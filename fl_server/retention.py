"""Whose weights are kept, and from whose the next round starts."""

import logging
from collections.abc import Collection, Iterable, Sequence

from fl_server.checkpoint import Checkpoint, Checkpoints
from fl_server.verify.lineage import Lineage
from shared_models.errors import CheckpointError
from shared_models.privacy.ledger import Entry

log = logging.getLogger(__name__)


def tidy(checkpoints: Checkpoints, keep_last: int, metric: str, protected: Collection[int]) -> None:
    """Removes the weights of old rounds; their records stay, for the report.

    Kept are those of the last `keep_last` rounds, the best by `metric`, round 0 and the `protected` ones. A checkpoint
    whose record is damaged is left for the operator to look at.

    Raises StorageError where weights cannot be removed.
    """
    kept = checkpoints.with_weights()
    records = _readable(checkpoints, kept)
    best = best_round(records, metric)
    stay = {0, best, *protected, *kept[-keep_last:]}
    for record in records:
        if record.round not in stay:
            checkpoints.drop_weights(record.round)
            log.info("the weights of round %d are no longer kept", record.round)


def best_round(records: Iterable[Checkpoint], metric: str) -> int | None:
    """The round with the highest score, the earliest of those with the same; None where there is no record."""
    best = max(records, key=lambda record: (record.metrics[metric], -record.round), default=None)
    return None if best is None else best.round


def starting_point(entries: Sequence[Entry], checkpoints: Checkpoints) -> int:
    """The round whose weights the next round starts from: the last closed one, or one that was gone back to since.

    Raises CheckpointError where they are not there.
    """
    current = Lineage(entries).current
    if current not in checkpoints.with_weights():
        raise CheckpointError(
            f"There are no weights of round {current}",
            why="the server's ledger says that the next round starts from them",
            fix="Put its checkpoint back from a backup, or go back to another round with `fl-server models rollback`",
        )
    return current


def next_round(entries: Sequence[Entry]) -> int:
    """The number of the next round: above every number in use, after steps back and lost rounds too."""
    return Lineage(entries).next_round


def _readable(checkpoints: Checkpoints, rounds: Iterable[int]) -> list[Checkpoint]:
    records = []
    for round_ in rounds:
        try:
            records.append(checkpoints.record(round_))
        except CheckpointError:
            log.warning("the record of round %d is damaged", round_)
    return records
