import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from fl_server.enrolment import registry as registry_module
from fl_server.enrolment.registry import Refusal, Registry
from shared_models.errors import StorageError
from shared_models.privacy.receipts import EMPTY_LEDGER, LedgerHead

HOUR = 3600


@pytest.fixture
def path(tmp_path):
    return tmp_path / "enrolment.db"


@pytest.fixture
def registry(path):
    return Registry(path)


def keys(number):
    return f"node {number}".encode(), f"ledger {number}".encode()


def test_one_invitation_enrols_one_device(registry):
    secret, _ = registry.invite(HOUR)
    device = registry.enrol(secret, *keys(1))
    assert (device.node_key, device.ledger_key) == keys(1)
    assert registry.enrol(secret, *keys(2)) is None
    assert not registry.accepts(secret)
    assert registry.devices() == [device]


def test_an_invitation_counts_until_it_is_used_or_expires(registry, monkeypatch):
    now = registry_module.time.time()
    monkeypatch.setattr(registry_module.time, "time", lambda: now)
    (short, expires), (long, _) = registry.invite(60), registry.invite(HOUR)
    assert (registry.open_invitations(), expires) == (2, int(now) + 60)
    monkeypatch.setattr(registry_module.time, "time", lambda: expires)
    assert registry.accepts(short)
    monkeypatch.setattr(registry_module.time, "time", lambda: expires + 1)
    assert not registry.accepts(short)
    assert registry.enrol(short, *keys(1)) is None
    assert (registry.open_invitations(), registry.devices()) == (1, [])
    assert registry.enrol(long, *keys(1)) is not None
    assert registry.open_invitations() == 0


@pytest.mark.parametrize("guess", [b"", bytes(32), b"\xff" * 32, b"' OR 1=1 --"])
def test_a_guessed_secret_enrols_nobody(registry, guess):
    registry.invite(HOUR)
    assert not registry.accepts(guess)
    assert registry.enrol(guess, *keys(1)) is None
    assert registry.devices() == []


def test_asking_whether_an_invitation_accepts_does_not_use_it_up(registry):
    secret, _ = registry.invite(HOUR)
    assert all(registry.accepts(secret) for _ in range(3))
    assert registry.enrol(secret, *keys(1)) is not None


@pytest.mark.parametrize("taken", [("node 1", "ledger 2"), ("node 2", "ledger 1")])
def test_a_key_that_is_taken_is_refused_and_the_invitation_stays_open(registry, taken):
    first, second = registry.invite(HOUR)[0], registry.invite(HOUR)[0]
    registry.enrol(first, *keys(1))
    assert registry.enrol(second, *(name.encode() for name in taken)) is None
    assert registry.accepts(second)
    assert len(registry.devices()) == 1
    assert registry.enrol(second, *keys(2)) is not None


def test_of_two_at_once_exactly_one_enrols(registry, path):
    for attempt in range(5):
        secret, _ = registry.invite(HOUR)
        start = Barrier(4)

        def race(number, secret=secret, start=start):
            start.wait()
            return Registry(path).enrol(secret, *keys(number))

        with ThreadPoolExecutor(4) as pool:
            won = [device for device in pool.map(race, range(4 * attempt, 4 * attempt + 4)) if device]
        assert len(won) == 1
    assert len(registry.devices()) == 5


def test_a_secret_is_never_in_the_file(registry, path):
    secrets = [registry.invite(HOUR)[0] for _ in range(3)]
    registry.enrol(secrets[0], *keys(1))
    on_disk = b"".join(file.read_bytes() for file in path.parent.iterdir())
    for secret in secrets:
        assert len(secret) == 32
        assert secret not in on_disk
        assert secret.hex().encode() not in on_disk
    assert len(set(secrets)) == 3


def test_the_file_is_for_its_owner_only(registry, path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_opened_again_it_knows_everybody_in_the_order_they_came(registry, path):
    enrolled = [registry.enrol(registry.invite(HOUR)[0], *keys(number)) for number in range(5)]
    assert Registry(path).devices() == enrolled
    assert len({device.pseudonym for device in enrolled}) == 5


def test_a_pseudonym_has_nothing_to_do_with_keys_or_order(registry, tmp_path):
    one = registry.enrol(registry.invite(HOUR)[0], *keys(1))
    other = Registry(tmp_path / "other.db")
    assert other.enrol(other.invite(HOUR)[0], *keys(1)).pseudonym != one.pseudonym


FIRST_TABLES = """
CREATE TABLE invitations (secret_sha256 BLOB PRIMARY KEY, expires INTEGER NOT NULL, used_by TEXT);
CREATE TABLE devices (
    pseudonym TEXT PRIMARY KEY, node_key BLOB UNIQUE NOT NULL, ledger_key BLOB UNIQUE NOT NULL,
    enrolled INTEGER NOT NULL
);
INSERT INTO devices VALUES ('0a1b2c3d', x'01', x'02', 1700000000);
INSERT INTO invitations VALUES (x'03', 1700000000, '0a1b2c3d');
"""


def test_a_file_of_the_first_version_keeps_its_devices(path):
    database = sqlite3.connect(path)
    database.executescript(FIRST_TABLES)
    database.close()
    with ThreadPoolExecutor(4) as pool:  # a server and commands, all started after the update
        registries = list(pool.map(lambda _: Registry(path), range(4)))
    [member] = registries[0].members()
    assert (member.device.pseudonym, member.device.node_key, member.enrolled) == ("0a1b2c3d", b"\x01", 1700000000)
    assert (member.left, member.how, member.head) == (None, None, EMPTY_LEDGER)
    registries[1].leave(["0a1b2c3d"], "removed")
    assert registries[2].active() == []


def test_a_file_of_a_newer_version_is_left_alone(registry, path):
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StorageError, match="newer version of Attune"):
        Registry(path)


def test_who_left_is_remembered_with_time_and_way_and_leaves_once(registry, monkeypatch):
    first, second = (registry.enrol(registry.invite(HOUR)[0], *keys(number)) for number in range(2))
    monkeypatch.setattr(registry_module.time, "time", lambda: 1_800_000_000.5)
    registry.leave([first.pseudonym], "withdrawn")
    monkeypatch.setattr(registry_module.time, "time", lambda: 1_900_000_000.5)
    registry.leave([first.pseudonym, "ffffffff"], "removed")
    member = registry.member(first.pseudonym)
    assert (member.left, member.how) == (1_800_000_000, "withdrawn")
    assert registry.active() == [second]
    assert registry.devices() == [first, second]
    assert registry.member("ffffffff") is None


def test_a_device_that_replaces_others_goes_by_their_names_too(registry):
    first = registry.enrol(registry.invite(HOUR)[0], *keys(1))
    for_second, _ = registry.invite(HOUR, replaces=first.pseudonym)
    assert registry.active() == [first], "it is replaced once another has enrolled"
    second = registry.enrol(for_second, *keys(2))
    third = registry.enrol(registry.invite(HOUR, replaces=second.pseudonym)[0], *keys(3))
    assert (second.earlier, third.earlier) == ((first.pseudonym,), (second.pseudonym, first.pseudonym))
    assert registry.active() == [third]
    assert registry.member(third.pseudonym).device == third == registry.devices()[-1]
    assert [member.how for member in registry.members()] == ["removed", "removed", None]


def test_who_withdrew_and_is_replaced_stays_one_who_withdrew(registry):
    first = registry.enrol(registry.invite(HOUR)[0], *keys(1))
    secret, _ = registry.invite(HOUR, replaces=first.pseudonym)
    registry.leave([first.pseudonym], "withdrawn")
    assert registry.enrol(secret, *keys(2)).earlier == (first.pseudonym,)
    assert registry.member(first.pseudonym).how == "withdrawn"


def test_a_ledger_s_head_only_goes_forward(registry):
    device = registry.enrol(registry.invite(HOUR)[0], *keys(1))
    third, fifth = LedgerHead(3, "3" * 64), LedgerHead(5, "5" * 64)
    assert [registry.advance(device.pseudonym, head) for head in (EMPTY_LEDGER, third, third, fifth)] == [True] * 4
    assert not any(registry.advance(device.pseudonym, head) for head in (third, EMPTY_LEDGER, LedgerHead(5, "6" * 64)))
    assert registry.member(device.pseudonym).head == fifth
    assert registry.refusals() == {"old_ledger": 3}


def test_refusals_are_counted_by_reason_beside_each_other(registry, path):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Registry(path).count(Refusal.USED), range(20)))
    registry.count(Refusal.EXPIRED)
    assert Registry(path).refusals() == {"expired": 1, "used": 20}
