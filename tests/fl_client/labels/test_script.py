import math

import pytest

from fl_client.labels import LabelEvent, LabelScript
from shared_models.data.labels import scheme_by_name
from shared_models.errors import DataError

BASIC = scheme_by_name("basic-7")


@pytest.fixture
def read(tmp_path):
    def read(text, scheme=BASIC):
        path = tmp_path / "labels.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return LabelScript.read(path, scheme)

    return read


def test_events_fall_due_once_in_order(read):
    script = read("seconds,label\n2,happy\n4.5,Sad\n\n9,neutral\n")
    assert script.due(1.9) == []
    assert script.due(4.5) == [LabelEvent(2.0, "happiness", "script"), LabelEvent(4.5, "sadness", "script")]
    assert script.due(4.6) == []
    assert script.due(math.inf) == [LabelEvent(9.0, "neutral", "script")]


def test_a_spreadsheet_s_file_is_read(read):
    assert read("\ufeffseconds, label\r\n 2 , happy \r\n").due(3) == [LabelEvent(2.0, "happiness", "script")]


def test_learner_states_keep_their_level(read):
    script = read("seconds,label\n1,bored:3\n", scheme_by_name("learner-4x4"))
    assert script.due(1)[0].label == "boredom:3"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1"),
        ("time,label\n", "line 1"),
        ("seconds,label\n1,happy\nsoon,sad\n", "line 3: 'soon' is not a time"),
        ("seconds,label\nnan,sad\n", "line 2: 'nan' is not a time"),
        ("seconds,label\n-1,sad\n", "line 2: '-1' is not a time"),
        ("seconds,label\ninf,sad\n", "line 2: 'inf' is not a time"),
        ("seconds,label\n5,sad\n5,happy\n", "line 3: 5 s is not after 5 s"),
        ("seconds,label\n5,sad\n3,happy\n", "line 3: 3 s is not after 5 s"),
        ("seconds,label\n\n5,melancholy\n", "line 3: The label 'melancholy' is not in the scheme basic-7"),
        ("seconds,label\n5\n", "line 2: 1 fields instead of 2"),
        (b"seconds,label\n1,\xff\n", "not a CSV file in UTF-8"),
    ],
)
def test_a_bad_line_is_named(read, text, words):
    with pytest.raises(DataError, match=words):
        read(text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"absent\.csv"):
        LabelScript.read(tmp_path / "absent.csv", BASIC)
