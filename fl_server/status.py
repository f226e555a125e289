"""What `fl-server status` knows, read from files: it works beside a running server and without one."""

import datetime as dt
import shutil

from cryptography import x509

from fl_server.enrolment.registry import Registry
from fl_server.folder import FederationFolder
from fl_server.models.promotion import read_promoted
from fl_server.phase import Phase
from fl_server.refusals import Refusals
from fl_server.round_summary import RoundSummary, read_rounds
from fl_server.settings import Settings, load_settings
from shared_models.documented import Documented
from shared_models.errors import CheckpointError
from shared_models.files import is_held

_DAY_SECONDS = 24 * 3600


class Score(Documented):
    """What the global model scores on the benchmark."""

    accuracy: float
    """share of sequences that the last model got right"""
    uar: float
    """unweighted average recall of the last model: every emotion counts the same"""
    macro_f1: float
    """mean F1 of the last model over the emotions of the benchmark"""
    best_uar: float
    """highest unweighted average recall of any round"""
    best_round: int
    """the round that reached it; 0 is the model that the federation started from"""
    f1: dict[str, float]
    """F1 of the last model by emotion"""


class Status(Documented):
    """Where a federation stands."""

    study: str
    """id of the study"""
    title: str
    """title of the study"""
    purpose: str
    """purpose of the study, as the legal gate knows it"""
    running: bool
    """whether a server holds the folder now"""
    phase: Phase | None
    """what the server does, or did last when it is not running; null where none has run"""
    page: str | None
    """address of the operator's page with its token; null where no server is running"""
    round: int
    """rounds with a checkpoint"""
    planned_rounds: int
    """total number of rounds that the settings ask for"""
    failed_rounds: int
    """rounds that failed and were tried again"""
    devices: int
    """devices that are enrolled and have not left"""
    left: int
    """devices that left or were removed"""
    online: int
    """devices online when the state was written; 0 where no server is running"""
    open_invitations: int
    """invitations that are unused and not expired"""
    score: Score | None
    """what the model scores; null before the first score"""
    epsilon: float
    """the most that the updates used so far cost any device"""
    epsilon_cap: float
    """lifetime cap"""
    delta: float
    """the delta at which both are stated"""
    refusals: dict[str, int]
    """requests that the listeners turned away since the server started, by reason"""
    enrolment_refusals: dict[str, int]
    """how often the enrolment port refused somebody, ever, by reason"""
    disk_free_bytes: int
    """space left where the folder lies"""
    certificate_days: int
    """whole days until the server's certificate expires; negative once it has"""
    promoted_round: int | None
    """the round whose model was promoted; null where none was"""
    rounds: list[RoundSummary]
    """every round so far, failed ones too"""


def read_status(folder: FederationFolder) -> Status:
    """Raises SettingsError where there is no federation in the folder."""
    settings = load_settings(folder.settings)
    phase = Phase.read(folder)
    return status_of(folder, settings, phase, running=_is_running(folder, phase))


def status_of(folder: FederationFolder, settings: Settings, phase: Phase | None, *, running: bool) -> Status:
    """The same for whoever knows already whether the server is running: the server itself."""
    registry, rounds = Registry(folder.enrolment), read_rounds(folder)
    members = registry.members()
    closed = [summary for summary in rounds if summary.state != "failed"]
    return Status(
        study=settings.study.id,
        title=settings.study.title,
        purpose=settings.study.purpose,
        running=running,
        phase=phase,
        page=_page(folder) if running else None,
        round=closed[-1].round if closed else 0,
        planned_rounds=settings.rounds.rounds,
        failed_rounds=len(rounds) - len(closed),
        devices=sum(member.left is None for member in members),
        left=sum(member.left is not None for member in members),
        online=phase.online if phase and running else 0,
        open_invitations=registry.open_invitations(),
        score=_score(closed) if closed else None,
        epsilon=closed[-1].epsilon if closed else 0.0,
        epsilon_cap=settings.policy.epsilon,
        delta=settings.policy.delta,
        refusals=Refusals.read(folder),
        enrolment_refusals=registry.refusals(),
        disk_free_bytes=shutil.disk_usage(folder.root).free,
        certificate_days=_certificate_days(folder),
        promoted_round=_promoted(folder),
        rounds=rounds,
    )


def _is_running(folder: FederationFolder, phase: Phase | None) -> bool:
    """The lock is asked only where the process may exist: asking takes it for a moment."""
    return (phase is None or phase.may_be_running) and is_held(folder.lock)


def _score(closed: list[RoundSummary]) -> Score:
    last, best = closed[-1], max(closed, key=lambda summary: summary.uar)
    return Score(
        accuracy=last.accuracy,
        uar=last.uar,
        macro_f1=last.macro_f1,
        best_uar=best.uar,
        best_round=best.round,
        f1=last.f1,
    )


def _page(folder: FederationFolder) -> str | None:
    return folder.page_address.read_text().strip() if folder.page_address.exists() else None


def _certificate_days(folder: FederationFolder) -> int:
    expires = x509.load_pem_x509_certificate(folder.certificate.read_bytes()).not_valid_after_utc
    return int((expires - dt.datetime.now(dt.UTC)).total_seconds() // _DAY_SECONDS)


def _promoted(folder: FederationFolder) -> int | None:
    try:
        promoted = read_promoted(folder)
    except CheckpointError:
        return None
    return promoted.round if promoted else None
