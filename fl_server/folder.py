"""Where a federation's files lie."""

from pathlib import Path

from shared_models.files import storage_errors


class FederationFolder:
    """The folder that `fl-server init` makes: settings, keys, certificates, ledger, checkpoints."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings = root / "federation.toml"
        self.policy = root / "policy.json"
        self.ca_certificate = root / "certificates" / "ca.pem"
        self.ca_key = root / "keys" / "ca.key"
        self.certificate = root / "certificates" / "server.pem"
        self.certificate_key = root / "keys" / "server.key"
        self.signing_key = root / "keys" / "ledger.key"
        self.enrolment = root / "enrolment.db"
        self.transport = root / "transport"
        self.ledger = root / "ledger.jsonl"
        self.intents = root / "intents.jsonl"
        self.device_ledgers = root / "device-ledgers"
        self.rounds = root / "rounds.jsonl"
        self.checkpoints = root / "checkpoints"
        self.open_round = root / "open-round"
        self.report = root / "report.html"
        self.audit = root / "audit.json"
        self.phase = root / "state.json"
        self.lock = root / "server.lock"
        self.log = root / "server.log"
        self.refusals = root / "refusals.json"
        self.promoted = root / "promoted.json"
        self.page_address = root / "operator-page.url"
        self.tensorboard = root / "tensorboard"
        self.compared = root / "compared"

    def create(self) -> None:
        """Makes the folders, readable by their owner only; raises StorageError where that is not possible."""
        with storage_errors(self.root):
            for folder in (self.root, self.ca_certificate.parent, self.ca_key.parent, self.checkpoints):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
