"""`fl-client doctor`: what a device needs, looked at one by one. Nothing of it leaves the computer.

The one connection is the one that a running device makes too: it asks the study's server for its terms.
"""

import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from fl_client.consent import ConsentBook, State
from fl_client.home import Enrolment, Home, Identity, load_enrolment
from fl_client.options import DEFAULT_HOME, HomeOption, JsonOption, shown
from fl_client.settings import CaptureSettings, Settings, load_settings
from shared_models.commandline import out, print_json
from shared_models.errors import AttuneError, CameraError, ClockError, StorageError

_SCARCE_BYTES, _TOO_FEW_BYTES = 1 << 30, 100 << 20
_DARK = 25.0  # mean of a frame, of 255
_JOIN = "Join a study with `fl-client enrol INVITATION`"
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@dataclass(frozen=True)
class Finding:
    """One line. `code` is the exit code of what failed."""

    check: str
    level: Literal["ok", "warn", "fail"]
    what: str
    fix: str = ""
    code: int = 0


Check = Callable[[], Finding]


def doctor(
    home: HomeOption = DEFAULT_HOME,
    camera: Annotated[str, typer.Option(help="The camera to try, as for `fl-client run`.")] = "0",
    as_json: JsonOption = False,
) -> None:
    """Check what this device needs and say what to do. Takes one picture, looks whether it is dark, and drops it."""
    findings = list(examine(Home(home), camera))
    if as_json:
        print_json([{"check": f.check, "level": f.level, "what": f.what, "fix": f.fix} for f in findings])
    else:
        for finding in findings:
            out.print(f"[{_COLOURS[finding.level]}]{finding.level:<4}[/] {_line(finding)}", soft_wrap=True)
    failed = [finding.code for finding in findings if finding.level == "fail"]
    if failed:
        raise typer.Exit(failed[0])


def examine(home: Home, camera: str) -> Iterator[Finding]:
    """Every check in turn; one that fails keeps no other from being made, where that does not need it."""
    settings, fault = _settings(home)
    yield fault
    yield _tried("disk", lambda: _disk(home))
    yield _tried("detector", lambda: _detector(settings.capture))
    yield _tried("camera", lambda: _camera(home, camera, settings.capture.fps))
    if not home.enrolment.exists():
        yield _tried("keys", _key_store)
        yield Finding("enrolment", "warn", "This device is in no study", _JOIN)
        return
    try:
        enrolment = load_enrolment(home)
    except AttuneError as error:
        yield _failed("enrolment", error)
        return
    identity, keys = _identity(home)
    yield keys
    yield _tried("consent", lambda: _consent(home, enrolment, settings))
    yield _tried("budget", lambda: _budget(home, enrolment))
    if identity is None:
        yield Finding("server", "warn", "Not asked, since this device's keys are closed", "See the line about keys")
    else:
        yield from _server(enrolment, identity)


def _settings(home: Home) -> tuple[Settings, Finding]:
    try:
        return load_settings(home.settings), Finding("settings", "ok", f"{home.settings} can be read, or is not there")
    except AttuneError as error:
        return Settings(), _failed("settings", error)


def _disk(home: Home) -> Finding:
    if not home.root.exists():
        return Finding(
            "disk", "warn", f"{home.root} is not there yet", "Join a study with `fl-client enrol INVITATION`"
        )
    mode = stat.S_IMODE(home.root.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        raise StorageError(f"Others may look into {home.root}", fix=f"Run `chmod 700 {home.root}`")
    if not os.access(home.root, os.W_OK | os.X_OK):
        raise StorageError(f"{home.root} cannot be written", fix="Check that it belongs to you")
    free = shutil.disk_usage(home.root).free
    if free < _TOO_FEW_BYTES:
        raise StorageError(f"Only {free >> 20} MiB are free on the disk", fix="Free some space")
    level: Literal["ok", "warn"] = "warn" if free < _SCARCE_BYTES else "ok"
    return Finding("disk", level, f"{free >> 20} MiB are free, and {home.root} is yours alone")


def _detector(settings: CaptureSettings) -> Finding:
    import numpy as np

    from fl_client.capture.finder import face_finder

    face_finder(settings).find(np.zeros((120, 160, 3), np.uint8))
    if settings.face_model:
        return Finding("detector", "ok", f"YuNet from {settings.face_model}, which has the SHA-256 that you set")
    return Finding(
        "detector", "ok", "OpenCV's Haar cascades; YuNet is faster: see capture.face_model in docs/settings.md"
    )


def _camera(home: Home, camera: str, fps: float) -> Finding:
    from fl_client.capture.sources import open_source
    from shared_models.files import is_held

    if is_held(home.lock):
        return Finding("camera", "ok", "Left alone, since `fl-client run` may be using it", "See `fl-client status`")
    with open_source(camera, fps) as source:
        frame = next((frame for _, frame in source), None)
    if frame is None:
        raise CameraError(f"{camera} shows nothing", fix="Name another camera, video or folder")
    size = f"It gives {frame.shape[1]}x{frame.shape[0]}"
    if frame.mean() < _DARK:
        return Finding("camera", "warn", f"{size}, and the picture is dark", "Uncover it, or turn on a light")
    return Finding("camera", "ok", size)


def _key_store() -> Finding:
    import keyring

    from fl_client.keys import find_backend

    backend = find_backend(keyring.get_keyring())
    if backend is None:
        return Finding("keys", "warn", "No key store here encrypts what it keeps", "You will be asked for a passphrase")
    return Finding(
        "keys", "ok", f"{type(backend).__module__.removeprefix('keyring.backends.')} keeps this device's keys"
    )


def _identity(home: Home) -> tuple[Identity | None, Finding]:
    """A passphrase comes from ATTUNE_PASSPHRASE_FILE only: nobody is asked for one in order to look."""
    from fl_client.keys import open_vault
    from fl_client.passphrase import PASSPHRASE_FILE

    if ConsentBook(home.root).current().state is State.WITHDRAWN:
        return None, Finding("keys", "ok", "Destroyed when you left")
    if home.sealed_keys.exists() and PASSPHRASE_FILE not in os.environ:
        fix = f"Name its file in {PASSPHRASE_FILE} to have the keys and the server checked"
        return None, Finding("keys", "warn", "They are under a passphrase, and were not opened", fix)
    try:
        identity = Identity.load(home, open_vault(home.root))
    except AttuneError as error:
        return None, _failed("keys", error)
    return identity, Finding("keys", "ok", "They open")


def _consent(home: Home, enrolment: Enrolment, settings: Settings) -> Finding:
    settings.limits.check(enrolment.policy)
    consent = ConsentBook(home.root).current()
    if consent.state is State.WITHDRAWN:
        return Finding("consent", "ok", "You have left the study")
    if not consent.covers(enrolment.text_hash, enrolment.policy.hash):
        what = "You have agreed to nothing under the study's present terms"
        return Finding("consent", "warn", what, "Decide with `fl-client consent`")
    scopes = ", ".join(sorted(consent.scopes))
    if consent.state is State.PAUSED:
        return Finding("consent", "warn", f"Paused, with consent to {scopes}", "Go on with `fl-client resume`")
    return Finding("consent", "ok", f"You agreed to {scopes}")


def _budget(home: Home, enrolment: Enrolment) -> Finding:
    from fl_client.earlier import history
    from shared_models.privacy.ledger import intents_of

    entries = history(home, enrolment)
    if entries and entries[-1].at > time.time():
        raise ClockError(
            "This computer's clock runs behind its own ledger", fix="Let the system set its clock from the network"
        )
    paid, most = len(intents_of(entries)), enrolment.policy.lifetime_rounds
    if paid >= most:
        return Finding("budget", "warn", f"Spent: all {most} rounds", "Nothing to do: this device takes no more tasks")
    return Finding("budget", "ok", f"{paid} of {most} rounds are spent, and every signature in the ledger holds")


def _server(enrolment: Enrolment, identity: Identity) -> Iterator[Finding]:
    from fl_client.terms import ask_terms

    address = enrolment.enrolment_address
    known = Finding("server", "ok", f"{address} answers, with the certificate of the authority you enrolled with")
    try:
        offered = ask_terms(enrolment, identity)
    except ClockError as error:
        yield known
        yield _failed("clock", error)
    except AttuneError as error:
        yield _failed("server", error)
    else:
        yield known
        yield Finding("clock", "ok", "Within five minutes of the server's")
        yield _terms(offered, enrolment)


def _terms(offered: Enrolment, enrolment: Enrolment) -> Finding:
    if (offered.text_hash, offered.policy.hash) == (enrolment.text_hash, enrolment.policy.hash):
        return Finding("terms", "ok", "Those that you have read are in force")
    fix = "`fl-client run` fetches the new ones; then decide with `fl-client consent`"
    return Finding("terms", "warn", "The study has changed its terms", fix)


def _tried(name: str, check: Check) -> Finding:
    try:
        return check()
    except AttuneError as error:
        return _failed(name, error)


def _failed(name: str, error: AttuneError) -> Finding:
    return Finding(name, "fail", f"{error.what}: {error.why}" if error.why else error.what, error.fix, error.exit_code)


def _line(finding: Finding) -> str:
    fix = f" {finding.fix}." if finding.fix else ""
    return shown(f"{finding.check}: {finding.what}.{fix}")
