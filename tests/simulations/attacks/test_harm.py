import json
from dataclasses import replace

import pytest
import torch

from fl_server.settings import AggregationSettings, PolicySettings
from shared_models.data.synthetic.domains import LAPTOP
from shared_models.data.synthetic.sequences import render_sequences
from shared_models.errors import PolicyError, UsageError
from simulations.attacks.arena import Arena, Scenario
from simulations.attacks.defences import DEFENCES
from simulations.attacks.free_riders import FREE_RIDERS
from simulations.attacks.harm import FREE_RIDING, POISONING, HarmOptions, run_harm, spread
from simulations.attacks.poisoning import poisoning_attacks
from simulations.populations import Population

torch.set_num_threads(1)
SCENARIO = Scenario(
    data="synthetic",
    clients=10,
    per_client=14,
    rounds=4,
    policy=PolicySettings(),
    aggregation=AggregationSettings(trim=0.2),
    trainable="classifier",
    initial="starter",
)
SMALL = HarmOptions(replace(SCENARIO, clients=5, per_client=2, rounds=1), (), (0.2,), (), seeds=2, seed=0)


@pytest.fixture(scope="module")
def arena() -> Arena:
    """Ten people and ten others to score on, in sequences of few frames, which are rendered quickly."""

    def populate(spec, scheme, plan):
        people = range(2000, 2000 + plan.count)
        clients = [
            render_sequences(2, scheme.name, LAPTOP, seed=number, people=[number], frames=4) for number in people
        ]
        held_out = render_sequences(10, scheme.name, LAPTOP, seed=1, people=range(1000, 1010), frames=4)
        return Population(clients, held_out, "rendered")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulations.attacks.arena.populate", populate)
        return Arena(SCENARIO, 0)


def test_a_spread_needs_two_seeds() -> None:
    assert spread((1.0, 3.0)) == {"mean": 2.0, "sd": 1.41}
    assert spread((1.0,)) == {"mean": 1.0, "sd": None}


def test_scaled_lies_ruin_a_mean_and_hardly_move_a_median(arena) -> None:
    attack = poisoning_attacks(SCENARIO.target)["scaled"]
    accuracy = {
        (defence, attackers): arena.run(DEFENCES[defence], "scaled", attack, attackers).accuracy
        for defence in ("none", "norm-bound", "median", "trimmed-mean")
        for attackers in (0, 2)
    }
    assert accuracy["none", 2] < accuracy["none", 0] - 0.2
    assert accuracy["none", 2] < 0.2, "guesses are right in one of seven"
    assert accuracy["norm-bound", 2] > accuracy["none", 2]
    assert accuracy["median", 2] > accuracy["median", 0] - 0.1
    assert accuracy["trimmed-mean", 2] > accuracy["trimmed-mean", 0] - 0.1


def test_a_backdoor_obeys_its_trigger_and_a_median_takes_that_away(arena) -> None:
    attack = poisoning_attacks(SCENARIO.target)["backdoor"]
    alone, planted = (arena.run(DEFENCES["none"], "backdoor", attack, attackers) for attackers in (0, 2))
    defended = arena.run(DEFENCES["median"], "backdoor", attack, 2)
    assert planted.trigger > alone.trigger + 0.1
    assert defended.trigger < planted.trigger - 0.1


def test_free_riders_cost_little_and_none_is_refused(arena) -> None:
    alone = arena.run(DEFENCES["norm-bound"])
    for name in ("zeros", "old-update"):
        outcome = arena.run(DEFENCES["norm-bound"], name, FREE_RIDERS[name], 2)
        assert outcome.accuracy > alone.accuracy - 0.1
        assert outcome.refused == 0


def test_without_attackers_an_attack_changes_nothing(arena) -> None:
    attack = poisoning_attacks(SCENARIO.target)["label-flip"]
    assert arena.run(DEFENCES["all"], "label-flip", attack, 0) == arena.run(DEFENCES["all"])


@pytest.mark.parametrize(("kind", "attacks"), [(POISONING, 4), (FREE_RIDING, 3)])
def test_the_result_has_a_cell_for_every_attack_share_and_defence(small_population, tmp_path, kind, attacks) -> None:
    result = run_harm(kind, replace(SMALL, defences=("all", "none")), tmp_path, lambda *_: None)
    assert result == json.loads((tmp_path / f"{kind}.json").read_text())
    assert len(result["cells"]) == 2 * (1 + attacks)
    assert result["seeds"] == [0, 1]
    alone, *others = (cell for cell in result["cells"] if cell["defence"] == "none")
    assert (alone["attack"], alone["share"]) == ("nobody", 0)
    assert len(alone["accuracy"]["values"]) == 2
    for cell in others:
        assert cell["share"] == 0.2
        assert {"accuracy_lost", "macro_f1_lost", "trigger_success", "refused"} < cell.keys()


@pytest.mark.parametrize(
    ("changed", "error", "sentence"),
    [
        ({"attacks": ("lies",)}, UsageError, "no attack 'lies'.*label-flip"),
        ({"defences": ("hope",)}, UsageError, "no defence 'hope'.*trimmed-mean"),
        ({"shares": (1.5,)}, UsageError, "1.5 is no share of attackers among 5 devices"),
        ({"shares": (-0.2,)}, UsageError, "-0.2 is no share"),
        ({"shares": (float("nan"),)}, UsageError, "nan is no share"),
        ({"shares": (0.05,)}, UsageError, "0.05 is no share.*at least one attacker"),
        ({"shares": (0.95,)}, UsageError, "0.95 is no share.*one honest"),
        ({"scenario": replace(SMALL.scenario, policy=PolicySettings(min_survivors=9))}, UsageError, "would count"),
        (
            {"scenario": replace(SMALL.scenario, policy=PolicySettings(unit="participant", update_clip=1.0))},
            PolicyError,
            "does not go with the unit 'participant'",
        ),
    ],
)
def test_what_cannot_be_attacked_is_refused_before_anyone_is_rendered(
    monkeypatch, tmp_path, changed, error, sentence
) -> None:
    monkeypatch.setattr("simulations.attacks.harm.Arena", None)
    with pytest.raises(error, match=sentence):
        run_harm(POISONING, replace(SMALL, **changed), tmp_path, lambda *_: None)


def test_the_participants_claim_is_attacked_where_no_rule_voids_it(small_population, tmp_path) -> None:
    scenario = replace(SMALL.scenario, policy=PolicySettings(unit="participant", update_clip=1.0))
    options = replace(SMALL, scenario=scenario, attacks=("scaled",), defences=("noise", "norm-bound"), seeds=1)
    result = run_harm(POISONING, options, tmp_path, lambda *_: None)
    assert result["federation"]["policy"]["unit"] == "participant"
    assert len(result["cells"]) == 4
