import torch

from fl_client.training import local_update

NAME = "classifier.linear.weight"


def test_the_model_moves_by_the_mean_of_a_rounds_uploads(audited, short_policy, starter, monkeypatch) -> None:
    before, seen, updates = starter.state_dict()[NAME].clone(), [], []

    def recording(model, *rest):
        seen.append(model.state_dict()[NAME].clone())
        update = local_update(model, *rest)
        updates.append(update[NAME])
        return update

    monkeypatch.setattr("simulations.attacks.trial.local_update", recording)
    audited(policy=short_policy(8.0), canaries=[10, 10], data=audited.keywords["data"][:2])
    assert len(seen) == 4, "two devices in both rounds of their life"
    assert torch.equal(seen[0], before)
    assert torch.equal(seen[1], before)
    torch.testing.assert_close(seen[2], before + (updates[0] + updates[1]) / 2)
    assert torch.equal(seen[2], seen[3])
    assert torch.equal(starter.state_dict()[NAME], before), "the model given is left as it was"


def test_the_same_seed_gives_the_same_scores_and_another_one_others(audited, short_policy) -> None:
    few = {"policy": short_policy(8.0), "canaries": [10], "data": audited.keywords["data"][:1]}
    first, again, other = (audited(seed=seed, **few).scores for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).all()


def test_momentum_is_weighed_out_of_the_noise(audited, short_policy) -> None:
    heard = audited(policy=short_policy(8.0, momentum=0.9))
    assert abs(heard.noise.scale - 1) < 0.05
