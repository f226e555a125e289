"""What the student agreed to, and when: an append-only record on the device.

    invited -> informed -> active <-> paused
    any of them -> withdrawn, for good

Being shown another text or policy, or agreeing to nothing of it, leads back to informed. The state is always read from
the record, by the same rules that decide whether an action may be written to it.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from shared_models.errors import ConsentError
from shared_models.files import storage_errors, sync_folder

_FIX = "Read what it means and decide with 'fl-client consent'"

Action = Literal["inform", "grant", "lapse", "pause", "resume", "withdraw"]


class Scope(StrEnum):
    """What can be agreed to, each by itself."""

    CAPTURE = "capture"
    STORE = "store"
    TRAIN = "train"
    AUDIT = "audit"


class State(StrEnum):
    INVITED = "invited"
    INFORMED = "informed"
    ACTIVE = "active"
    PAUSED = "paused"
    WITHDRAWN = "withdrawn"


# Where an action changes nothing because what it asks for is so already.
_ALREADY: dict[str, set[State]] = {
    "inform": {State.ACTIVE, State.PAUSED},
    "lapse": {State.INFORMED},
    "pause": {State.PAUSED},
    "resume": {State.ACTIVE},
    "withdraw": {State.WITHDRAWN},
}


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    version: Literal[1] = 1
    time: datetime
    action: Action
    text_hash: str = ""
    policy_hash: str = ""
    scopes: frozenset[Scope] = frozenset()


@dataclass(frozen=True)
class Consent:
    """The state in force since `since`, with the hashes of the text and policy that it is about."""

    state: State = State.INVITED
    scopes: frozenset[Scope] = frozenset()
    text_hash: str = ""
    policy_hash: str = ""
    since: datetime | None = None

    def allows(self, scope: Scope | str, policy_hash: str) -> bool:
        """Whether `scope` may be acted on now under the policy with this hash."""
        return self.state is State.ACTIVE and scope in self.scopes and policy_hash == self.policy_hash

    def allows_keeping(self, policy_hash: str) -> bool:
        """Whether the camera may be looked at now, and what it shows kept: the one is of no use without the other."""
        return self.allows(Scope.CAPTURE, policy_hash) and self.allows(Scope.STORE, policy_hash)

    def covers(self, text_hash: str, policy_hash: str) -> bool:
        """Whether something was agreed to under this text and policy, and was not taken back since."""
        same = (text_hash, policy_hash) == (self.text_hash, self.policy_hash)
        return same and self.state in (State.ACTIVE, State.PAUSED)

    def after(self, record: _Record) -> "Consent":
        """The state once `record` is written; the same object where the action is not possible now."""
        same = (record.text_hash, record.policy_hash) == (self.text_hash, self.policy_hash)
        match record.action, self.state:
            case _, State.WITHDRAWN:
                return self
            case "withdraw", _:
                return replace(self, state=State.WITHDRAWN, scopes=frozenset(), since=record.time)
            case "inform", _ if not (same and self.state in (State.ACTIVE, State.PAUSED)):
                return Consent(State.INFORMED, frozenset(), record.text_hash, record.policy_hash, record.time)
            case "grant", State.INFORMED | State.ACTIVE | State.PAUSED if same and record.scopes:
                return replace(self, state=State.ACTIVE, scopes=record.scopes, since=record.time)
            case "lapse", State.ACTIVE | State.PAUSED:
                return replace(self, state=State.INFORMED, scopes=frozenset(), since=record.time)
            case "pause", State.ACTIVE:
                return replace(self, state=State.PAUSED, since=record.time)
            case "resume", State.PAUSED:
                return replace(self, state=State.ACTIVE, since=record.time)
            case _:
                return self


class ConsentBook:
    """The record in `folder`, which other processes may read and write at the same time."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "consent.jsonl"
        self._seen: tuple[int, int] | None = None
        self._current = Consent()

    def current(self) -> Consent:
        """The consent in force; cheap enough to ask at every frame."""
        try:
            stat = self._path.stat()
            if (stat.st_size, stat.st_mtime_ns) != self._seen:
                self._current = _replay(self._path.read_bytes())
                self._seen = (stat.st_size, stat.st_mtime_ns)
        except FileNotFoundError:
            return Consent()
        except OSError as error:
            raise ConsentError(
                f"The record of consent {self._path} cannot be read",
                why=error.strerror or str(error),
                fix="Check that it belongs to you",
            ) from error
        return self._current

    def require(self, scope: Scope | str, policy_hash: str) -> None:
        """Raises ConsentError unless `scope` was granted for this policy and still holds."""
        consent = self.current()
        if consent.allows(scope, policy_hash):
            return
        what = f"There is no consent to {scope}"
        if consent.state is State.WITHDRAWN:
            raise ConsentError(what, why="it was withdrawn", fix="To take part again, ask for an invitation")
        if consent.state is State.PAUSED:
            raise ConsentError(what, why="taking part is paused", fix="Go on with 'fl-client resume'")
        if consent.state is State.ACTIVE and policy_hash != consent.policy_hash:
            raise ConsentError(what, why="the privacy policy changed since it was given", fix=_FIX)
        raise ConsentError(what, why=f"the state is '{consent.state}'", fix=_FIX)

    def inform(self, text_hash: str, policy_hash: str) -> None:
        """The text and policy with these hashes were shown: nothing holds until these are granted."""
        self._write("inform", text_hash=text_hash, policy_hash=policy_hash)

    def grant(self, scopes: Collection[Scope | str], text_hash: str, policy_hash: str) -> None:
        """The student agrees to `scopes`, in place of earlier ones, after reading that text and policy."""
        known = {str(scope) for scope in Scope}
        if not scopes or not known.issuperset(scopes):
            raise ConsentError("Consent names no scope, or one that does not exist", fix=f"Use {', '.join(Scope)}")
        self._write("grant", text_hash=text_hash, policy_hash=policy_hash, scopes=frozenset(map(Scope, scopes)))

    def lapse(self) -> None:
        """Nothing is agreed to any more until it is granted again; what is stored stays."""
        self._write("lapse")

    def pause(self) -> None:
        self._write("pause")

    def resume(self) -> None:
        self._write("resume")

    def withdraw(self) -> None:
        self._write("withdraw")

    def _write(self, action: Action, **facts: str | frozenset[Scope]) -> None:
        record = _Record.model_validate({"time": datetime.now(UTC), "action": action, **facts})
        consent = self.current()
        if consent.after(record) is not consent:
            self._append(record.model_dump_json(exclude_defaults=True).encode() + b"\n")
        elif consent.state not in _ALREADY.get(action, ()):
            raise ConsentError(f"'{action}' is not possible now", why=f"the state is '{consent.state}'", fix=_FIX)

    def _append(self, line: bytes) -> None:
        with (
            storage_errors(self._path),
            open(self._path, "a+b", opener=lambda name, flags: os.open(name, flags, 0o600)) as file,
        ):
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            # A line that a crash cut short must not swallow this one.
            file.write(line if file.read() in (b"", b"\n") else b"\n" + line)
            file.flush()
            os.fsync(file.fileno())
            sync_folder(self._path.parent)


def _replay(record: bytes) -> Consent:
    """The state that the lines lead to. An unreadable one may have been anything: it ends consent."""
    consent = Consent()
    for line in record.splitlines():
        try:
            consent = consent.after(_Record.model_validate_json(line))
        except ValidationError:
            consent = consent if consent.state is State.WITHDRAWN else Consent()
    return consent
