"""Lines over seeds, and the pictures and words made of them."""

import pytest

from simulations.sweep.pictures import draw_all, name_of
from simulations.sweep.summary import write_summary
from simulations.sweep.table import studies_of, varying


@pytest.fixture
def studies(make_row):
    """Two epsilons, two units and three sizes, three seeds each."""
    return studies_of(
        [
            make_row(unit=unit, epsilon=epsilon, clients=size, cohort=size, seed=seed, macro_f1=0.6 + 0.05 * seed)
            for unit in ("sequence", "participant")
            for epsilon in (1.0, 8.0)
            for size in (5, 10, 20)
            for seed in range(3)
        ]
    )


def test_a_mean_has_student_s_interval(make_row) -> None:
    """Scores .6, .7, .8: standard error .0577, t(.975, 2) = 4.303."""
    [study] = studies_of([make_row(seed=seed, macro_f1=0.6 + 0.1 * seed) for seed in range(3)])
    assert (study.mean, study.half) == (pytest.approx(0.7), pytest.approx(4.303 * 0.1 / 3**0.5, rel=1e-3))
    assert study.worst == 0.6
    assert study.interval == (pytest.approx(0.4516, abs=1e-3), pytest.approx(0.9484, abs=1e-3))
    [alone] = studies_of([make_row()])
    assert (alone.half, alone.interval) == (None, (0.7, 0.7))


def test_axes_that_vary_are_told_and_a_cohort_of_all_is_no_axis(studies, make_row) -> None:
    assert varying(studies) == ["unit", "epsilon", "clients"]
    assert name_of(studies[0], ["epsilon", "clients"]) == "epsilon 1, 5 clients"
    assert varying(studies_of([make_row(cohort=5), make_row()])) == ["cohort"]
    assert varying(studies_of([make_row()])) == []


def test_pictures_are_those_that_the_axes_allow(studies, make_row, tmp_path) -> None:
    assert [path.name for path in draw_all(tmp_path, studies)] == [
        "utility-by-epsilon.png", "utility-by-cohort.png", "cost.png",
    ]  # fmt: skip
    assert [path.name for path in draw_all(tmp_path, studies_of([make_row()]))] == ["cost.png"]
    assert all(path.stat().st_size > 5000 for path in tmp_path.iterdir())


def test_the_summary_has_a_line_for_each_study_and_shows_the_pictures(studies, tmp_path) -> None:
    write_summary(tmp_path, {"data": "synthetic"}, studies, {"a point": "it fell over"})
    text = (tmp_path / "summary.md").read_text()
    assert text.count("\n| sequence |") == text.count("\n| participant |") == 6
    assert "0.650 ± 0.124" in text
    assert "![cost](cost.png)" in text
    assert "a point (it fell over)" in text
