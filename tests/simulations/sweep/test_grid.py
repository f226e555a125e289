"""What can be swept, and what is refused before anything is measured."""

from pathlib import Path

import pytest

from shared_models.errors import SettingsError, UsageError
from simulations.sweep.grid import Grid, Sweep, load_sweep

EXAMPLES = sorted((Path(__file__).parents[3] / "docs" / "examples").glob("*.toml"))


@pytest.fixture
def load(tmp_path):
    def load(text="", given=None, axes=None, entries=()):
        path = tmp_path / "sweep.toml"
        path.write_text(text)
        return load_sweep(path, given or {}, axes or {}, entries)

    return load


def test_every_combination_is_one_point_and_no_two_are_the_same(load) -> None:
    sweep = load("[grid]\nepsilon = [1, 8]\nalgorithm = ['fedavg', 'fedadam']\nseed = [0, 1, 2]\n")
    points = sweep.points()
    assert len(points) == len({point.key for point in points}) == 12
    assert len({point.group for point in points}) == 3, "one population for each seed"


@pytest.mark.parametrize(
    "changed", [{"per_client": 5}, {"population": ["label-skew"]}, {"settings": {"steps": 2}}, {"delta": 1e-6}]
)
def test_the_key_changes_with_whatever_is_shared(changed) -> None:
    one, other = Sweep().points()[0], Sweep.model_validate(changed).points()[0]
    assert one.key != other.key


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_can_be_swept(path) -> None:
    for point in load_sweep(path, {}, {}, []).points():
        point.check()


def test_options_go_before_the_file(load) -> None:
    text = "per_client = 5\n[settings]\nsteps = 2\nclip_norm = 0.3\n[grid]\nepsilon = [1, 2]\nrounds = [3]\n"
    sweep = load(text, {"per_client": 7, "data": None}, {"epsilon": "4, 8", "seed": None}, ["steps=5"])
    assert (sweep.per_client, sweep.grid.epsilon, sweep.grid.rounds, sweep.grid.seed) == (7, [4, 8], [3], [0, 1, 2])
    policy = sweep.points()[0].options.policy
    assert (policy.steps, policy.clip_norm) == (5, 0.3)


def test_survivors_follow_the_cohort_and_an_update_clip_is_only_for_participants() -> None:
    sweep = Sweep(survivors=0.8, settings={"update_clip": 0.5}, grid=Grid(unit=["sequence", "participant"], cohort=[5]))
    sequence, participant = (point.options.policy for point in sweep.points()[::3])
    assert (sequence.min_survivors, participant.min_survivors) == (4, 4)
    assert (sequence.update_clip, participant.update_clip) == (None, 0.5)


@pytest.mark.parametrize(
    ("text", "axes", "error", "said"),
    [
        ("", {"epsilon": ""}, UsageError, "nothing to sweep: the axis epsilon"),
        ("", {"seed": "1,1"}, UsageError, "names a value twice"),
        ("", {"epsilon": "0"}, SettingsError, "grid.epsilon"),
        ("", {"epsilon": "much"}, SettingsError, "grid.epsilon"),
        ("", {"rounds": "1.5"}, SettingsError, "grid.rounds"),
        ("", {"unit": "frame"}, SettingsError, "grid.unit"),
        ("[grid]\nmodels = [1]", {}, SettingsError, "grid.models"),
        ("noise = 1", {}, SettingsError, "noise"),
        ("[grid", {}, SettingsError, "not valid TOML"),
        ("grid = 3", {}, SettingsError, "grid"),
        ("[settings]\nspeed = 1", {}, SettingsError, "policy setting speed"),
        ("", {"algorithm": "fedsgd"}, UsageError, "no algorithm 'fedsgd'"),
        ("survivors = 0.8", {"clients": "by-subject"}, UsageError, "survivors needs a cohort"),
    ],
)
def test_what_cannot_be_swept_is_refused_by_name(load, text, axes, error, said) -> None:
    with pytest.raises(error, match=said):
        load(text, axes=axes).points()


def test_a_sweep_that_is_not_there_and_an_entry_that_is_none_are_refused(tmp_path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_sweep(tmp_path / "gone.toml", {}, {}, [])
    with pytest.raises(UsageError, match="not an entry"):
        load_sweep(None, {}, {}, ["steps"])
