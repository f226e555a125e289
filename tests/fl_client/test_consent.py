import errno
import os
import stat

import pytest

from fl_client.consent import ConsentBook, Scope, State
from shared_models.errors import ConsentError, StorageError

TEXT, POLICY = "a" * 64, "b" * 64
STEPS = {
    "inform": lambda book: book.inform(TEXT, POLICY),
    "grant": lambda book: book.grant(["capture", "store", "train"], TEXT, POLICY),
    "lapse": lambda book: book.lapse(),
    "pause": lambda book: book.pause(),
    "resume": lambda book: book.resume(),
    "withdraw": lambda book: book.withdraw(),
}


def act(book, *actions):
    for action in actions:
        STEPS[action](book)
    return book


@pytest.fixture
def book(tmp_path):
    return ConsentBook(tmp_path)


@pytest.mark.parametrize(
    ("actions", "state"),
    [
        ([], "invited"),
        (["inform"], "informed"),
        (["inform", "grant"], "active"),
        (["inform", "grant", "inform"], "active"),
        (["inform", "grant", "pause"], "paused"),
        (["inform", "grant", "pause", "pause"], "paused"),
        (["inform", "grant", "pause", "grant"], "active"),
        (["inform", "grant", "pause", "resume"], "active"),
        (["inform", "grant", "pause", "resume", "resume"], "active"),
        (["inform", "lapse"], "informed"),
        (["inform", "grant", "lapse"], "informed"),
        (["inform", "grant", "pause", "lapse", "grant"], "active"),
        (["withdraw"], "withdrawn"),
        (["inform", "grant", "pause", "withdraw", "withdraw"], "withdrawn"),
    ],
)
def test_the_state_follows_the_actions_and_outlasts_the_program(book, tmp_path, actions, state):
    act(book, *actions)
    assert book.current().state == state
    assert ConsentBook(tmp_path).current() == book.current()


@pytest.mark.parametrize(
    ("actions", "impossible"),
    [
        ([], "grant"),
        ([], "lapse"),
        ([], "pause"),
        ([], "resume"),
        (["inform", "grant", "lapse"], "resume"),
        (["inform"], "pause"),
        (["inform"], "resume"),
        (["inform", "grant", "withdraw"], "inform"),
        (["inform", "grant", "withdraw"], "grant"),
        (["inform", "grant", "withdraw"], "pause"),
        (["inform", "grant", "withdraw"], "resume"),
    ],
)
def test_what_is_not_possible_is_refused_and_not_recorded(book, tmp_path, actions, impossible):
    before = act(book, *actions).current()
    with pytest.raises(ConsentError, match=f"'{impossible}' is not possible now"):
        act(book, impossible)
    assert ConsentBook(tmp_path).current() == before


def test_only_granted_scopes_are_allowed(book):
    act(book, "inform", "grant")
    book.require("train", POLICY)
    book.require(Scope.CAPTURE, POLICY)
    with pytest.raises(ConsentError, match="There is no consent to audit"):
        book.require("audit", POLICY)
    book.grant(["audit"], TEXT, POLICY)
    book.require("audit", POLICY)
    with pytest.raises(ConsentError, match="no consent to train"):
        book.require("train", POLICY)


@pytest.mark.parametrize(
    ("actions", "why"),
    [
        ([], "invited"),
        (["inform"], "informed"),
        (["inform", "grant", "pause"], "paused"),
        (["inform", "grant", "withdraw"], "withdrawn"),
    ],
)
def test_without_active_consent_nothing_is_allowed(book, actions, why):
    act(book, *actions)
    for scope in Scope:
        assert not book.current().allows(scope, POLICY)
        with pytest.raises(ConsentError, match=why):
            book.require(scope, POLICY)


def test_another_policy_ends_consent_until_it_is_granted(book):
    act(book, "inform", "grant")
    with pytest.raises(ConsentError, match="the privacy policy changed"):
        book.require("train", "c" * 64)
    book.require("train", POLICY)


@pytest.mark.parametrize("shown", [("c" * 64, POLICY), (TEXT, "c" * 64)])
def test_showing_another_text_or_policy_ends_consent_until_it_is_granted(book, shown):
    act(book, "inform", "grant")
    book.inform(*shown)
    assert book.current().state is State.INFORMED
    for policy in {POLICY, shown[1]}:
        with pytest.raises(ConsentError):
            book.require("train", policy)
    book.grant(["train"], *shown)
    book.require("train", shown[1])


def test_what_lapsed_covers_nothing_and_a_pause_changes_no_agreement(book):
    act(book, "inform", "grant", "pause")
    assert book.current().covers(TEXT, POLICY)
    assert not book.current().covers("c" * 64, POLICY)
    act(book, "lapse")
    assert not book.current().covers(TEXT, POLICY)
    assert book.current().scopes == frozenset()


def test_only_what_was_shown_can_be_granted(book):
    act(book, "inform")
    with pytest.raises(ConsentError):
        book.grant(["train"], "c" * 64, POLICY)
    with pytest.raises(ConsentError):
        book.grant(["train"], TEXT, "c" * 64)
    assert book.current().state is State.INFORMED


@pytest.mark.parametrize("scopes", [[], ["training"], ["train", ""]])
def test_unknown_and_missing_scopes_are_refused(book, scopes):
    act(book, "inform")
    with pytest.raises(ConsentError, match="capture, store, train, audit"):
        book.grant(scopes, TEXT, POLICY)


def test_another_process_s_withdrawal_is_seen_at_once(book, tmp_path):
    act(book, "inform", "grant")
    book.require("capture", POLICY)
    ConsentBook(tmp_path).withdraw()
    with pytest.raises(ConsentError, match="withdrawn"):
        book.require("capture", POLICY)


def test_asking_again_does_not_read_the_record_again(book, monkeypatch):
    act(book, "inform", "grant").current()
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda path: pytest.fail("the record was read again"))
    assert book.current().state is State.ACTIVE


def test_the_record_only_grows_and_is_private(book, tmp_path):
    path = tmp_path / "consent.jsonl"
    content = b""
    for action in ("inform", "grant", "pause", "resume", "withdraw"):
        act(book, action)
        assert path.read_bytes().startswith(content)
        assert path.read_bytes().count(b"\n") == content.count(b"\n") + 1
        content = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", [b'{"version":1,"time"', b"\xff\n", b'{"version":2}\n'])
def test_an_unreadable_line_ends_consent_until_it_is_given_again(book, tmp_path, damage):
    act(book, "inform", "grant")
    with (tmp_path / "consent.jsonl").open("ab") as file:
        file.write(damage)
    assert book.current().state is State.INVITED
    act(book, "inform", "grant")
    assert ConsentBook(tmp_path).current().state is State.ACTIVE


def test_an_unreadable_line_does_not_undo_a_withdrawal(book, tmp_path):
    act(book, "inform", "grant", "withdraw")
    with (tmp_path / "consent.jsonl").open("ab") as file:
        file.write(b"{}\n")
    assert ConsentBook(tmp_path).current().state is State.WITHDRAWN


def test_consent_that_is_not_on_disk_was_not_given(book, monkeypatch):
    act(book, "inform")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="the disk is full"):
        act(book, "grant")
