"""`fl-server init`: a new federation's folder."""

import contextlib
import socket
from pathlib import Path

import tomli_w

from fl_server.aggregation import rule_by_settings
from fl_server.certificates import create_identity
from fl_server.enrolment.registry import Registry
from fl_server.folder import FederationFolder
from fl_server.policy_in_force import policy_in_force
from fl_server.settings import Settings, checked_settings
from shared_models.errors import SettingsError
from shared_models.files import atomic_write

CONSENT_TEXT = (
    "This study improves a model that recognises emotions during online learning. If you agree, this computer looks"
    " at its camera while you study. When you tell it how you feel, it keeps the seconds before as small gray pictures"
    " of your face, encrypted, on this computer only. It trains a small part of the shared model on them and sends the"
    " change with random noise added. You can pause, delete everything or leave at any time. What was sent before"
    " cannot be called back, and the privacy spent on it is never refunded."
)


def create_federation(root: Path, overrides: dict[str, dict[str, object]]) -> Settings:
    """Writes `federation.toml`, keys and certificates to `root`; `overrides` are entries by section.

    A port that is 0 or not given is chosen among those that are free now. Raises SettingsError where `root` holds a
    federation already or an entry is wrong, PolicyError where the entries make no policy or their rule of aggregation
    voids its claim, StorageError where `root` cannot be made.
    """
    folder = FederationFolder(root)
    if folder.settings.exists():
        raise SettingsError(f"{root} holds a federation already", fix="Choose another folder, or `fl-server start` it")
    sections = _defaults(root)
    for section, entries in overrides.items():
        sections.setdefault(section, {}).update(entries)
    for port, free in zip(("fleet_port", "enrolment_port"), _free_ports(2), strict=True):
        sections["server"][port] = sections["server"].get(port) or free
    settings = checked_settings(sections, folder.settings)
    rule_by_settings(settings.aggregation, settings.privacy_policy())  # refused before anything is written
    folder.create()
    create_identity(folder, settings.study.id, settings.server.host)
    Registry(folder.enrolment)
    atomic_write(
        folder.settings, tomli_w.dumps(settings.model_dump(exclude_none=True), multiline_strings=True).encode()
    )
    policy_in_force(folder, settings)
    return settings


def _defaults(root: Path) -> dict[str, dict[str, object]]:
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in root.resolve().name.lower()).strip("-") or "study"
    study: dict[str, object] = {
        "id": name[:63],
        "title": f"Emotion recognition in online learning ({name})",
        "controller": "nobody yet",
        "contact": "nobody yet",
        "consent_text": CONSENT_TEXT,
    }
    return {"study": study, "server": {}}


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
