"""What the page shows of what is kept and was sent; a file that is damaged hides nothing else."""

import numpy as np
import pytest

from shared_models.errors import LedgerError, StorageError


def test_a_new_session_has_nothing_to_show_and_no_error(live, records, pretend):
    now = live.now()
    assert now.reading is now.probe is now.hint is None
    assert all(share is None for lane in now.timeline.lanes for share in lane.shares)
    whole = records.all()
    assert (whole.pictures, whole.sent.uploads, whole.sent.budget.left) == ([], [], "8.00")


def test_what_was_sent_is_told_newest_first_and_never_in_the_studys_favour(records, pretend, policy):
    pretend.sent.rounds = 2
    sent = records.all().sent
    assert [upload.round for upload in sent.uploads] == [3, 1]
    assert {upload.size for upload in sent.uploads} == {"4.1"}
    assert float(sent.uploads[1].epsilon) >= policy.epsilon_after(1)
    assert float(sent.budget.spent) >= policy.epsilon_after(2)
    assert float(sent.budget.left) <= policy.epsilon - policy.epsilon_after(2)
    assert (sent.budget.rounds, sent.budget.rounds_cap) == (2, policy.lifetime_rounds)


def test_a_damaged_store_or_ledger_hides_no_switch(signed_in, pretend, keep):
    keep("fear")
    pretend.kept.problem = StorageError("The sequence 7 cannot be opened", why="its file is damaged")
    pretend.sent.problem = LedgerError("The ledger's chain does not hold")
    page = signed_in.get().text
    assert "The sequence 7 cannot be opened: its file is damaged." in page
    assert page.count("The ledger&#39;s chain does not hold.") == 2
    assert 'action="pause"' in page
    assert 'href="leaving"' in page


def test_a_sequence_that_cannot_be_opened_is_counted_and_can_be_deleted(signed_in, pretend, keep, monkeypatch):
    keep("fear")
    monkeypatch.setattr(pretend.kept, "load_all", lambda: iter(()))
    page = signed_in.get().text
    assert "One sequence cannot be opened" in page
    assert 'href="deleting-all"' in page


def test_an_index_that_cannot_be_read_hides_no_switch(signed_in, pretend, monkeypatch):
    def unusable(kept):
        raise StorageError("The store's index cannot be used", why="it is damaged")

    monkeypatch.setattr(type(pretend.kept), "__len__", unusable)
    for path in ("", "live"):
        assert 'action="pause"' in signed_in.get(path).text
    assert "The store&#39;s index cannot be used: it is damaged." in signed_in.get().text


def test_a_picture_is_the_middle_one_and_a_strip_is_all(signed_in, pretend, keep):
    cv2 = pytest.importorskip("cv2")
    keep("fear")
    one = pretend.kept.sequences[0]

    def seen(path):
        png = np.frombuffer(signed_in.get(path, params={"id": one.id}).content, np.uint8)
        return cv2.imdecode(png, cv2.IMREAD_GRAYSCALE)

    np.testing.assert_array_equal(seen("picture"), one.frames[8, 0])
    strip = seen("strip")
    assert strip.shape == (2 * 48, 8 * 48)
    np.testing.assert_array_equal(strip[48:, 48:96], one.frames[9, 0])


def test_a_label_of_the_models_own_is_told_from_an_answer(signed_in, pretend, keep):
    keep("fear", "anger")
    assert "the model&#39;s own label" not in signed_in.get().text
    object.__setattr__(pretend.kept.sequences[0], "source", "pseudo")
    page = signed_in.get().text
    assert page.count("the model&#39;s own label") == 1
    assert "Your face when the model read fear" in page
    assert "Your face when you answered anger" in page
