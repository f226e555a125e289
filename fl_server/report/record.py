"""What the federation's folder records of its rounds, and whether that record holds."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fl_server.certificates import load_signing_key
from fl_server.checkpoint import Checkpoint
from fl_server.enrolment.registry import Device, Registry
from fl_server.folder import FederationFolder
from fl_server.verify.checks import Checked, run_checks
from fl_server.verify.evidence import Evidence
from fl_server.verify.lines import complete_lines, entries_of
from shared_models.errors import LedgerError
from shared_models.privacy.events import Erased, Withdrawn
from shared_models.privacy.ledger import GENESIS, read_ledger
from shared_models.privacy.policy import Policy
from shared_models.privacy.receipts import sign_receipt

_READ = "reading the record"
_REACHES = "the ledger reaches the last checkpoint"


@dataclass(frozen=True)
class Record:
    """The evidence, empty where it cannot be read, and what was checked about it."""

    evidence: Evidence
    checks: Sequence[Checked]
    read_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    @property
    def failed(self) -> Checked | None:
        return next((check for check in self.checks if not check.passed), None)

    @property
    def withdrawn(self) -> int:
        """Devices that said so in a ledger that was handed over."""
        return self._devices_with(Withdrawn)

    @property
    def erased(self) -> int:
        return self._devices_with(Erased)

    def _devices_with(self, kind: type) -> int:
        ledgers = self.evidence.device_ledgers.values()
        return sum(any(isinstance(entry.body, kind) for entry in ledger) for ledger in ledgers)


def read_record(folder: FederationFolder, study: str, policy: Policy, last: Checkpoint) -> Record:
    """The record up to now. Raises SettingsError where the signing key is missing."""
    key, devices = load_signing_key(folder), Registry(folder.enrolment).devices()
    keys = {device.pseudonym: _key(device) for device in devices}
    evidence = Evidence(study, policy, key.public_key(), keys, [], [])
    try:
        evidence = replace(
            evidence,
            entries=read_ledger(folder.ledger, key.public_key()),
            intents=entries_of(complete_lines(folder.intents)),
            device_ledgers={
                path.stem: entries_of(path.read_bytes()) for path in sorted(folder.device_ledgers.glob("*.jsonl"))
            },
        )
    except LedgerError as error:
        return Record(evidence, [Checked(_READ, False, str(error))])
    receipts = {
        device: sign_receipt(key, study, device, evidence.last_used(device)) for device in evidence.participations
    }
    evidence = replace(evidence, receipts=receipts)
    return Record(evidence, [_reaches(evidence, last), *run_checks(evidence)])


def _reaches(evidence: Evidence, last: Checkpoint) -> Checked:
    if last.ledger_head in {GENESIS, *(entry.hash for entry in evidence.entries)}:
        return Checked(_REACHES, True, f"the checkpoint of round {last.round} names an entry of it")
    return Checked(_REACHES, False, f"entries that the checkpoint of round {last.round} names are missing")


def _key(device: Device) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(device.ledger_key)
