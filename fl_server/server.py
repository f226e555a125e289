"""`fl-server start`: everything a federation needs, put together, run, and taken down again."""

import contextlib
import logging
import secrets
import threading
from typing import Protocol

from starlette.types import ASGIApp

from fl_server.app import server_app
from fl_server.certificates import check_certificate, expiry_warning, load_signing_key
from fl_server.enrolment.departures import DepartureWatch
from fl_server.enrolment.listener import renewing_credentials, start_enrolment
from fl_server.enrolment.registry import Registry
from fl_server.enrolment.service import EnrolmentService
from fl_server.enrolment.terms import describe
from fl_server.federation import Federation
from fl_server.folder import FederationFolder
from fl_server.legal.gate import check_gate
from fl_server.listeners.limits import Limits
from fl_server.page.address import keep_address
from fl_server.page.app import operator_page
from fl_server.phase import Phase
from fl_server.policy_in_force import policy_in_force
from fl_server.refusals import Refusals
from fl_server.roster import Roster
from fl_server.round_summary import RoundSummary
from fl_server.scalars import Scalars
from fl_server.settings import Settings
from fl_server.starting_model import starting_model
from fl_server.transport import Transport
from shared_models.data.labels import SCHEMES, LabelScheme
from shared_models.data.sources import parse_spec
from shared_models.data.splits import load_benchmark
from shared_models.errors import SettingsError
from shared_models.evaluation.benchmark import Benchmark
from shared_models.networks.model import EmotionModel
from shared_models.networks.weights import WeightsHeader
from shared_models.privacy.ledger import Ledger
from shared_models.resources import give_freed_memory_back

_MIB = 1 << 20
_GRACE_SECONDS = 2.0
log = logging.getLogger(__name__)


class Display(Protocol):
    """Where an operator sees what happens."""

    def note(self, text: str) -> None: ...
    def show(self, phase: Phase) -> None: ...
    def add(self, summary: RoundSummary) -> None: ...


class Server:
    """One federation in the foreground. Everything that can fail early does so before a port is opened."""

    def __init__(self, folder: FederationFolder, settings: Settings, display: Display) -> None:
        """Raises LegalError, SettingsError, PolicyError, CertificateError, LedgerError, DataError or ModelError."""
        warnings = check_gate(settings.study)
        scheme = _scheme_for_devices(settings.model.scheme)
        check_certificate(folder)
        self._folder, self._settings, self._display = folder, settings, display
        self._policy = policy_in_force(folder, settings)
        self._key = load_signing_key(folder)
        self._registry = Registry(folder.enrolment)
        self._stop = threading.Event()
        self._scalars = Scalars(folder, settings.watch.tensorboard)
        self._federation = Federation(
            folder,
            settings,
            self._policy,
            Ledger(folder.ledger, self._key),
            self._key,
            Benchmark(load_benchmark(parse_spec(settings.benchmark.data), scheme), settings.model.trainable),
            self._stop,
            announce=self._announce,
            notice=display.note,
            observe=self._observe,
        )
        self._federation.begin(self._initial)
        if settings.study.is_synthetic_simulation:
            display.note(
                "This federation runs as a research simulation with synthetic data: no legal question is asked"
            )
        for finding in warnings:
            display.note(f"Warning: {finding.sentence}")
        if expiring := expiry_warning(folder):
            log.warning("%s", expiring)
            display.note(f"Warning: {expiring}")

    def run(self, last_round: int) -> None:
        """Opens the ports and runs rounds until `last_round` or `stop`.

        Raises AddressError where a port is taken, StorageError where its folder cannot be used.
        """
        token = secrets.token_urlsafe(32)
        give_freed_memory_back()
        with Refusals(self._folder) as refusals, self._scalars, contextlib.ExitStack() as opened:
            transport = self._open_transport(operator_page(self._folder, token), refusals)
            opened.callback(transport.close)
            roster = Roster(transport)
            roster.admit(self._registry.active())  # before a device can ask and be told it is unknown
            transport.start()
            enrolment = self._open_enrolment(roster)
            opened.callback(lambda: enrolment.stop(_GRACE_SECONDS).wait())
            opened.enter_context(DepartureWatch(self._registry, roster.revoke))
            session = opened.enter_context(transport.session())
            log.info("taking devices on port %d", self._settings.server.fleet_port)
            address = keep_address(self._folder, transport.loopback_port, token)
            self._display.note(f"The operator's page: {address}")
            server_app(self._federation, roster.devices, last_round)(session.grid, session.context)

    def stop(self) -> None:
        self._stop.set()

    def _announce(self, summary: RoundSummary) -> None:
        self._display.add(summary)
        self._scalars.add(summary)

    def _observe(self, phase: Phase) -> None:
        phase.write(self._folder)
        self._display.show(phase)

    def _open_transport(self, pages: ASGIApp, refusals: Refusals) -> Transport:
        server = self._settings.server
        limits = Limits(
            requests_per_second=server.requests_per_second,
            body_seconds=server.body_seconds,
            max_connections=server.max_connections,
        )
        return Transport(
            self._folder,
            server.bind,
            server.fleet_port,
            server.max_body_mib * _MIB,
            limits,
            server.loopback_port,
            pages,
            refusals.count,
        )

    def _open_enrolment(self, roster: Roster):  # type: ignore[no-untyped-def]
        server = self._settings.server
        service = EnrolmentService(
            self._registry,
            describe(self._settings, self._policy, self._key),
            self._key,
            f"{server.host}:{server.fleet_port}",
            admit=roster.admit,
            revoke=roster.revoke,
        )
        return start_enrolment(service, server, renewing_credentials(self._folder))

    def _initial(self) -> tuple[EmotionModel, WeightsHeader]:
        model, header, _ = starting_model(self._settings.model)
        return model, header


def _scheme_for_devices(name: str) -> LabelScheme:
    """Raises SettingsError where no device could label for it: what a student taps on is one class."""
    if name not in SCHEMES:
        raise SettingsError(
            f"No federation trains for the label scheme {name}",
            why="on a device a label is one class; this scheme is for `fl-server pretrain` and `fl-server evaluate`",
            fix=f"Put one of these under model.scheme: {', '.join(SCHEMES)}",
        )
    return SCHEMES[name]
