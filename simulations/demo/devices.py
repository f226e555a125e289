"""The demo's four students: enrolled by invitation, filmed by rendered webcams, answering by script."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl_client.passphrase import PassphraseVault
from fl_client.store import Store
from shared_models.data.sequences import Sequences
from simulations.demo.cast import Webcam
from simulations.demo.processes import Processes
from simulations.demo.reference import as_sequences

_SETTINGS = """\
[node]
poll_seconds = 0.5
retry_seconds = 1.0

[training]  # whoever looks at a demo uses the computer meanwhile
engine = "{engine}"
mains_only = false
max_cpu_percent = 100
max_celsius = 1000
idle_seconds = 0
"""


@dataclass(frozen=True)
class DemoDevice:
    """One laptop's folder, and the camera in front of it."""

    home: Path
    webcam: Webcam

    @property
    def name(self) -> str:
        return f"device-{self.webcam.number}"

    def enrol(self, processes: Processes, invitation: str, engine: str) -> None:
        self.home.mkdir(mode=0o700, parents=True)
        (self.home / "config.toml").write_text(_SETTINGS.format(engine=engine), encoding="utf-8")
        processes.call("fl-client", "enrol", invitation, "--home", str(self.home), "--yes")

    def consent(self, processes: Processes, scopes: str) -> None:
        processes.call("fl-client", "consent", "--home", str(self.home), "--scopes", scopes, "--yes")

    def start(self, processes: Processes) -> None:
        camera, labels = str(self.webcam.video), str(self.webcam.labels)
        processes.start(self.name, "fl-client", "run", "--home", str(self.home), "--camera", camera, "--labels", labels)

    def sequences(self, passphrase: Path) -> Sequences:
        """What the device has stored, opened with its passphrase as only its owner can."""
        vault = PassphraseVault(self.home / "keys.json", lambda: passphrase.read_text(encoding="utf-8"))
        with Store(self.home / "store", vault) as store:
            stored = list(store.load_all())
        return as_sequences([one.frames for one in stored], [one.label_index for one in stored])

    def progress(self) -> dict[str, Any]:
        """What the device's own status file says; empty before there is one."""
        path = self.home / "status.json"
        return json.loads(path.read_bytes()) if path.exists() else {}

    def status(self, processes: Processes) -> dict[str, Any]:
        return dict(json.loads(processes.call("fl-client", "status", "--home", str(self.home), "--json")))
