"""What an operator watches of each round: one line of `rounds.jsonl`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from fl_server.folder import FederationFolder


class RoundSummary(BaseModel):
    """A round that closed or failed, or the model that a federation starts from. It names no device."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    round: int
    state: Literal["start", "checkpointed", "failed"]
    online: int
    asked: int
    accepted: int
    rejected: dict[str, int]
    accuracy: float
    uar: float
    macro_f1: float
    f1: dict[str, float] = {}
    """F1 of each class that the benchmark has; empty in a line that an older version wrote."""
    epsilon: float
    """The most that the updates used so far cost any device, for each of its sequences."""
    seconds: float


def scores_of(metrics: dict[str, Any]) -> dict[str, Any]:
    """The summary's scores, from a checkpoint's metrics."""
    by_class = {name: score["f1"] for name, score in metrics["per_class"].items() if score["support"]}
    return {name: metrics[name] for name in ("accuracy", "uar", "macro_f1")} | {"f1": by_class}


def read_rounds(folder: FederationFolder) -> list[RoundSummary]:
    """Every round so far, failed ones too; a line that is being written is left out."""
    if not folder.rounds.exists():
        return []
    lines = folder.rounds.read_bytes().split(b"\n")[:-1]
    return [RoundSummary.model_validate_json(line) for line in lines]
