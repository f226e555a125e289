"""Whether the audit clears honest code and convicts code with a planted bug.

An honest device is convicted in at most 1 of 100 audits (four tests at 0.25 % each); seeds are fixed.
"""

import json
import sys

import numpy as np
import pytest
import torch

from fl_client.training import local_update
from fl_server.settings import PolicySettings
from shared_models.errors import AuditError, UsageError
from shared_models.privacy.gradients.fast import FastEngine
from shared_models.privacy.noise import NoiseSource
from simulations.attacks.audit import AuditOptions, judge, raise_if_violated, run_audit

torch.set_num_threads(1)
clipped_sum, normal, from_seed = FastEngine.clipped_sum, NoiseSource.normal, NoiseSource.from_seed


def without_clipping(engine, model, part, inputs, targets, clip_norm):
    return clipped_sum(engine, model, part, inputs, targets, 1e9)


def by_frame(engine, model, part, inputs, targets, clip_norm):
    """Each frame of (B, V, T, H) is clipped as if it were a sequence of its own."""
    if len(inputs) == 0:
        return clipped_sum(engine, model, part, inputs, targets, clip_norm)
    frames = inputs.transpose(1, 2).flatten(0, 1).unsqueeze(2)
    return clipped_sum(engine, model, part, frames, targets.repeat_interleave(inputs.shape[2], 0), clip_norm)


def halved(source, shape):
    return normal(source, shape) / 2


def the_same_in_every_round(*seed):
    base, _, device = seed
    return from_seed(base, device)


def the_same_in_every_step(source, shape):
    """One draw for each shape, and so for each parameter, that every later step gets again."""
    drawn = vars(source).setdefault("drawn", {})
    return drawn.setdefault(tuple(shape), normal(source, shape))


PLANTED = {
    "no clip": (FastEngine, "clipped_sum", without_clipping, {"mu", "one_run"}),
    "per-frame gradients": (FastEngine, "clipped_sum", by_frame, {"mu"}),
    "half noise": (NoiseSource, "normal", halved, {"mu", "noise_scale"}),
    "seed reused in every round": (NoiseSource, "from_seed", the_same_in_every_round, {"noise_correlation"}),
    "noise reused in every step": (NoiseSource, "normal", the_same_in_every_step, {"noise_scale"}),
}


@pytest.mark.parametrize("epsilon", [1.0, 8.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_honest_code_is_consistent_with_its_claim(audited, short_policy, epsilon, seed) -> None:
    finding = judge(short_policy(epsilon), audited(policy=short_policy(epsilon), seed=seed))
    assert finding.violations == []


def test_on_honest_code_the_estimate_is_close_to_the_claim(audited, short_policy) -> None:
    """Else nothing would follow from `consistent`: the estimate's standard error is 0.1, the claim 1.67."""
    policy = short_policy(8.0)
    finding = judge(policy, audited(policy=policy))
    assert finding.overheard.clipped > 0.99
    assert finding.mu.value == pytest.approx(policy.mu_after(policy.lifetime_rounds), abs=0.3)
    assert 0.08 < finding.mu.error < 0.12


@pytest.mark.parametrize("epsilon", [1.0, 8.0])
@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_a_violation(audited, short_policy, monkeypatch, bug, epsilon) -> None:
    where, name, faulty, expected = PLANTED[bug]
    monkeypatch.setattr(where, name, faulty)
    finding = judge(short_policy(epsilon), audited(policy=short_policy(epsilon)))
    if (bug, epsilon) == ("no clip", 8.0):
        expected = expected - {"one_run"}  # 550 right guesses of 550 refute no epsilon above about 4
    assert expected <= set(finding.violations)


def test_coins_and_scores_belong_together(audited, short_policy) -> None:
    """With next to no noise every canary that took part scores higher than every one that did not."""
    heard = audited(policy=short_policy(8.0).model_copy(update={"noise_multiplier": 1e-3}))
    assert heard.scores[heard.included].min() > heard.scores[~heard.included].max()
    assert np.median(heard.scores[heard.included]) == pytest.approx(4, rel=0.1), "4 steps, one clip norm each"


def test_a_head_is_audited_too(audited, short_policy, starter) -> None:
    policy = short_policy(8.0, "head", learning_rate=0.05)
    finding = judge(policy, audited(policy=policy, data=audited.keywords["data"][:2], canaries=[40, 40]))
    assert finding.violations == []
    assert finding.mu.value > 0.8


def options(**changed: object) -> AuditOptions:
    given = {
        "data": "synthetic",
        "canaries": 60,
        "rounds": 2,
        "policy": PolicySettings(epsilon=8.0, steps=1),
        "trainable": "classifier",
        "initial": "starter",
        "gradients": "fast",
        "seed": 0,
    }
    return AuditOptions(**(given | changed))


def test_the_result_file_says_what_was_claimed_measured_and_found(small_population, tmp_path) -> None:
    result = run_audit(options(), tmp_path, lambda *_: None)
    assert result == json.loads((tmp_path / "audit.json").read_text())
    assert result["claim"]["epsilon"] <= 8
    assert result["canaries"] | {"included": 0} == {"planted": 60, "included": 0, "devices": 2, "clipped": 1.0}
    assert result["mu"].keys() == {"estimate", "lower_95", "epsilon_of_lower_95", "tightness"}
    assert result["one_run"].keys() == {"epsilon", "guesses", "correct"}
    assert (result["verdict"], result["violations"]) == ("consistent", [])
    raise_if_violated(result)


@pytest.mark.parametrize(("canaries", "devices"), [(55, 1), (56, 2), (110, 2), (111, 3)])
def test_canaries_and_own_sequences_fit_the_places_that_the_policy_allows(
    small_population, tmp_path, monkeypatch, canaries, devices
) -> None:
    trained_on = []

    def recording(model, policy, inputs, *rest):
        trained_on.append(len(inputs))
        return local_update(model, policy, inputs, *rest)

    monkeypatch.setattr("simulations.attacks.trial.local_update", recording)
    result = run_audit(options(canaries=canaries, rounds=1), tmp_path, lambda *_: None)
    assert result["canaries"]["devices"] == len(trained_on) == devices
    assert sum(trained_on) == 5 * devices + result["canaries"]["included"]
    assert max(trained_on) <= 60


def test_with_sampling_there_is_no_claimed_mu_and_the_one_run_bound_decides(small_population, tmp_path) -> None:
    result = run_audit(
        options(policy=PolicySettings(epsilon=8.0, steps=1, q=0.5, noise_multiplier=1.5)), tmp_path, lambda *_: None
    )
    assert result["claim"]["mu"] is None
    assert result["mu"]["tightness"] is None
    assert result["verdict"] == "consistent"


def test_a_violation_is_an_error_that_names_the_failed_tests(small_population, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(FastEngine, "clipped_sum", without_clipping)
    result = run_audit(options(), tmp_path, lambda *_: None)
    assert json.loads((tmp_path / "audit.json").read_text())["verdict"] == "violated"
    with pytest.raises(AuditError, match="mu") as caught:
        raise_if_violated(result)
    assert caught.value.exit_code == 27


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"policy": PolicySettings(unit="participant", update_clip=1.0)}, "cannot be audited by canaries"),
        ({"policy": PolicySettings(max_sequences=1)}, "no place for a canary"),
        ({"canaries": 19}, "19 canaries prove nothing"),
    ],
)
def test_what_cannot_be_audited_is_refused(tmp_path, changed, sentence) -> None:
    with pytest.raises(UsageError, match=sentence):
        run_audit(options(**changed), tmp_path, lambda *_: None)


def test_the_command_leaves_with_27_and_prints_only_json(small_population, tmp_path, monkeypatch, leave, capsys):
    from simulations import cli

    command = ["attack", "audit", "--canaries", "60", "--rounds", "2", "--out", tmp_path, "--json"]
    assert leave(cli.run, *command) == 0
    capsys.readouterr()
    monkeypatch.setattr(FastEngine, "clipped_sum", without_clipping)
    assert leave(cli.run, *command) == 27
    printed = capsys.readouterr()
    assert json.loads(printed.out)["verdict"] == "violated"
    assert "more leakage than the claim allows" in " ".join(printed.err.split())
    assert sys.exc_info() == (None, None, None)
