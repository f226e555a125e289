import pytest

from fl_server.report.intervals import intervals, wilson


def test_a_share_has_wilsons_interval() -> None:
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)  # Brown, Cai and DasGupta's formula by hand
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == pytest.approx(1.0)


def test_average_recall_counts_each_class_the_same_and_is_never_certain() -> None:
    found = intervals([[90, 10], [0, 5]])
    assert found["uar"]["low"] < 0.95 < found["uar"]["high"] <= 1
    assert found["accuracy"]["low"] < 95 / 105 < found["accuracy"]["high"]
    alone = intervals([[5, 0], [0, 5]])
    assert alone["uar"]["low"] < 0.9


def test_without_sequences_there_is_no_interval() -> None:
    assert intervals([[0, 0], [0, 0]]) == {}
