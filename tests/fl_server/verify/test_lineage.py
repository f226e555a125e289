"""Which model the next round starts from, and under which number."""

import pytest

from fl_server.verify.lineage import Lineage
from shared_models.privacy.events import ModelRestored, RoundClosed, RoundVoid


def closed(round_, before):
    """Models are named m0, m1, ... by the round that made them."""
    return RoundClosed(
        study="s", round=round_, policy_hash="p", model_before=before, model_after=f"m{round_}", debits={}, rejected={}
    )


def back(after, to):
    return ModelRestored(study="s", round=after, to_round=to, model_hash=f"m{to}")


def void(round_):
    return RoundVoid(round=round_)


TWO = [closed(1, "m0"), closed(2, "m1")]
BRANCHED = [*TWO, back(2, 1), closed(3, "m1")]


@pytest.mark.parametrize(
    ("events", "current", "number"),
    [
        ([], 0, 1),
        (TWO, 2, 3),
        ([*TWO, void(2)], 1, 2),
        ([*TWO, void(2), void(1)], 0, 1),
        ([*TWO, void(1), void(2)], 0, 1),
        ([*TWO, void(1)], 2, 3),
        ([*TWO, back(2, 1)], 1, 3),
        ([*TWO, back(2, 0)], 0, 3),
        ([*TWO, back(7, 2)], 2, 8),
        (BRANCHED, 3, 4),
        ([*BRANCHED, void(3)], 1, 3),
        ([*BRANCHED, void(3), void(2)], 1, 3),
        ([*BRANCHED, void(3), void(2), void(1)], 0, 3),
        ([*TWO, back(2, 1), back(2, 2)], 2, 3),
        ([back(4, 0)], 0, 5),
    ],
)
def test_the_way_through_the_rounds(events, current, number):
    line = Lineage()
    for event in events:
        line.follow(event)
    assert (line.current, line.next_round) == (current, number)
    if events:
        assert line.model == f"m{current}"


def test_rounds_that_name_each_other_in_a_circle_end():
    """A forged ledger must not keep a checker for ever."""
    line = Lineage()
    for event in (closed(5, "m0"), closed(3, "m5"), closed(5, "m3"), void(3), void(5)):
        line.follow(event)
    assert line.current == 0
