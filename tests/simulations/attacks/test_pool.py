import numpy as np
import pytest
import torch

from fl_server.settings import PolicySettings
from simulations.attacks.pool import MEMORISING, MembershipOptions, Pool, calibrated_scores, confidence
from simulations.attacks.roc import auc

torch.set_num_threads(1)


@pytest.fixture
def options():
    given = {
        "data": "synthetic", "people": 2, "per_person": 8, "models": 4, "pools": 1, "rounds": 6, "epsilons": (0.5,),
        "policy": PolicySettings(**MEMORISING), "trainable": "classifier", "initial": "starter", "seed": 0,
    }  # fmt: skip
    return MembershipOptions(**given)


def test_confidence_is_the_log_odds_of_the_label_and_does_not_saturate() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [1000.0, 0.0, 0.0]])
    targets = torch.tensor([[0.2, 0.8, 0.0], [1.0, 0.0, 0.0]])
    found = confidence(logits, targets)
    p = logits[0].double().softmax(0)[1]
    assert found[0] == pytest.approx(float(torch.log(p / (1 - p))))
    assert found[1] == pytest.approx(1000 - np.log(2))


def test_a_score_is_the_confidence_less_that_of_other_models_without_the_sequence() -> None:
    confidences = np.array([[5.0], [1.0], [3.0], [9.0]])
    included = np.array([[True], [False], [False], [True]])
    assert calibrated_scores(confidences, included)[:, 0].tolist() == [5 - 2, 1 - 3, 3 - 1, 9 - 2]


def test_every_sequence_is_in_half_of_the_federations(small_population, options) -> None:
    included = Pool(options, 0).included
    assert included.shape == (4, 16)
    assert (included.sum(0) == 2).all()


def test_members_are_found_without_noise_and_hardly_with_it(small_population, options) -> None:
    """With epsilon 0.5 no attack has an expected area above .54; the standard error of 64 scores is about .07."""
    pool, policy = Pool(options, 0), options.calibrated(0.5)
    found = {
        noised: auc(pool.scores(chosen).ravel(), pool.included.ravel())
        for noised, chosen in ((False, policy.without_noise()), (True, policy))
    }
    assert found[False] > 0.7
    assert found[True] < 0.65
