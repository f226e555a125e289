"""The table of simulated studies: what is read, what is expected, what is refused."""

import csv
import io
import re
from pathlib import Path

import pytest

from fl_server.plan.utility import SHIPPED, Measured, UtilityTable, load_utility
from shared_models.errors import DataError
from simulations.sweep.table import COLUMNS

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "plan.md"


def test_the_shipped_table_has_every_size_epsilon_and_seed_once(shipped) -> None:
    kinds = {(row.clients, row.epsilon, row.seed) for row in shipped.rows}
    assert len(kinds) == len(shipped.rows) == 6 * 4 * 3
    assert (shipped.sizes(), shipped.epsilons()) == ([2, 5, 10, 20, 50, 100], [1, 2, 4, 8])


def test_its_columns_are_those_that_are_measured_and_documented() -> None:
    assert tuple(Measured.model_fields) == COLUMNS
    chapter = DOCUMENTATION.read_text(encoding="utf-8").split("## The table of simulated studies")[1]
    first_cells = [line.split("|")[1] for line in chapter.splitlines() if line.startswith("| `")]
    assert tuple(name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)) == COLUMNS


def test_expected_is_mean_worst_and_best_over_the_seeds(row) -> None:
    table = UtilityTable([row(seed=0, uar=0.2), row(seed=1, uar=0.6), row(seed=2, uar=0.7)])
    expected = table.at(2, 1.0)
    assert (expected.mean, expected.worst, expected.best) == (pytest.approx(0.5), 0.2, 0.7)


@pytest.mark.parametrize(
    ("devices", "epsilon", "found"),
    [(2, 1.0, (2, 1)), (4, 3.9, (2, 2)), (1000, 50.0, (100, 8)), (7, 0.9995, (5, 1)), (1, 8.0, None), (5, 0.9, None)],
)
def test_no_larger_and_no_less_private_study_is_taken_for_it(shipped, devices, epsilon, found) -> None:
    expected = shipped.at(devices, epsilon)
    assert (expected and (expected.clients, expected.epsilon)) == found


def test_near_chance_is_judged_by_the_worst_seed(row) -> None:
    before = {"uar_before": 0.6, "uar_chance": 0.2}
    near = UtilityTable([row(seed=0, uar=0.9, **before), row(seed=1, uar=0.39, **before)]).at(2, 1.0)
    far = UtilityTable([row(seed=0, uar=0.41, **before)]).at(2, 1.0)
    assert (near.near_chance, far.near_chance) == (True, False)


def test_the_smallest_size_is_one_from_which_on_all_improve(row) -> None:
    scores = {2: 0.9, 5: 0.6, 10: 0.8, 20: 0.9}
    table = UtilityTable([row(clients=size, uar=uar, uar_before=0.7) for size, uar in scores.items()])
    assert table.smallest(1.0) == 10
    one_seed_lost = [row(seed=0, uar=0.6, uar_before=0.7), row(seed=1, uar=0.9, uar_before=0.7)]
    assert UtilityTable(one_seed_lost).smallest(1.0) is None


def test_studies_of_another_model_are_left_out() -> None:
    assert load_utility(SHIPPED, "cnn-gru", "basic-7", "classifier").rows == []


def _table(path: Path, *rows: Measured) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(row.model_dump() for row in rows)
    path.write_text(text.getvalue())
    return path


@pytest.mark.parametrize(
    "changed",
    [
        {"unit": "participant"},
        {"cohort": 2, "clients": 5},
        {"algorithm": "fedadam"},
        {"population": "label-skew"},
        {"availability": "diurnal"},
        {"settings": "steps=5"},
    ],
)
def test_studies_that_differ_from_a_plan_are_left_out(tmp_path, row, changed) -> None:
    path = _table(tmp_path / "table.csv", row(), row(**changed))
    assert len(load_utility(path, "cnn-lstm", "basic-7", "classifier").rows) == 1


def test_studies_of_other_rounds_are_not_mixed(tmp_path, row) -> None:
    path = _table(tmp_path / "table.csv", row(rounds=6), row(rounds=8))
    with pytest.raises(DataError, match="cannot be compared"):
        load_utility(path, "cnn-lstm", "basic-7", "classifier")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("0.4286,0.4286", "1.4286,0.4286", "Row 2 of .* is wrong: uar"),
        (",seed,", ",sead,", "Row 2 of .* is wrong"),
        ("cnn-lstm,basic-7,classifier,5,", "cnn-lstm,basic-7,classifier,0,", "Row 14 of .* is wrong: clients"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, old, new, words) -> None:
    path = tmp_path / "table.csv"
    path.write_text(SHIPPED.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=words):
        load_utility(path, "cnn-lstm", "basic-7", "classifier")


def test_a_table_that_is_not_there_or_is_no_text_is_refused(tmp_path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("missing", "binary"):
        with pytest.raises(DataError, match="cannot be read"):
            load_utility(tmp_path / name, "cnn-lstm", "basic-7", "classifier")
