"""Where a device's files lie, and what enrolment left there."""

from pathlib import Path
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fl_client.keys import KeyVault
from shared_models.canonical import canonical_hash
from shared_models.errors import EnrolmentError, KeyStoreError
from shared_models.files import atomic_write, storage_errors
from shared_models.privacy.policy import Policy
from shared_models.sealing import seal, unseal

IDENTITY_KEY = "identity"


class Home:
    """The folder of one device."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings = root / "config.toml"
        self.enrolment = root / "enrolment.json"
        self.consent = root / "consent.jsonl"
        self.earlier = root / "earlier"
        self.sealed_keys = root / "keys.json"
        self.keyring_account = root / "keyring.json"
        self.node_key = root / "node.key"
        self.ledger_key = root / "ledger.key"
        self.ledger = root / "ledger.jsonl"
        self.store = root / "store"
        self.outbox = root / "outbox"
        self.erasures = root / "erased"
        self.model = root / "model.safetensors"
        self.receipt = root / "receipt.json"
        self.withdrawal = root / "withdrawal.json"
        self.status = root / "status.json"
        self.questions = root / "questions.sock"
        self.log = root / "client.log"
        self.page = root / "page.url"
        self.no_hints = root / "no-hints"
        self.lock = root / "running.lock"

    def create(self) -> None:
        """Makes the folders, readable by their owner only."""
        with storage_errors(self.root):
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.outbox.mkdir(mode=0o700, exist_ok=True)


class Enrolment(BaseModel):
    """What this device knows of the study that it belongs to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    study: str
    title: str
    controller: str
    contact: str
    purpose: str
    consent_text: str
    pseudonym: Annotated[str, Field(pattern="^[0-9a-f]{8}$")]
    fleet_address: str
    enrolment_address: str = ""
    """Empty where the device enrolled before the program kept it."""
    ca_pem: str
    server_key: str
    ledger_key: str
    policy: Policy
    live_reading: bool = False
    """Whether the study's terms let this device show its owner what the model makes of them."""

    @property
    def text_hash(self) -> str:
        """What consent is given to: a changed text asks again."""
        return canonical_hash(self.consent_text)

    def save(self, home: Home) -> None:
        atomic_write(home.enrolment, self.model_dump_json(indent=1).encode())


def load_enrolment(home: Home) -> Enrolment:
    """Raises EnrolmentError where the device is not enrolled, or its record is damaged."""
    try:
        return Enrolment.model_validate_json(home.enrolment.read_bytes())
    except FileNotFoundError as error:
        raise EnrolmentError(
            "This device is not enrolled in a study", fix="Run `fl-client enrol INVITATION`"
        ) from error
    except (OSError, ValidationError) as error:
        raise EnrolmentError(
            f"{home.enrolment} is damaged",
            fix="Put it back from a backup, or ask for a new invitation and enrol with another --home",
        ) from error


class Identity:
    """The device's two private keys: one to talk to the fleet port, one to sign its ledger. Sealed on disk."""

    def __init__(self, node: ec.EllipticCurvePrivateKey, ledger: Ed25519PrivateKey) -> None:
        self.node, self.ledger = node, ledger

    @classmethod
    def generate(cls) -> "Identity":
        return cls(ec.generate_private_key(ec.SECP384R1()), Ed25519PrivateKey.generate())

    def save(self, home: Home, vault: KeyVault) -> None:
        key = vault.create(IDENTITY_KEY)
        for path, private in ((home.node_key, self.node), (home.ledger_key, self.ledger)):
            der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            atomic_write(path, seal(key, der, path.name.encode()))

    @classmethod
    def load(cls, home: Home, vault: KeyVault) -> "Identity":
        """Raises KeyStoreError where a key is missing or cannot be opened."""
        key = vault.key(IDENTITY_KEY)
        try:
            node, ledger = (
                load_der_private_key(unseal(key, path.read_bytes(), path.name.encode()), None)
                for path in (home.node_key, home.ledger_key)
            )
        except Exception as error:
            raise KeyStoreError(
                "This device's keys cannot be opened",
                why="a key file is missing or damaged",
                fix="Enrol anew with `fl-client enrol INVITATION --again`",
            ) from error
        if not isinstance(node, ec.EllipticCurvePrivateKey) or not isinstance(ledger, Ed25519PrivateKey):
            raise KeyStoreError("This device's keys are of the wrong kind", fix="Enrol again")
        return cls(node, ledger)
