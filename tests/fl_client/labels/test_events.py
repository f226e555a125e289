import math

from fl_client.labels import LabelEvent, LabelScript, Together


def test_several_sources_are_handed_out_as_one_in_order_of_time():
    taps = LabelScript([LabelEvent(1.0, "fear", "probe"), LabelEvent(5.0, "fear", "probe")])
    model = LabelScript([LabelEvent(0.5, "anger", "pseudo"), LabelEvent(3.0, "anger", "pseudo")])
    both = Together(taps, model)
    assert [event.seconds for event in both.due(2)] == [0.5, 1.0]
    assert [event.seconds for event in both.due(math.inf)] == [3.0, 5.0]
    assert Together().due(math.inf) == []
