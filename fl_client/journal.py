"""What this device has spent and sent: its ledger, and the noised bytes of the last intent.

The intent and its bytes are on disk before anything leaves. A task that comes twice gets the same bytes, also when the
server had them once already: a server that lost them in a crash asks again, and the device pays once. The bytes go when
the next task is answered. A crash never refunds.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from safetensors.torch import load, save
from torch import Tensor

from fl_client.earlier import earlier_intents
from fl_client.high_water import KeptMark
from fl_client.home import Enrolment, Home, Identity
from fl_client.keys import KeyVault
from shared_models.errors import BudgetError, ConsentError, LedgerError, StorageError, WireError
from shared_models.files import atomic_write
from shared_models.privacy.accounting import epsilon_of
from shared_models.privacy.events import Aborted, Erased, Intent, Released, Withdrawn, spends_of, spent_epsilon
from shared_models.privacy.ledger import Entry, Ledger
from shared_models.privacy.policy import Policy
from shared_models.privacy.receipts import receipt_holds
from shared_models.wire import Task, Update

log = logging.getLogger(__name__)


class Journal:
    """One device's lifetime under one policy. Only one process may write it at a time."""

    def __init__(
        self, policy: Policy, ledger: Ledger, outbox: Path, erasures: Path, earlier: Sequence[Intent] = ()
    ) -> None:
        """erasures: a file whose presence says that sequences were deleted since the ledger last said so
        earlier: what was debited before this device was enrolled anew
        """
        self._policy, self._ledger = policy, ledger
        self._outbox, self._erasures = outbox, erasures
        self._earlier = earlier

    @property
    def participations(self) -> int:
        """Rounds that this device has paid for in its life, whether or not its update was used."""
        return len(self._paid)

    @property
    def epsilon(self) -> float:
        """What the unit that the policy protects has spent so far: each stored sequence, or the participant."""
        return max(spent_epsilon(self._paid, m.unit, self._policy.delta) for m in self._policy.mechanisms)

    @property
    def last(self) -> Entry | None:
        """The newest entry of the ledger."""
        entries = self._ledger.entries
        return entries[-1] if entries else None

    def require_budget(self) -> None:
        """Raises BudgetError where one more participation would pass a lifetime cap."""
        paid, policy = self.participations, self._policy
        if paid >= policy.lifetime_rounds or self._epsilon_with_one_more() > policy.epsilon:
            raise BudgetError(
                f"The lifetime privacy budget of this device is spent: epsilon {self.epsilon:.2f}"
                f" of {policy.epsilon:.2f} after {paid} rounds",
                fix="Nothing to do: this device takes no more tasks in this study",
            )

    def begin(self, task: Task, device: str, server: Ed25519PublicKey) -> int:
        """The Unix second at which work on a new task begins.

        Raises ClockError where the clock runs backwards; ConsentError after a withdrawal; LedgerError where the
        server has seen more of this ledger than is here; WireError where the task is older than one answered before,
        or too soon after it.
        """
        began = self._ledger.now()
        self._record_erasures()
        if any(isinstance(entry.body, Withdrawn) for entry in self._ledger.entries):
            raise ConsentError("This device has left the study", fix="To take part again, ask for an invitation")
        self._check_receipt(task, device, server)
        latest = max((intent.round for intent in self._ledger.intents), default=None)
        if latest is not None and task.round < latest:
            raise WireError("stale", "The task is of an older round than one answered before")
        if latest is not None and task.round < latest + self._policy.min_rounds_between:
            raise WireError("too_soon", "The task comes fewer rounds after the last one than the policy allows")
        return began

    def debit(self, intent: Intent, delta: dict[str, Tensor], began: int) -> Update:
        """Puts the noised bytes and the intent on the disk, in that order, and gives what may now leave.

        A new task is the end of every earlier one that the server has not confirmed.
        """
        earlier = self._open()
        atomic_write(self._parcel(intent.nonce), save(delta))
        entry = self._ledger.append(intent, began)
        log.info("round %d: debited, epsilon is now %.4f", intent.round, self.epsilon)
        with suppress(StorageError):  # tidying up; what counts is on the disk
            for nonce in earlier:
                self.aborted(nonce)
        for parcel in self._outbox.glob("*.safetensors"):
            if parcel != self._parcel(intent.nonce):
                parcel.unlink(missing_ok=True)
        return self._kept(entry, intent.nonce)

    def answered(self, nonce: str) -> Update | None:
        """What a task was answered with before; None where it is new. Raises WireError where its bytes are gone."""
        entry = next(
            (e for e in self._ledger.entries if isinstance(e.body, Intent) and e.body.nonce == nonce),
            None,
        )
        return None if entry is None else self._kept(entry, nonce)

    def released(self, nonce: str) -> None:
        """The server took the update, whether or not a round uses it: the intent is closed, once."""
        if nonce in self._open():
            self._ledger.append(Released(nonce=nonce))

    def aborted(self, nonce: str) -> None:
        """The update will never leave: its bytes are removed. What was debited stays debited."""
        self._parcel(nonce).unlink(missing_ok=True)
        self._ledger.append(Aborted(nonce=nonce))

    def withdrawn(self) -> None:
        """The owner has left the study: no task is answered any more, whatever consent is given later."""
        for nonce in self._open():
            self.aborted(nonce)
        self._record_erasures()
        self._ledger.append(Withdrawn())

    def _record_erasures(self) -> None:
        if self._erasures.exists():
            self._ledger.append(Erased())
            self._erasures.unlink(missing_ok=True)

    def _open(self) -> list[str]:
        """Nonces of the intents that are neither released nor aborted."""
        closed = {e.body.nonce for e in self._ledger.entries if isinstance(e.body, Released | Aborted)}
        return [intent.nonce for intent in self._ledger.intents if intent.nonce not in closed]

    def _check_receipt(self, task: Task, device: str, server: Ed25519PublicKey) -> None:
        """The server's receipt tells what it has seen of this ledger, which a restored old copy does not hold."""
        if not receipt_holds(task.receipt, server, task.study, device):
            raise WireError("receipt", "The task carries no receipt that the study's server signed for this device")
        if task.receipt.entry and not self._ledger.holds(task.receipt.entry):
            raise LedgerError(
                "This device's ledger is an old copy",
                why="the server has used an entry that is not in it",
                fix="Put the newest copy back. Spent budget is never given back by restoring a backup",
            )

    @property
    def _paid(self) -> list[Intent]:
        return [*self._earlier, *self._ledger.intents]

    def _epsilon_with_one_more(self) -> float:
        intents, delta = self._paid, self._policy.delta
        return max(epsilon_of([*spends_of(intents, m.unit), m.spend], delta) for m in self._policy.mechanisms)

    def _kept(self, entry: Entry, nonce: str) -> Update:
        """What lies in the outbox, the first time and again: noise is never drawn twice for one task."""
        try:
            delta = load(self._parcel(nonce).read_bytes())
        except OSError as error:
            raise WireError("replay", "The task was answered before") from error
        return Update(nonce, entry, dict(sorted(delta.items())))

    def _parcel(self, nonce: str) -> Path:
        return self._outbox / f"{nonce}.safetensors"


def open_journal(home: Home, vault: KeyVault, enrolment: Enrolment, identity: Identity) -> Journal:
    """The device's journal, to write in. Raises LedgerError where a ledger of its folder is damaged or an old copy."""
    ledger = Ledger(home.ledger, identity.ledger, KeptMark(vault))
    return Journal(enrolment.policy, ledger, home.outbox, home.erasures, earlier_intents(home, vault))
