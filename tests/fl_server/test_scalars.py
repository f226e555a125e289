import builtins
import subprocess
import sys

import pytest

from fl_server.round_summary import RoundSummary
from fl_server.scalars import Scalars
from shared_models.errors import SettingsError


@pytest.fixture
def summary():
    def summary(round_, state="checkpointed"):
        return RoundSummary(
            round=round_,
            state=state,
            online=9,
            asked=7,
            accepted=5,
            rejected={"no_answer": 1, "norm": 1},
            accuracy=0.5,
            uar=0.25,
            macro_f1=0.125,
            f1={"fear": 0.75, "anger": 0.0},
            epsilon=2.5,
            seconds=12.0,
        )

    return summary


def written(folder):
    """Value by tag and step, from every file in the folder."""
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    return {
        (value.tag, event.step): value.tensor.float_val[0]
        for path in sorted(folder.tensorboard.iterdir())
        for event in loader.EventFileLoader(str(path)).Load()
        for value in event.summary.value
    }


def test_every_score_of_a_round_is_written(folder, summary):
    with Scalars(folder, True) as scalars:
        scalars.add(summary(3))
    assert written(folder) == {
        ("score/accuracy", 3): 0.5,
        ("score/uar", 3): 0.25,
        ("score/macro_f1", 3): 0.125,
        ("f1/fear", 3): 0.75,
        ("f1/anger", 3): 0.0,
        ("budget/epsilon", 3): 2.5,
        ("round/accepted", 3): 5.0,
        ("round/rejected", 3): 2.0,
        ("round/seconds", 3): 12.0,
    }


def test_a_failed_round_has_no_score_of_its_own(folder, summary):
    with Scalars(folder, True) as scalars:
        scalars.add(summary(3, "failed"))
    assert {tag for tag, _ in written(folder)} == {"round/accepted", "round/rejected", "round/seconds"}


def test_what_is_added_can_be_read_at_once(folder, summary):
    scalars = Scalars(folder, True)
    scalars.add(summary(1))
    assert ("score/uar", 1) in written(folder)
    scalars.close()


def test_where_it_is_off_nothing_is_written_and_nothing_imported(folder, summary):
    with Scalars(folder, False) as scalars:
        scalars.add(summary(1))
    assert not folder.tensorboard.exists()
    code = "import sys, fl_server.scalars as s; s.Scalars(None, False); sys.exit('tensorboard' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_where_it_is_missing_the_setting_is_named(folder, monkeypatch):
    whole = builtins.__import__

    def without_tensorboard(name, *rest):
        if name.startswith("tensorboard"):
            raise ModuleNotFoundError(name)
        return whole(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_tensorboard)
    with pytest.raises(SettingsError, match=r"watch\.tensorboard is on.*attune\[tensorboard\]"):
        Scalars(folder, True)
    assert not folder.tensorboard.exists()
