"""`fl-server start`: everything a federation needs, put together, run, and taken down again."""

import logging
import threading
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fl_server.app import server_app
from fl_server.certificates import check_certificate, load_signing_key
from fl_server.enrolment.registry import Device, Registry
from fl_server.enrolment.service import EnrolmentService, start_enrolment
from fl_server.federation import Federation
from fl_server.folder import FederationFolder
from fl_server.legal.gate import check_gate
from fl_server.policy_in_force import policy_in_force
from fl_server.round_summary import RoundSummary
from fl_server.settings import Settings
from fl_server.transport import Transport
from shared_models.canonical import canonical
from shared_models.data.labels import scheme_by_name
from shared_models.data.sequences import CROP_SIZE, SEQUENCE_FRAMES
from shared_models.data.sources import parse_spec
from shared_models.data.splits import load_benchmark
from shared_models.enrolment import enrolment_pb2 as messages
from shared_models.evaluation.benchmark import Benchmark
from shared_models.networks.model import EmotionModel
from shared_models.networks.starter import initial_model
from shared_models.networks.weights import WeightsHeader
from shared_models.privacy.ledger import Ledger
from shared_models.privacy.policy import Policy

INPUT_SHAPE = (SEQUENCE_FRAMES, 1, CROP_SIZE, CROP_SIZE)
_MIB = 1 << 20
_GRACE_SECONDS = 2.0
log = logging.getLogger(__name__)


class Server:
    """One federation in the foreground. Everything that can fail early does so before a port is opened."""

    def __init__(
        self,
        folder: FederationFolder,
        settings: Settings,
        announce: Callable[[RoundSummary], None],
        notice: Callable[[str], None],
    ) -> None:
        """Raises LegalError, SettingsError, PolicyError, CertificateError, LedgerError, DataError or ModelError."""
        warnings = check_gate(settings.study)
        check_certificate(folder)
        self._folder, self._settings = folder, settings
        self._policy = policy_in_force(folder, settings)
        self._key = load_signing_key(folder)
        self._registry = Registry(folder.enrolment)
        self._nodes: dict[int, Device] = {}
        self._stop = threading.Event()
        scheme = scheme_by_name(settings.model.scheme)
        benchmark = Benchmark(load_benchmark(parse_spec(settings.benchmark.data), scheme), settings.model.trainable)
        ledger = Ledger(folder.ledger, self._key)
        self._federation = Federation(
            folder,
            settings,
            self._policy,
            ledger,
            self._key,
            benchmark,
            self._stop,
            announce,
            notice,
            observe=lambda phase: phase.write(folder),
        )
        self._federation.begin(self._initial)
        if settings.study.is_synthetic_simulation:
            notice("This federation runs as a research simulation with synthetic data: no legal question is asked")
        for finding in warnings:
            notice(f"Warning: {finding.sentence}")

    def run(self, last_round: int) -> None:
        """Opens the ports and runs rounds until `last_round` or `stop`. Raises AddressError where a port is taken."""
        server = self._settings.server
        transport = Transport(self._folder, server.bind, server.fleet_port, server.max_body_mib * _MIB)
        try:
            self._admit(transport, self._registry.devices())  # before a device can ask and be told it is unknown
            transport.start()
            enrolment = self._open_enrolment(transport)
            try:
                with transport.session() as session:
                    log.info("taking devices on port %d", server.fleet_port)
                    server_app(self._federation, lambda: dict(self._nodes), last_round)(session.grid, session.context)
            finally:
                enrolment.stop(_GRACE_SECONDS).wait()
        finally:
            transport.close()

    def stop(self) -> None:
        self._stop.set()

    def _admit(self, transport: Transport, devices: list[Device]) -> None:
        by_key = {device.node_key: device for device in devices}
        self._nodes |= {node: by_key[key] for node, key in transport.admit(by_key).items()}

    def _open_enrolment(self, transport: Transport):  # type: ignore[no-untyped-def]
        server = self._settings.server
        service = EnrolmentService(
            self._registry,
            describe(self._settings, self._policy, self._key),
            f"{server.host}:{server.fleet_port}",
            lambda device: self._admit(transport, [device]),
        )
        return start_enrolment(
            service,
            server.bind,
            server.enrolment_port,
            self._folder.certificate_key.read_bytes(),
            self._folder.certificate.read_bytes(),
        )

    def _initial(self) -> tuple[EmotionModel, WeightsHeader]:
        chosen = self._settings.model
        model, header, _ = initial_model(chosen.initial, chosen.name, chosen.scheme, INPUT_SHAPE)
        return model, header


def describe(settings: Settings, policy: Policy, key: Ed25519PrivateKey) -> messages.StudyDescription:
    """The study's terms, with the policy signed by the server's key."""
    text = canonical(policy.model_dump(mode="json"))
    study = settings.study
    return messages.StudyDescription(
        study=study.id,
        title=study.title,
        controller=study.controller,
        contact=study.contact,
        purpose=study.purpose,
        consent_text=study.consent_text,
        policy=text.decode(),
        policy_signature=key.sign(text),
        server_key=key.public_key().public_bytes_raw(),
    )
