import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_models.canonical import canonical
from shared_models.errors import ClockError, LedgerError, StorageError
from shared_models.privacy import ledger as ledger_module
from shared_models.privacy.events import Aborted, Erased, Intent, Released, RoundClosed, RoundVoid, Withdrawn
from shared_models.privacy.ledger import (
    GENESIS,
    Ledger,
    check_chain,
    check_signature,
    intents_of,
    parse_entry,
    read_ledger,
)
from shared_models.privacy.mechanism import Mechanism

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NOW = 1_800_000_000
MECHANISM = Mechanism(unit="sequence", sigma=5.4059, clip_norm=0.5, steps=4)


def an_intent(round_: int = 1, **changes: Any) -> Intent:
    fields: dict[str, Any] = {
        "study": "seminar",
        "device": "0a1b2c3d",
        "round": round_,
        "nonce": f"{round_:032x}",
        "model_hash": "aa" * 32,
        "policy_hash": "bb" * 32,
        "mechanisms": (MECHANISM,),
        "engine": "fast",
        "update_hash": "cc" * 32,
    }
    return Intent(**(fields | changes))


BODIES = [
    an_intent(),
    Released(nonce=f"{1:032x}"),
    RoundClosed(
        study="seminar",
        round=1,
        policy_hash="bb" * 32,
        model_before="aa" * 32,
        model_after="dd" * 32,
        debits={"0a1b2c3d": "ee" * 32},
        rejected={"norm": 1},
    ),
    RoundVoid(round=2),
]


def write(path: Path) -> bytes:
    ledger = Ledger(path, KEY)
    for body in BODIES:
        ledger.append(body)
    return path.read_bytes()


def signed(fields: dict[str, Any], key: Ed25519PrivateKey = KEY) -> bytes:
    """A line as the module's docstring describes it, made without the module."""
    return canonical(fields | {"signature": key.sign(canonical(fields)).hex()})


def documented_lines() -> list[bytes]:
    """BODIES as the module's docstring says that they are written."""
    lines, prev = [], GENESIS
    for seq, body in enumerate(BODIES):
        line = signed({"v": 2, "seq": seq, "prev": prev, "at": NOW, "body": body.model_dump(mode="json")})
        lines.append(line + b"\n")
        prev = hashlib.sha256(line).hexdigest()
    return lines


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a ledger lies; the clock stands still."""
    monkeypatch.setattr(ledger_module.time, "time", lambda: float(NOW))
    return tmp_path / "ledger.jsonl"


def read(path: Path, raw: bytes) -> list:
    path.write_bytes(raw)
    return read_ledger(path, KEY.public_key())


def test_what_was_appended_is_there_when_it_is_opened_again(path: Path) -> None:
    write(path)
    again = Ledger(path, KEY)
    assert [entry.body for entry in again.entries] == BODIES
    assert [entry.seq for entry in again.entries] == [0, 1, 2, 3]
    assert again.intents == intents_of(again.entries) == [BODIES[0]]
    entry = again.append(an_intent(2))
    assert (entry.seq, entry.prev) == (4, again.entries[3].hash)
    assert again.head == entry.hash
    assert read_ledger(path, KEY.public_key()) == again.entries


def test_a_new_ledger_is_empty_and_makes_no_file_before_its_first_entry(path: Path) -> None:
    ledger = Ledger(path, KEY)
    assert (ledger.entries, ledger.head) == ([], GENESIS)
    assert not path.exists()
    assert ledger.append(BODIES[0]).prev == GENESIS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_entry_is_on_disk_when_append_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (real(fd), synced.append(os.fstat(fd).st_ino)))
    ledger = Ledger(path, KEY)
    ledger.append(BODIES[0])
    assert synced == [path.stat().st_ino, path.parent.stat().st_ino]  # a new file's name must last too
    ledger.append(BODIES[1])
    assert synced[2:] == [path.stat().st_ino]


def test_every_changed_byte_is_found(path: Path) -> None:
    """All but the last byte: without its line end the last entry counts as half-written, see below."""
    raw = b"".join(documented_lines()[:2])
    other_bytes = (b"\n", b"\r", b"\xff", b" ")
    for place in range(len(raw) - 1):
        flipped = bytes([raw[place] ^ (1 if place % 3 else 0x80)])
        other_case = bytes([raw[place] ^ 0x20])
        for byte in {flipped, other_case, other_bytes[place % 4]} - {raw[place : place + 1]}:
            with pytest.raises(LedgerError):
                read(path, raw[:place] + byte + raw[place + 1 :])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_every_other_set_of_lines_is_found(path: Path, data: st.DataObject) -> None:
    lines = documented_lines()
    chosen = data.draw(st.lists(st.sampled_from(lines), max_size=6))
    is_a_beginning = chosen == lines[: len(chosen)]
    if is_a_beginning:
        assert len(read(path, b"".join(chosen))) == len(chosen)
    else:
        with pytest.raises(LedgerError):
            read(path, b"".join(chosen))


def test_the_file_has_the_documented_form(path: Path) -> None:
    assert write(path) == b"".join(documented_lines())


def test_inserting_removing_or_moving_bytes_is_found(path: Path) -> None:
    raw = write(path)
    for place in range(0, len(raw) - 1, 29):
        for changed in (raw[:place] + b" " + raw[place:], raw[:place] + b"\n" + raw[place:], raw[: place + 1] + raw):
            with pytest.raises(LedgerError):
                read(path, changed)
        with pytest.raises(LedgerError):
            read(path, raw[:place] + raw[place + 1 :])


@pytest.mark.parametrize("end", [b"\r", b"\r\n", b"\n\n", b" ", b""])
def test_another_end_between_two_lines_is_found(path: Path, end: bytes) -> None:
    one, *others = documented_lines()
    with pytest.raises(LedgerError):
        read(path, one[:-1] + end + b"".join(others))


def test_a_half_written_last_line_is_cut_off(path: Path) -> None:
    raw = write(path)
    whole = raw.splitlines(keepends=True)
    start = len(raw) - len(whole[-1])
    for end in range(start, len(raw), 3):
        path.write_bytes(raw[:end])
        assert len(read_ledger(path, KEY.public_key())) == 3
        assert path.stat().st_size == end  # a reader leaves the file to its writer
    ledger = Ledger(path, KEY)
    assert path.read_bytes() == b"".join(whole[:3])
    ledger.append(BODIES[3])
    assert path.read_bytes() == raw


def test_a_ledger_of_one_half_line_starts_anew(path: Path) -> None:
    path.write_bytes(b'{"body":{"clip')
    assert Ledger(path, KEY).head == GENESIS
    assert path.read_bytes() == b""


def test_a_cut_end_shows_in_the_head_alone(path: Path) -> None:
    """The chain cannot tell; who knows the head or the number of entries can."""
    write(path)
    whole = Ledger(path, KEY)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert Ledger(path, KEY).head == whole.entries[-2].hash != whole.head


@pytest.mark.parametrize(
    "change",
    [
        {"body": {"kind": "refund", "nonce": "00"}},
        {"body": {"nonce": "00"}},
        {"body": {"kind": "released", "nonce": "00", "note": "more"}},
        {"body": {"kind": "intent", "nonce": "00"}},
        {"body": an_intent(mechanisms=[MECHANISM]).model_dump(mode="json") | {"refund": 1}},
        {"v": 3},
        {"at": 1.5},
        {"seq": "first"},
        {"note": "more"},
    ],
    ids=[
        "unknown kind",
        "no kind",
        "unknown field",
        "missing fields",
        "a refund",
        "a later version",
        "half a second",
        "no number",
        "unknown entry field",
    ],
)
def test_what_the_reader_does_not_know_fails_closed(path: Path, change: dict[str, Any]) -> None:
    """Correctly signed and linked, and still refused: a later version's refund must not be passed over."""
    fields = {"v": 2, "seq": 0, "prev": GENESIS, "at": NOW, "body": {"kind": "released", "nonce": "00"}}
    assert len(read(path, signed(fields) + b"\n")) == 1
    with pytest.raises(LedgerError, match="kind or version that this program does not know"):
        read(path, signed(fields | change) + b"\n")


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 4000, '{"seq":NaN}', b"\xff\xfe", "\0"])
def test_whatever_is_no_entry_is_a_ledger_error(text: str | bytes) -> None:
    with pytest.raises(LedgerError, match="cannot be read"):
        parse_entry(text)


@pytest.mark.parametrize("number", ["NaN", "Infinity"])
def test_noise_that_is_no_number_cannot_be_entered(number: str) -> None:
    text = signed({"v": 2, "seq": 0, "prev": GENESIS, "at": NOW, "body": an_intent().model_dump(mode="json")}).decode()
    with pytest.raises(LedgerError, match="cannot be read"):
        parse_entry(text.replace("5.4059", number))


def test_another_spelling_of_a_signed_entry_is_not_the_entry(path: Path) -> None:
    raw = write(path)
    for one, other in ((b'"steps":4', b'"steps":4.0'), (b'"steps":4', b'"steps":"4"'), (b"seminar", rb"\u0073eminar")):
        assert one in raw
        with pytest.raises(LedgerError):
            read(path, raw.replace(one, other))


def test_another_key_is_refused(path: Path) -> None:
    write(path)
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    with pytest.raises(LedgerError, match="signature of ledger entry 0"):
        Ledger(path, other)
    entry = read_ledger(path, KEY.public_key())[0]
    with pytest.raises(LedgerError, match="signature"):
        check_signature(entry, other.public_key())


def test_an_entry_signed_by_another_key_within_the_chain_is_refused(path: Path) -> None:
    raw = write(path)
    head = Ledger(path, KEY).head
    fields = {"v": 2, "seq": 4, "prev": head, "at": NOW, "body": {"kind": "round_void", "round": 3}}
    assert len(read(path, raw + signed(fields) + b"\n")) == 5
    with pytest.raises(LedgerError, match="signature of ledger entry 4"):
        read(path, raw + signed(fields, Ed25519PrivateKey.from_private_bytes(bytes(32))) + b"\n")


def test_a_well_signed_entry_in_the_wrong_place_is_refused(path: Path) -> None:
    raw = write(path)
    head = Ledger(path, KEY).head
    right = {"seq": 4, "prev": head, "at": NOW}
    for wrong in (right | {"seq": 5}, right | {"prev": GENESIS}, right | {"at": NOW - 1}):
        with pytest.raises(LedgerError, match="chain breaks at entry 4"):
            read(path, raw + signed(wrong | {"v": 2, "body": {"kind": "round_void", "round": 3}}) + b"\n")


def test_the_chain_of_entries_in_memory_can_be_checked(path: Path) -> None:
    write(path)
    entries = Ledger(path, KEY).entries
    check_chain(entries, KEY.public_key())
    with pytest.raises(LedgerError, match="chain breaks at entry 1"):
        check_chain([entries[0], *entries[2:]], KEY.public_key())


def test_a_full_disk_leaves_the_ledger_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = write(path)
    ledger = Ledger(path, KEY)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="the disk is full"):
            ledger.append(an_intent(2))
    assert path.read_bytes() == raw
    assert len(ledger.entries) == 4
    ledger.append(an_intent(2))
    assert len(Ledger(path, KEY).intents) == 2


class Mark:
    """A note beside the ledger that a copy of its file does not reach."""

    def __init__(self) -> None:
        self.noted: tuple[int, str] | None = None

    def read(self) -> tuple[int, str] | None:
        return self.noted

    def note(self, entries: int, head: str) -> None:
        self.noted = (entries, head)


def test_a_restored_old_copy_is_noticed(path: Path) -> None:
    mark = Mark()
    ledger = Ledger(path, KEY, mark)
    copies = [b""]
    for body in BODIES:
        ledger.append(body)
        copies.append(path.read_bytes())
    for old in copies[:-1]:
        path.write_bytes(old)
        with pytest.raises(LedgerError, match=r"old copy: .* remembers 4 entries"):
            Ledger(path, KEY, mark)
    path.write_bytes(copies[-1])
    assert len(Ledger(path, KEY, mark).entries) == 4


def test_another_history_of_the_same_length_is_noticed(path: Path) -> None:
    mark = Mark()
    Ledger(path, KEY, mark).append(an_intent(1))
    path.unlink()
    Ledger(path, KEY).append(an_intent(2))
    with pytest.raises(LedgerError, match="old copy"):
        Ledger(path, KEY, mark)


def test_a_crash_before_the_mark_is_noted_is_no_rollback(path: Path) -> None:
    mark = Mark()
    Ledger(path, KEY, mark).append(an_intent(1))
    noted = mark.noted
    Ledger(path, KEY, mark).append(an_intent(2))
    mark.noted = noted
    assert len(Ledger(path, KEY, mark).entries) == 2


def test_a_clock_that_runs_backwards_is_refused_for_what_begins_and_never_loses_what_ends(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(path, KEY)
    began = ledger.now()
    assert began == NOW
    ledger.append(an_intent(), began)
    monkeypatch.setattr(ledger_module.time, "time", lambda: NOW - 30.0)
    with pytest.raises(ClockError, match="30 seconds from now"):
        ledger.now()
    assert ledger.append(Released(nonce=f"{1:032x}")).at == NOW
    check_chain(ledger.entries, KEY.public_key())


def test_what_began_earlier_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An intent bears the time of its task, so that the time that training took cannot be read from it."""
    ledger = Ledger(path, KEY)
    began = ledger.now()
    monkeypatch.setattr(ledger_module.time, "time", lambda: NOW + 40.0)
    assert ledger.append(an_intent(), began).at == NOW


def test_every_kind_of_event_can_be_kept(path: Path) -> None:
    bodies = [an_intent(), Aborted(nonce=f"{1:032x}"), Erased(), Withdrawn()]
    ledger = Ledger(path, KEY)
    for body in bodies:
        ledger.append(body)
    assert [entry.body for entry in Ledger(path, KEY).entries] == bodies


def test_an_entry_is_found_by_its_hash(path: Path) -> None:
    ledger = Ledger(path, KEY)
    entry = ledger.append(an_intent())
    assert ledger.holds(entry.hash)
    assert not ledger.holds(GENESIS)
