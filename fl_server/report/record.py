"""What the federation's folder records of its rounds, and whether that record holds."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fl_server.certificates import load_signing_key
from fl_server.checkpoint import Checkpoint
from fl_server.enrolment.registry import Departure, Device, Registry
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
    """The evidence, empty where it cannot be read, what was checked about it, and how devices left the register."""

    evidence: Evidence
    checks: Sequence[Checked]
    left: Mapping[str, Departure] = field(default_factory=dict)
    read_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    @property
    def failed(self) -> Checked | None:
        return next((check for check in self.checks if not check.passed), None)

    @property
    def withdrawn(self) -> set[str]:
        """Devices that told the server, or said so in a ledger that was handed over."""
        return self._devices_with(Withdrawn) | {device for device, how in self.left.items() if how == "withdrawn"}

    @property
    def removed(self) -> int:
        """Devices that the operator took out."""
        return sum(how == "removed" for how in self.left.values())

    @property
    def still_let_in(self) -> set[str]:
        """Devices whose ledger says that they withdrew, and which the server would still ask."""
        return self.withdrawn - self.left.keys()

    @property
    def erased(self) -> int:
        return len(self._devices_with(Erased))

    def _devices_with(self, kind: type) -> set[str]:
        ledgers = self.evidence.device_ledgers.items()
        return {device for device, ledger in ledgers if any(isinstance(entry.body, kind) for entry in ledger)}


def read_record(folder: FederationFolder, study: str, policy: Policy, last: Checkpoint) -> Record:
    """The record up to now. Raises SettingsError where the signing key is missing."""
    key, members = load_signing_key(folder), Registry(folder.enrolment).members()
    keys = {member.device.pseudonym: _key(member.device) for member in members}
    left = {member.device.pseudonym: member.how for member in members if member.how is not None}
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
        return Record(evidence, [Checked(_READ, False, str(error))], left)
    receipts = {
        device: sign_receipt(key, study, device, evidence.last_used(device)) for device in evidence.participations
    }
    heads = {member.device.pseudonym: member.head for member in members}
    evidence = replace(
        evidence, receipts=receipts, heads={device: heads[device] for device in heads.keys() & evidence.device_ledgers}
    )
    return Record(evidence, [_reaches(evidence, last), *run_checks(evidence)], left)


def _reaches(evidence: Evidence, last: Checkpoint) -> Checked:
    if last.ledger_head in {GENESIS, *(entry.hash for entry in evidence.entries)}:
        return Checked(_REACHES, True, f"the checkpoint of round {last.round} names an entry of it")
    return Checked(_REACHES, False, f"entries that the checkpoint of round {last.round} names are missing")


def _key(device: Device) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(device.ledger_key)
