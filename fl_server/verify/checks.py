"""Checks of a study's evidence, in the order in which they build on each other.

Each returns how much it checked, in words, and raises VerificationError or LedgerError where something does not hold.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from fl_server.verify.evidence import Evidence
from fl_server.verify.lineage import Lineage
from shared_models.errors import LedgerError, VerificationError
from shared_models.privacy.accounting import Spend, epsilon_of, merged
from shared_models.privacy.events import (
    Intent,
    ModelRestored,
    Released,
    RoundClosed,
    RoundVoid,
    Withdrawn,
    spends_of,
)
from shared_models.privacy.ledger import Entry, check_chain, check_signature
from shared_models.privacy.loss_distributions import pld_epsilon
from shared_models.privacy.receipts import receipt_holds

_AGREEMENT, _ROUNDING = 0.01, 0.02
_SERVERS = RoundClosed | RoundVoid | ModelRestored
"""Kinds of entry that only a server writes."""


@dataclass(frozen=True)
class Checked:
    """One check, whether it held, and how much it covered or what failed."""

    name: str
    passed: bool
    detail: str


def server_ledger(evidence: Evidence) -> str:
    """Every entry is the server's, in order, and linked to the one before."""
    check_chain(evidence.entries, evidence.server_key)
    for entry in evidence.entries:
        if not isinstance(entry.body, _SERVERS):
            raise VerificationError(f"Entry {entry.seq} of the server's ledger is of a kind that only devices write")
    return f"{len(evidence.entries)} entries, each linked to the one before and signed"


def one_policy(evidence: Evidence) -> str:
    """Every round was run, and every debit made, under the policy that the figures are of."""
    for round_ in evidence.rounds:
        if round_.study != evidence.study:
            raise VerificationError(f"Round {round_.round} belongs to another study")
        if round_.policy_hash != evidence.policy.hash:
            raise VerificationError(f"The policy was changed: round {round_.round} was run under another one")
    for intent in _bodies(evidence):
        if (intent.policy_hash, intent.mechanisms) != (evidence.policy.hash, evidence.policy.mechanisms):
            raise VerificationError(f"Devices have different policies: that of {intent.device} is another one")
    return f"{len(evidence.rounds)} rounds and {len(evidence.intents)} debits name the same policy"


def device_entries(evidence: Evidence) -> str:
    """Every entry that came with an update was signed by its device, once, and later than the one before."""
    latest: dict[str, tuple[int, int]] = {}
    nonces: set[str] = set()
    for entry in evidence.intents:
        intent = _intent(entry)
        key = evidence.device_keys.get(intent.device)
        if key is None or intent.study != evidence.study:
            raise VerificationError(f"An entry is from {intent.device}, who is not enrolled in this study")
        check_signature(entry, key)
        before = latest.get(intent.device, (-1, 0))
        if entry.seq <= before[0] or entry.at < before[1]:
            raise VerificationError(f"The entries of device {intent.device} are out of order or appear twice")
        if intent.nonce in nonces:
            raise VerificationError(f"The nonce of entry {entry.seq} of device {intent.device} was used before")
        latest[intent.device] = entry.seq, entry.at
        nonces.add(intent.nonce)
    return f"{len(evidence.intents)} entries of {len(latest)} devices, each signed by its device"


def debits_backed(evidence: Evidence) -> str:
    """Every debit of a closed round is an entry of its device, for that round and that model."""
    by_hash = {entry.hash: _intent(entry) for entry in evidence.intents}
    backed: set[str] = set()
    for round_ in evidence.rounds:
        for device, digest in round_.debits.items():
            intent = by_hash.get(digest)
            if intent is None or digest in backed:
                raise VerificationError(f"The debit of device {device} in round {round_.round} has no entry behind it")
            if (intent.device, intent.round, intent.model_hash) != (device, round_.round, round_.model_before):
                raise VerificationError(f"The debit of device {device} in round {round_.round} is for something else")
            backed.add(digest)
    spare = len(by_hash) - len(backed)
    return f"{len(backed)} debits, each with the signed entry behind it; {spare} entries of rounds that did not count"


def rounds_linked(evidence: Evidence) -> str:
    """Each round began with the model that the one before ended with, or with the one that the operator went back to.

    After a void round its number comes again; after a step back the numbers count on.
    """
    line = Lineage()
    for entry in evidence.entries:
        body = entry.body
        if isinstance(body, RoundClosed):
            if body.round != line.next_round or line.model not in (None, body.model_before):
                raise VerificationError(f"Round {body.round} does not follow from the round before it")
        elif isinstance(body, RoundVoid):
            if body.round == 0 or body.round not in line.models:
                raise VerificationError(f"Round {body.round} was declared void and was never closed")
        elif isinstance(body, ModelRestored):
            _check_restore(body, line, evidence.study)
        line.follow(body)
    back = f"; {len(evidence.restores)} steps back" if evidence.restores else ""
    return f"{len(evidence.rounds)} rounds, each from the model of the one before{back}"


def _check_restore(restored: ModelRestored, line: Lineage, study: str) -> None:
    """It goes back to a model that was; it may pass over numbers of rounds, and never takes one back."""
    begins = line.model is None and restored.to_round == 0
    known = line.models.get(restored.to_round) == restored.model_hash or begins
    if restored.study != study or restored.round < line.next_round - 1 or not known:
        raise VerificationError(
            f"The step back to round {restored.to_round} after round {restored.round} does not fit the rounds before it"
        )


def receipts(evidence: Evidence) -> str:
    """The server's receipts are its own and name the last entry that it used of each device."""
    took_part = evidence.participations
    if evidence.receipts.keys() != took_part.keys():
        raise VerificationError("Receipts are missing, or are for devices that took no part")
    for device, receipt in evidence.receipts.items():
        if not receipt_holds(receipt, evidence.server_key, evidence.study, device):
            raise VerificationError(f"The receipt of device {device} was not signed by the server")
        if receipt.entry != evidence.last_used(device):
            raise VerificationError(f"The receipt of device {device} disagrees with the server's ledger")
    return f"{len(evidence.receipts)} receipts, each for the last entry used"


def device_ledgers(evidence: Evidence) -> str:
    """Whole ledgers that were handed over: unbroken, with every entry that the server has, and no arrival beside."""
    for device, entries in evidence.device_ledgers.items():
        if device not in evidence.device_keys:
            raise VerificationError(f"There is a ledger of {device}, who is not enrolled in this study")
        check_chain(entries, evidence.device_keys[device])
        _check_kinds(device, entries)
        sent = {entry.hash for entry in evidence.intents if _intent(entry).device == device}
        if not sent <= {entry.hash for entry in entries}:
            raise VerificationError(f"The ledger of device {device} lacks entries that the server has")
        known = {_intent(entry).nonce for entry in entries if entry.hash in sent}
        if not {entry.body.nonce for entry in entries if isinstance(entry.body, Released)} <= known:
            raise VerificationError(f"Device {device} was told that an update arrived which the server does not have")
    return f"{len(evidence.device_ledgers)} whole ledgers of {len(evidence.device_keys)} devices were handed over"


def _check_kinds(device: str, entries: Sequence[Entry]) -> None:
    """The ledger holds what its device may write, and nothing after its owner left."""
    for position, entry in enumerate(entries):
        body = entry.body
        if isinstance(body, _SERVERS):
            raise VerificationError(f"The ledger of device {device} holds an entry that only a server writes")
        if isinstance(body, Intent) and body.device != device:
            raise VerificationError(f"The ledger of device {device} holds a debit of another device")
        if isinstance(body, Withdrawn) and position != len(entries) - 1:
            raise VerificationError(f"The ledger of device {device} goes on after its owner withdrew")


def budgets(evidence: Evidence) -> str:
    """Nobody spent more than the cap, by two accountants; nobody took part more often or sooner than agreed."""
    policy = evidence.policy
    worst = 0.0
    for device in evidence.device_keys:
        intents = evidence.intents_of(device)
        for mechanism in policy.mechanisms:
            spends = spends_of(intents, mechanism.unit)
            epsilon = epsilon_of(spends, policy.delta)
            if spends and not agree(epsilon, second_epsilon(merged(spends), policy.delta)):
                raise VerificationError(f"Two accountants disagree on what device {device} has spent")
            if epsilon > policy.epsilon:
                raise VerificationError(f"Device {device} has spent more than the cap of {policy.epsilon:g}")
            worst = max(worst, epsilon)
    for device, count in evidence.participations.items():
        if count > policy.lifetime_rounds:
            raise VerificationError(f"Device {device} took part in {count} rounds of at most {policy.lifetime_rounds}")
    _check_separation(evidence)
    return f"{len(evidence.device_keys)} devices, each within the cap, recomputed from events by two accountants"


@lru_cache(maxsize=256)
def second_epsilon(spends: tuple[Spend, ...], delta: float) -> float:
    """The other accountant's figure; devices with the same history share it."""
    return pld_epsilon(spends, delta)


def agree(epsilon: float, second: float) -> bool:
    """Whether two accountants lie within one hundredth of each other, rounding aside."""
    return abs(second - epsilon) <= _AGREEMENT * epsilon + _ROUNDING


def _check_separation(evidence: Evidence) -> None:
    least, last = evidence.policy.min_rounds_between, dict[str, int]()
    for round_ in evidence.rounds:
        for device in round_.debits:
            apart = round_.round - last.get(device, round_.round - least)
            if 0 < apart < least:
                raise VerificationError(f"Device {device} took part again sooner than the policy allows")
            last[device] = round_.round


def _bodies(evidence: Evidence) -> list[Intent]:
    handed_over = [entry for entries in evidence.device_ledgers.values() for entry in entries]
    return [entry.body for entry in (*evidence.intents, *handed_over) if isinstance(entry.body, Intent)]


def _intent(entry: Entry) -> Intent:
    if not isinstance(entry.body, Intent):
        raise VerificationError(f"Entry {entry.seq} came in place of a debit and is none")
    return entry.body


CHECKS: tuple[tuple[str, Callable[[Evidence], str]], ...] = (
    ("chain and signatures of the server's ledger", server_ledger),
    ("one policy throughout", one_policy),
    ("rounds follow from each other", rounds_linked),
    ("signatures and order of devices' entries", device_entries),
    ("every debit has its signed entry", debits_backed),
    ("receipts", receipts),
    ("devices' whole ledgers", device_ledgers),
    ("budgets, recomputed from events", budgets),
)


def run_checks(evidence: Evidence) -> list[Checked]:
    """Every check up to the first that fails, that one included."""
    done = []
    for name, check in CHECKS:
        try:
            done.append(Checked(name, True, check(evidence)))
        except (VerificationError, LedgerError) as error:
            return [*done, Checked(name, False, str(error))]
    return done
