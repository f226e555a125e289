"""The policy that a federation runs under, kept once it is calibrated: no later library moves it by a digit.

Devices have agreed to its hash. It is calibrated anew only where the settings that it comes from have changed.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from fl_server.folder import FederationFolder
from fl_server.settings import Settings
from shared_models.files import atomic_write
from shared_models.privacy.policy import Policy


class _Kept(BaseModel):
    """`policy.json`: a policy, and the settings that it was calibrated from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: dict[str, Any]
    policy: Policy


def policy_in_force(folder: FederationFolder, settings: Settings) -> Policy:
    """The kept policy where it comes from these settings; else a new one, which is kept from now on.

    Raises PolicyError where the settings make none, StorageError where it cannot be kept.
    """
    sources = settings.model_dump(mode="json", include={"policy": True, "model": {"name", "scheme", "trainable"}})
    kept = _read(folder)
    if kept is not None and kept.settings == sources:
        return kept.policy
    policy = settings.privacy_policy()
    atomic_write(folder.policy, _Kept(settings=sources, policy=policy).model_dump_json(indent=1).encode())
    return policy


def kept_policy(folder: FederationFolder) -> Policy | None:
    """The policy that was kept last, whatever the settings say by now: for those who only watch."""
    kept = _read(folder)
    return kept.policy if kept else None


def _read(folder: FederationFolder) -> _Kept | None:
    """None where nothing was kept, or what was kept is of another version."""
    try:
        return _Kept.model_validate_json(folder.policy.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
