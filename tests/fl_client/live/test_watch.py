"""`fl-client watch`: readings as lines or bars, off where it must be, and nothing left behind."""

import json

import pytest

from fl_client import cli
from fl_client.live import model as model_module
from fl_client.live.watch import Nothing
from shared_models.data.synthetic.domains import LAPTOP
from shared_models.data.synthetic.people import person
from shared_models.data.synthetic.video import write_webcam
from shared_models.errors import ModelError, StorageError
from shared_models.files import only_one


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Two and a half seconds of one person."""
    path = tmp_path_factory.mktemp("camera") / "webcam.avi"
    write_webcam(path, person(3), ["happiness"], LAPTOP, seed=0)
    return path


@pytest.fixture(autouse=True)
def ready(monkeypatch, starter):
    monkeypatch.setattr(model_module, "convert", lambda *_: starter[1].step)


@pytest.fixture
def run(leave, video, reading_laptop):
    def run(*options, laptop=reading_laptop):
        return leave(cli.run, "watch", "--home", laptop.home.root, "--camera", video, *options)

    return run


def files(laptop):
    return {path: path.stat().st_mtime_ns for path in laptop.home.root.rglob("*")}


def test_each_reading_is_a_line_of_json_and_nothing_is_left_behind(run, reading_laptop, capsys):
    before = files(reading_laptop)
    assert run("--json") == 0
    readings = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(readings) > 15
    assert [r["frames"] for r in readings[:3]] == [1, 2, 3]
    assert readings[-1]["whole"]
    assert all(sum(r["probabilities"].values()) == pytest.approx(1, abs=1e-3) for r in readings)
    assert all(r["label"] == max(r["probabilities"], key=r["probabilities"].get) for r in readings)
    assert files(reading_laptop) == before


def test_without_json_it_is_a_bar_a_class(run, capsys):
    assert run() == 0
    shown = capsys.readouterr().out
    for word in ("neutral", "happiness", "The model's guess:", "one clear face", "Nothing is stored or sent"):
        assert word in shown


def test_where_the_study_has_no_answer_it_is_off(run, make_laptop, capsys):
    laptop = make_laptop(1)
    laptop.enrolment.save(laptop.home)
    assert run("--json", laptop=laptop) == 21
    said = capsys.readouterr()
    assert said.out == ""
    assert "Live reading is off in this study" in said.err


def test_without_consent_to_capture_no_frame_is_looked_at(run, reading_laptop, capsys):
    reading_laptop.consent.pause()
    assert run("--json") == 21
    assert capsys.readouterr().out == ""


def test_beside_a_running_device_it_leaves_the_camera_alone(run, reading_laptop, capsys):
    with only_one(reading_laptop.home.lock, "this device"):
        assert run("--json") == 2
    assert "it has the camera" in capsys.readouterr().err


def test_without_any_weights_it_says_what_to_wait_for(run, monkeypatch, capsys):
    def none(*_):
        raise ModelError("There are no starter weights")

    monkeypatch.setattr(model_module, "convert", none)
    assert run("--json") == 12
    said = capsys.readouterr()
    assert said.out == ""
    assert "no model to read with yet: There are no starter weights" in said.err
    assert "first task brings one" in said.err


def test_it_has_no_way_to_store():
    nothing = Nothing()
    assert (len(nothing), nothing.due(1e9)) == (0, [])
    with pytest.raises(StorageError):
        nothing.add(None, 0, "neutral", "tap", None)
