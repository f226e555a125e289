import hashlib

import pytest

from fl_server.backup import sealed


@pytest.fixture
def quick_stretch(monkeypatch):
    """Passphrases are stretched in no time, where how long that takes is not the subject."""
    monkeypatch.setattr(
        sealed, "stretch", lambda passphrase, salt, n: hashlib.sha256(salt + passphrase.encode()).digest()
    )


@pytest.fixture
def study(small_study):
    small_study.round(0, 1)
    small_study.round(0, 1, 2)
    return small_study
