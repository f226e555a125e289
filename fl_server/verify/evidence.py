"""What there is to check: the server's ledger, what devices signed, and what both were to hold to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared_models.privacy.events import Intent, ModelRestored, RoundClosed, RoundVoid
from shared_models.privacy.ledger import GENESIS, Entry
from shared_models.privacy.policy import Policy
from shared_models.privacy.receipts import Receipt

SIMULATED = "simulated"
"""First word of the engine in an entry whose noise was drawn in a simulation."""


@dataclass(frozen=True)
class Evidence:
    """One study's evidence.

    intents:        entries of devices' ledgers that came with their updates, in the order in which they came
    device_ledgers: whole ledgers, where their owners handed them over
    receipts:       the last entry of each device that the server says it used
    """

    study: str
    policy: Policy
    server_key: Ed25519PublicKey
    device_keys: Mapping[str, Ed25519PublicKey]
    entries: Sequence[Entry]
    intents: Sequence[Entry]
    receipts: Mapping[str, Receipt] = field(default_factory=dict)
    device_ledgers: Mapping[str, Sequence[Entry]] = field(default_factory=dict)

    @property
    def rounds(self) -> list[RoundClosed]:
        """The closed rounds in order, void ones too: what devices spent on them stays spent."""
        return [entry.body for entry in self.entries if isinstance(entry.body, RoundClosed)]

    @property
    def void(self) -> int:
        return sum(isinstance(entry.body, RoundVoid) for entry in self.entries)

    @property
    def restores(self) -> list[ModelRestored]:
        """The times that the operator went back to an earlier model or put back a backup, in order."""
        return [entry.body for entry in self.entries if isinstance(entry.body, ModelRestored)]

    @property
    def head(self) -> str:
        return self.entries[-1].hash if self.entries else GENESIS

    @property
    def participations(self) -> Counter[str]:
        """How often each device's update was used, by pseudonym."""
        return Counter(device for round_ in self.rounds for device in round_.debits)

    @property
    def simulated(self) -> bool:
        """Whether any entry says of itself that no device enforced it."""
        bodies = (entry.body for entry in self.intents)
        return any(isinstance(body, Intent) and body.engine.split()[0] == SIMULATED for body in bodies)

    def last_used(self, device: str) -> str:
        """The hash of the device's last entry that a round was closed with; empty where there is none."""
        used = [round_.debits[device] for round_ in self.rounds if device in round_.debits]
        return used[-1] if used else ""

    def intents_of(self, device: str) -> list[Intent]:
        """What the device is known to have spent: its whole ledger where there is one, else what came with updates."""
        known = self.device_ledgers.get(device, self.intents)
        bodies = [entry.body for entry in known if isinstance(entry.body, Intent)]
        return [body for body in bodies if body.device == device]
