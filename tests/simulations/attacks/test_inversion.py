import json

import cv2
import pytest
import torch

from fl_server.settings import PolicySettings
from shared_models.data.sequences import Sequences
from shared_models.data.synthetic.domains import LAPTOP
from shared_models.data.synthetic.sequences import render_sequences
from shared_models.data.transforms import to_input
from shared_models.errors import DataError, UsageError
from shared_models.networks.registry import build_model
from shared_models.privacy.calibration import calibrated
from simulations.attacks.eigenfaces import Eigenfaces
from simulations.attacks.inversion import Attack, InversionOptions, run_inversion
from simulations.attacks.likeness import by_chance

torch.set_num_threads(1)
VICTIMS, CROWD = 3, 8


def people(numbers: range) -> list[Sequences]:
    return [render_sequences(1, "basic-7", LAPTOP, seed=5, people=[number], frames=4).take([1]) for number in numbers]


@pytest.fixture(scope="module")
def attacked() -> list[dict]:
    """Scores of three victims' uploads: one sequence, one step, everything trained from random weights."""
    torch.manual_seed(0)
    model = build_model("cnn-lstm", 7).eval()
    public = render_sequences(40, "basic-7", LAPTOP, seed=3, people=range(1000, 1040), frames=1)
    clients = people(range(2000, 2000 + CROWD))
    crowd = torch.stack([to_input(client.frames[0])[2] for client in clients])
    settings = PolicySettings(steps=1, reply_seconds=0.0)
    policy = calibrated(**settings.model_dump(), model="cnn-lstm", scheme="basic-7", trainable="all")
    attack = Attack(model, policy, Eigenfaces(public.frames), iterations=30, seed=0)
    return [attack.on(number, clients[number], crowd)[0] for number in range(VICTIMS)]


def found(attacked: list[dict], name: str) -> int:
    return sum(scores[name]["rank"] == 1 for scores in attacked)


def test_without_noise_the_victims_are_recognised(attacked) -> None:
    assert by_chance(found(attacked, "without_noise"), VICTIMS, CROWD) < 0.01
    assert all(scores["without_noise"]["correlation"] > 0.75 for scores in attacked)
    assert all(scores["without_noise"]["label_found"] for scores in attacked)


def test_with_the_policys_noise_recognition_is_no_better_than_chance(attacked) -> None:
    assert by_chance(found(attacked, "with_noise"), VICTIMS, CROWD) > 0.05
    for scores in attacked:
        assert scores["with_noise"]["correlation"] < scores["without_noise"]["correlation"] - 0.2


def test_what_the_last_layer_saw_is_exact_without_noise_and_gone_with_it(attacked) -> None:
    for scores in attacked:
        assert scores["without_noise"]["pooled_state_correlation"] == pytest.approx(1, abs=1e-3)
        assert abs(scores["with_noise"]["pooled_state_correlation"]) < 0.4


def options(**changed: object) -> InversionOptions:
    given = {
        "data": "synthetic",
        "victims": 2,
        "crowd": 3,
        "iterations": 1,
        "policy": PolicySettings(),
        "trainable": "classifier",
        "initial": "random",
        "seed": 0,
    }
    return InversionOptions(**(given | changed))


def test_the_result_holds_scores_and_a_picture_for_each_victim(small_population, tmp_path) -> None:
    result = run_inversion(options(), tmp_path, lambda *_: None)
    assert result == json.loads((tmp_path / "inversion.json").read_text())
    assert result["policy"]["steps"] == 1
    assert len(result["victims"]) == 2
    assert result["summary"]["with_noise"].keys() == {
        "identified", "chance", "p_value", "median_correlation", "label_found", "median_pooled_state_correlation"
    }  # fmt: skip
    for number in (1, 2):
        strip = cv2.imread(str(tmp_path / f"victim-{number}.png"), cv2.IMREAD_GRAYSCALE)
        assert strip.shape == (4 * 48, 3 * 4 * 48), "the original, and the reconstructions without and with noise"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"policy": PolicySettings(unit="participant", update_clip=1.0)}, "the unit `sequence` only"),
        ({"victims": 4}, "cannot be found among 3 people"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(tmp_path, changed, sentence) -> None:
    with pytest.raises(UsageError, match=sentence):
        run_inversion(options(**changed), tmp_path, lambda *_: None)


def test_too_few_public_faces_are_refused() -> None:
    with pytest.raises(DataError, match="too few to know faces by"):
        Eigenfaces(people(range(2))[0].frames)


def test_the_command_prints_only_json(small_population, tmp_path, leave, capsys) -> None:
    from simulations import cli

    command = [
        "attack",
        "inversion",
        "--victims",
        "1",
        "--crowd",
        "2",
        "--iterations",
        "1",
        "--trainable",
        "classifier",
    ]
    assert leave(cli.run, *command, "--out", tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "inversion.json").read_text())
