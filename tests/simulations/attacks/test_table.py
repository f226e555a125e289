import csv
import json
from dataclasses import replace

import pytest

from fl_server.settings import AggregationSettings, PolicySettings
from shared_models.errors import UsageError
from simulations.attacks.arena import Scenario
from simulations.attacks.defences import DEFENCES
from simulations.attacks.harm import HarmOptions
from simulations.attacks.table import run_table

OPTIONS = HarmOptions(
    Scenario("synthetic", 5, 2, 1, PolicySettings(), AggregationSettings(trim=0.2), "classifier", "starter"),
    attacks=(),
    shares=(0.2, 0.4),
    defences=(),
    seeds=1,
    seed=0,
)


@pytest.fixture(scope="module")
def written(tmp_path_factory, make_sequences):
    from simulations.populations import Population

    def populate(spec, scheme, plan):
        clients = [make_sequences(plan.per_client, seed) for seed in range(plan.count)]
        return Population(clients, make_sequences(40, 99), "noise")

    folder = tmp_path_factory.mktemp("table")
    with pytest.MonkeyPatch.context() as patch:
        for module in ("arena", "pool", "table"):
            patch.setattr(f"simulations.attacks.{module}.populate", populate)
        for size in ("_MODELS", "_SEQUENCES"):
            patch.setattr(f"simulations.attacks.table.{size}", 4)
        patch.setattr("simulations.attacks.table.MEMORISING", {"steps": 2})
        run_table(OPTIONS, folder, lambda *_: None)
    return folder


def test_every_attack_and_share_has_a_line_and_every_defence_a_column(written) -> None:
    head, _, *lines = (written / "table.md").read_text().splitlines()
    columns = [cell.strip() for cell in head.strip("|").split("|")]
    assert columns == ["attack", "attackers", "percent", *DEFENCES]
    found = [tuple(cell.strip() for cell in line.strip("|").split("|")[:3]) for line in lines]
    assert found[:2] == [("nobody", "0 %", "accuracy"), ("nobody", "0 %", "trigger success")]
    for name in ("label-flip", "sign-flip", "scaled", "backdoor", "zeros", "random", "old-update"):
        assert {(name, "20 %", "accuracy lost"), (name, "40 %", "accuracy lost")} <= set(found)
    assert ("backdoor", "20 %", "trigger success") in found
    assert found[-2:] == [("membership", "0 %", "auc"), ("inversion", "0 %", "labels found")]
    assert len(found) == 2 + 2 * (7 + 1) + 2


def test_json_and_csv_hold_the_same_figures(written) -> None:
    result = json.loads((written / "table.json").read_text())
    cells = {(cell["attack"], cell["share"], cell["defence"]): cell for cell in result["cells"]}
    with (written / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7 * (3 + 7 * 2 * 4 + 2)
    for row in rows:
        cell = cells[row["attack"], float(row["share"]), row["defence"]]
        assert float(row["mean"]) == cell[row["measure"]]["mean"]


def test_a_curious_server_is_stopped_by_noise_alone(written) -> None:
    cells = json.loads((written / "table.json").read_text())["cells"]
    labels = {cell["defence"]: cell["labels_found"]["mean"] for cell in cells if cell["attack"] == "inversion"}
    assert labels["none"] == labels["norm-bound"] == labels["trimmed-mean"] == labels["median"] == 100
    assert labels["noise"] == labels["default"] == labels["all"] < 60


def test_the_unit_participant_is_refused(tmp_path) -> None:
    policy = PolicySettings(unit="participant", update_clip=1.0)
    options = replace(OPTIONS, scenario=replace(OPTIONS.scenario, policy=policy))
    with pytest.raises(UsageError, match="unit `sequence` only"):
        run_table(options, tmp_path, lambda *_: None)
