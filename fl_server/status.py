"""What `fl-server status` knows, read from files: it works beside a running server and without one."""

from pydantic import BaseModel, ConfigDict

from fl_server.enrolment.registry import Registry
from fl_server.federation import RoundSummary
from fl_server.folder import FederationFolder
from fl_server.settings import load_settings


class Status(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    study: str
    title: str
    purpose: str
    devices: int
    """Devices that are enrolled and have not left."""
    left: int
    open_invitations: int
    refusals: dict[str, int]
    """How often the enrolment port refused somebody, by reason."""
    round: int
    epsilon: float
    epsilon_cap: float
    delta: float
    rounds: list[RoundSummary]


def read_status(folder: FederationFolder) -> Status:
    """Raises SettingsError where there is no federation in the folder."""
    settings = load_settings(folder.settings)
    registry, rounds = Registry(folder.enrolment), read_rounds(folder)
    members = registry.members()
    closed = [summary for summary in rounds if summary.state != "failed"]
    return Status(
        study=settings.study.id,
        title=settings.study.title,
        purpose=settings.study.purpose,
        devices=sum(member.left is None for member in members),
        left=sum(member.left is not None for member in members),
        open_invitations=registry.open_invitations(),
        refusals=registry.refusals(),
        round=closed[-1].round if closed else 0,
        epsilon=closed[-1].epsilon if closed else 0.0,
        epsilon_cap=settings.policy.epsilon,
        delta=settings.policy.delta,
        rounds=rounds,
    )


def read_rounds(folder: FederationFolder) -> list[RoundSummary]:
    """Every round so far, failed ones too; a line that is being written is left out."""
    if not folder.rounds.exists():
        return []
    lines = folder.rounds.read_bytes().split(b"\n")[:-1]
    return [RoundSummary.model_validate_json(line) for line in lines]
