import io

import pytest
from rich.console import Console

from fl_server import live
from fl_server.live import LiveTable, phase_line, round_table
from fl_server.phase import Phase
from fl_server.round_summary import RoundSummary


@pytest.fixture
def summary():
    def summary(round_, state="checkpointed", rejected=None):
        return RoundSummary(
            round=round_,
            state=state,
            online=9,
            asked=7,
            accepted=5,
            rejected=rejected or {},
            accuracy=0.5123,
            uar=0.4123,
            macro_f1=0.3123,
            epsilon=2.25,
            seconds=12.34,
        )

    return summary


@pytest.fixture
def screen(monkeypatch):
    """What the operator sees; `screen(True)` is a terminal."""

    def screen(terminal):
        text = io.StringIO()
        monkeypatch.setattr(live, "out", Console(file=text, force_terminal=terminal, width=120, highlight=False))
        return text

    return screen


def rows(table):
    return list(zip(*(column.cells for column in table.columns), strict=True))


def test_a_row_has_what_an_operator_watches(summary):
    [row] = rows(round_table([summary(3, rejected={"no_answer": 1, "norm": 2})], "Study", 8.0))
    assert row[:4] == ("3", "9", "5/7", "1 no_answer, 2 norm")
    assert row[4:7] == ("0.512", "0.412", "0.312")
    assert row[7:] == ("2.25/8", "12.3")


def test_the_first_row_is_the_start_and_a_failed_round_stands_out(summary):
    table = round_table([summary(0, "start"), summary(1, "failed"), summary(1)], "Study", 8.0)
    assert [row[0] for row in rows(table)] == ["start", "1", "1"]
    assert [row[2] for row in rows(table)] == ["5/7", "5/7 failed", "5/7"]
    assert [bool(row.style) for row in table.rows] == [False, True, False]


def test_off_a_terminal_each_round_is_one_line(summary, screen):
    text = screen(False)
    with LiveTable("Study", 8.0) as table:
        for round_ in (1, 2):
            table.add(summary(round_, rejected={"not_finite": 1}))
    lines = text.getvalue().splitlines()
    assert [line.split(":")[0] for line in lines] == ["round 1", "round 2"]
    assert "accepted 5/7, rejected 1 not_finite, accuracy 0.512" in lines[0]
    assert "\x1b" not in text.getvalue()


def test_on_a_terminal_the_table_grows_in_place(summary, screen):
    text = screen(True)
    with LiveTable("Study", 8.0) as table:
        table.add(summary(1))
        table.add(summary(2))
    assert text.getvalue().count("accuracy") >= 3
    assert "\x1b[" in text.getvalue()


def test_a_title_is_shown_as_it_was_written(summary, screen):
    text = screen(True)
    with LiveTable("Seminar [/] [red] 2026", 8.0) as table:
        table.add(summary(1))
    assert "Seminar [/] [red] 2026" in text.getvalue()


def test_a_note_is_one_line_as_it_was_given(screen):
    text = screen(False)
    LiveTable("Study", 8.0).note("Waiting for devices: " + "x" * 200)
    assert text.getvalue() == "Waiting for devices: " + "x" * 200 + "\n"


def phase(state, **changes):
    return Phase(state=state, round=4, since=1000.0, online=3, asked=10, accepted=3, pid=1, **changes)


def test_the_state_says_how_long_it_has_lasted_and_may_last():
    line = phase_line(phase("collecting", deadline=1200.0), 1080.0)
    said = "Round 4 is collecting: updates from 3 of 10 devices are in"
    assert line == f"{said}; for 1 min 20 s, deadline in 2 min 0 s"
    assert phase_line(phase("evaluating"), 1001.0) == "Round 4 scores its new model; for 1 s"


def test_on_a_terminal_the_state_stands_above_the_table(summary, screen):
    text = screen(True)
    with LiveTable("Study", 8.0) as table:
        table.show(phase("evaluating"))
        table.add(summary(1))
    last = text.getvalue().rpartition("Round 4 scores its new model")[2]
    assert "accuracy" in last


def test_elsewhere_a_state_is_no_line_as_whatever_matters_is_said_in_words(screen):
    text = screen(False)
    with LiveTable("Study", 8.0) as table:
        for state in ("waiting", "sampling", "collecting", "paused"):
            table.show(phase(state))
        table.note("Paused: the disk is full.")
    assert text.getvalue() == "Paused: the disk is full.\n"
