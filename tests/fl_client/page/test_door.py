"""The secrets of the page: a token that works once, and a disk that is full."""

import pytest

from fl_client.page.door import Door
from shared_models.errors import StorageError


def test_before_it_is_unlocked_nothing_opens_it():
    door = Door(lambda rest: None)
    assert door.sign_in("") is None
    assert not door.is_open_to("")
    assert not door.is_own_form("")


def test_a_full_disk_shuts_nobody_out(token_in):
    kept = []
    door = Door(kept.append)
    door.unlock()

    def full(rest):
        raise StorageError("page.url cannot be written", why="the disk is full")

    door._keep = full
    session = door.sign_in(token_in(kept[0]))
    assert door.is_open_to(session)
    assert door.sign_in(token_in(kept[0])) == session
    with pytest.raises(StorageError):
        door.unlock()


def test_two_doors_share_no_secret():
    one, other = Door(lambda rest: None), Door(lambda rest: None)
    assert one.path != other.path
    assert not other.is_own_form(one.form_token)
