import json
from dataclasses import replace

import pytest
from scipy.stats import norm

from fl_server.settings import PolicySettings
from shared_models.errors import UsageError
from simulations.attacks.membership import run_membership
from simulations.attacks.pool import MembershipOptions

OPTIONS = MembershipOptions(
    data="synthetic",
    people=2,
    per_person=6,
    models=4,
    pools=2,
    rounds=2,
    epsilons=(8.0, 1.0),
    policy=PolicySettings(steps=4),
    trainable="classifier",
    initial="random",
    seed=0,
)


def test_each_case_has_its_figures_intervals_and_what_epsilon_allows(small_population, tmp_path) -> None:
    result = run_membership(OPTIONS, tmp_path, lambda *_: None)
    assert result == json.loads((tmp_path / "membership.json").read_text())
    assert list(result["cases"]) == ["without_noise", "epsilon_8", "epsilon_1"]
    assert result["scores"] == {"members": 48, "others": 48}
    for case in result["cases"].values():
        for figure in ("auc", "tpr_at_1_fpr"):
            assert case[figure]["low"] <= case[figure]["value"] <= case[figure]["high"]
    bounds = {name: case["at_most"] for name, case in result["cases"].items()}
    mu = OPTIONS.calibrated(8.0).lifetime_mu
    assert bounds["without_noise"] == {"auc": None, "tpr_at_1_fpr": None}
    assert bounds["epsilon_8"]["tpr_at_1_fpr"] == pytest.approx(norm.cdf(norm.ppf(0.01) + mu))
    assert bounds["epsilon_8"]["auc"] == pytest.approx(norm.cdf(mu / 2**0.5))
    assert 0.5 < bounds["epsilon_1"]["auc"] < bounds["epsilon_8"]["auc"]


def test_with_sampling_only_the_bound_of_epsilon_is_known(small_population, tmp_path) -> None:
    sampled = replace(
        OPTIONS, policy=PolicySettings(steps=1, q=0.5, noise_multiplier=3.0), epsilons=(1.0,), pools=1, rounds=1
    )
    bounds = run_membership(sampled, tmp_path, lambda *_: None)["cases"]["epsilon_1"]["at_most"]
    assert bounds["auc"] is None
    assert 0.01 < bounds["tpr_at_1_fpr"] < 0.03


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"models": 5}, "5 models cannot be references"),
        ({"models": 2}, "2 models cannot be references"),
        ({"per_person": 1}, "cannot be halved"),
        ({"people": 1}, "No round with 1 people would count"),
        ({"policy": PolicySettings(unit="participant", update_clip=1.0)}, "single sequences"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(tmp_path, changed, sentence) -> None:
    with pytest.raises(UsageError, match=sentence):
        run_membership(replace(OPTIONS, **changed), tmp_path, lambda *_: None)
