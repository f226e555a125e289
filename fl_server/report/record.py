"""What the federation's folder records of its rounds, and whether that record holds."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from fl_server.certificates import load_signing_key
from fl_server.checkpoint import Checkpoint
from fl_server.federation import check_ledger_reaches
from fl_server.folder import FederationFolder
from fl_server.report.document.record import Check
from shared_models.errors import LedgerError
from shared_models.privacy.ledger import GENESIS, Entry, RoundClosed, RoundVoid, read_ledger

_CHAIN = "chain and signatures of the server's ledger"


@dataclass(frozen=True)
class Record:
    """The closed rounds in order, void ones too, since what devices spent on them stays spent; and what was checked."""

    entries: Sequence[Entry]
    rounds: Sequence[RoundClosed]
    void: int
    checks: Sequence[Check]
    read_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    @property
    def holds(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def participations(self) -> Counter[str]:
        """How often each device's update was used, by pseudonym."""
        return Counter(device for round_ in self.rounds for device in round_.debits)

    @property
    def head(self) -> str:
        return self.entries[-1].hash if self.entries else GENESIS


def read_record(folder: FederationFolder, last: Checkpoint) -> Record:
    """The record up to now; where its ledger does not hold it is empty, and a check says why."""
    try:
        entries = read_ledger(folder.ledger, load_signing_key(folder).public_key())
        check_ledger_reaches(entries, last)
    except LedgerError as error:
        return Record([], [], 0, [Check(name=_CHAIN, passed=False, detail=str(error))])
    rounds = [entry.body for entry in entries if isinstance(entry.body, RoundClosed)]
    void = sum(isinstance(entry.body, RoundVoid) for entry in entries)
    checks = [
        Check(
            name=_CHAIN,
            passed=True,
            detail=f"{len(entries)} entries, each linked to the one before and signed",
        ),
        Check(
            name="the ledger reaches the last checkpoint",
            passed=True,
            detail=f"the checkpoint of round {last.round} names an entry of it",
        ),
    ]
    return Record(entries, rounds, void, checks)
