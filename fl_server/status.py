"""What `fl-server status` knows, read from files: it works beside a running server and without one."""

from pydantic import BaseModel, ConfigDict

from fl_server.enrolment.registry import Registry
from fl_server.folder import FederationFolder
from fl_server.round_summary import RoundSummary, read_rounds
from fl_server.settings import load_settings


class Status(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    study: str
    title: str
    purpose: str
    devices: int
    open_invitations: int
    round: int
    epsilon: float
    epsilon_cap: float
    delta: float
    rounds: list[RoundSummary]


def read_status(folder: FederationFolder) -> Status:
    """Raises SettingsError where there is no federation in the folder."""
    settings = load_settings(folder.settings)
    registry, rounds = Registry(folder.enrolment), read_rounds(folder)
    closed = [summary for summary in rounds if summary.state != "failed"]
    return Status(
        study=settings.study.id,
        title=settings.study.title,
        purpose=settings.study.purpose,
        devices=len(registry.devices()),
        open_invitations=registry.open_invitations(),
        round=closed[-1].round if closed else 0,
        epsilon=closed[-1].epsilon if closed else 0.0,
        epsilon_cap=settings.policy.epsilon,
        delta=settings.policy.delta,
        rounds=rounds,
    )
