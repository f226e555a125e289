"""`fl-server devices`: who is enrolled, how often each took part, and taking a device out."""

import datetime as dt
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict
from rich import box
from rich.table import Table

from fl_server.certificates import load_signing_key
from fl_server.enrolment.registry import Member, Registry
from fl_server.folder import FederationFolder
from fl_server.settings import load_settings
from shared_models.errors import UsageError
from shared_models.privacy.events import RoundClosed
from shared_models.privacy.ledger import read_ledger


class DeviceFacts(BaseModel):
    """What an operator may know of one device; no key of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: str
    enrolled: dt.date
    state: Literal["enrolled", "withdrawn", "removed"]
    left: dt.date | None
    rounds: int
    """Closed rounds that used an update of its."""
    last_round: int | None
    replaces: str | None
    """The device whose rounds count as its own too."""


def device_facts(folder: FederationFolder) -> list[DeviceFacts]:
    """Everybody who ever enrolled, in order.

    Raises SettingsError where there is no federation in the folder, LedgerError where its ledger does not hold.
    """
    load_settings(folder.settings)
    entries = read_ledger(folder.ledger, load_signing_key(folder).public_key())
    closed = [entry.body for entry in entries if isinstance(entry.body, RoundClosed)]
    facts = []
    for member in Registry(folder.enrolment).members():
        device = member.device.pseudonym
        used = [round_.round for round_ in closed if device in round_.debits]
        facts.append(
            DeviceFacts(
                device=device,
                enrolled=_day(member.enrolled),
                state=member.how or "enrolled",
                left=None if member.left is None else _day(member.left),
                rounds=len(used),
                last_round=max(used, default=None),
                replaces=next(iter(member.device.earlier), None),
            )
        )
    return facts


def device_table(rows: Sequence[DeviceFacts]) -> Table:
    table = Table("device", "enrolled", "state", "left", "rounds", "last round", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        last = "-" if row.last_round is None else str(row.last_round)
        left = "-" if row.left is None else str(row.left)
        table.add_row(row.device, str(row.enrolled), row.state, left, str(row.rounds), last)
    return table


def remove(folder: FederationFolder, pseudonyms: Sequence[str]) -> list[str]:
    """Takes the devices out that have not left yet and gives their names; all of them or, where one is unknown, none.

    Raises UsageError naming one that nobody enrolled as, SettingsError where there is no federation in the folder.
    """
    load_settings(folder.settings)
    known = require_known(folder, pseudonyms)
    Registry(folder.enrolment).leave(pseudonyms, "removed")
    return [pseudonym for pseudonym in dict.fromkeys(pseudonyms) if known[pseudonym].left is None]


def require_known(folder: FederationFolder, pseudonyms: Sequence[str]) -> dict[str, Member]:
    """Everybody who ever enrolled, by pseudonym; raises UsageError naming one of `pseudonyms` that is not there."""
    known = {member.device.pseudonym: member for member in Registry(folder.enrolment).members()}
    for pseudonym in pseudonyms:
        if pseudonym not in known:
            raise UsageError(
                f"There is no device '{pseudonym}'", fix=f"`fl-server devices list {folder.root}` names them"
            )
    return known


def _day(seconds: int) -> dt.date:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).date()
