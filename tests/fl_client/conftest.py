"""What several tests of the student's side share."""

import hashlib

import pytest

from fl_client.passphrase import PASSPHRASE_FILE


class Looks:
    """Stands for the stop event and the clock: each look at the work is a second later; `at[n]()` is done before it."""

    def __init__(self, count, at=None):
        self.now, self.count, self.seen, self.at = 1000.0, count, 0, at or {}

    def __call__(self):
        return self.now

    def is_set(self):
        return self.seen >= self.count

    def wait(self, seconds):
        self.now += seconds
        self.seen += 1
        self.at.get(self.seen, lambda: None)()


@pytest.fixture
def make_looks():
    """`make_looks(seconds, {second: what happens})`"""
    return Looks


@pytest.fixture
def quick_passphrase(tmp_path, monkeypatch):
    """The file of the passphrase under which keys are kept: never in this computer's key store, and not slowed down."""
    file = tmp_path / "passphrase"
    file.write_text("correct horse battery staple")
    monkeypatch.setenv(PASSPHRASE_FILE, str(file))
    monkeypatch.setattr("fl_client.keys.find_backend", lambda backend: None)
    quick = lambda passphrase, salt, n: hashlib.sha256(passphrase.encode() + salt).digest()  # noqa: E731
    monkeypatch.setattr("fl_client.passphrase.stretch", quick)
    return file
