"""Grad-CAM and attention over time: for every model of the family, in the right place, and dependent on the weights."""

import copy
from statistics import NormalDist

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from shared_models.data.synthetic.sequences import render_sequences
from shared_models.data.transforms import to_input
from shared_models.evaluation.explanation import Explanation, by_third, explain
from shared_models.networks.names import FAMILY, encoder_of
from shared_models.networks.registry import build_model
from shared_models.networks.starter import initial_model
from shared_models.networks.weights import weights_hash

CLASSES = 7


def noise(frames, size):
    return np.random.default_rng(0).integers(0, 256, (frames, 1, size, size), dtype=np.uint8)


@pytest.fixture(scope="module")
def starter():
    return initial_model("starter", "cnn-lstm", "basic-7", (16, 1, 48, 48))[0]


@pytest.fixture(scope="module")
def faces():
    """21 rendered sequences of three people, three of each class."""
    return render_sequences(3, "basic-7", seed=5, people=range(2000, 2003)).frames


@pytest.fixture(scope="module")
def others():
    """As many of three other people, on whom nothing of the test that covers them was chosen."""
    return render_sequences(3, "basic-7", seed=11, people=range(5000, 5003)).frames


@pytest.mark.parametrize("name", FAMILY)
def test_every_model_is_explained_and_left_as_it_was(name):
    torch.manual_seed(0)
    model, frames = build_model(name, CLASSES), noise(3, 32)
    model.classifier.eval()
    model.encoder.requires_grad_(False)
    before = (
        weights_hash(model.state_dict()),
        [module.training for module in model.modules()],
        [(p.requires_grad, p.grad) for p in model.parameters()],
    )
    explanation = explain(model, frames)
    assert before == (
        weights_hash(model.state_dict()),
        [module.training for module in model.modules()],
        [(p.requires_grad, p.grad) for p in model.parameters()],
    )
    with torch.inference_mode():
        expected = model.eval()(to_input(frames[None])).softmax(1)[0].numpy()
    np.testing.assert_allclose(explanation.outputs, expected, atol=1e-6)
    assert explanation.class_index == expected.argmax()
    assert explanation.weights.shape == (3,)
    assert explanation.weights.sum() == pytest.approx(1)
    if encoder_of(name):
        assert explanation.heat.shape == (3, 32, 32)
        assert explanation.heat.min() >= 0
        assert explanation.heat.max() in (0, 1)
    else:  # nothing was learnt that has places
        assert explanation.heat is None
        assert explanation.place is None


def test_of_a_mean_over_time_and_place_it_is_the_class_activation_map():
    """Selvaraju et al. 2017, section 3.1, show that both are the same: the last layer's weights times maps."""
    torch.manual_seed(0)
    model, frames = build_model("cnn", CLASSES).eval(), noise(4, 48)
    explanation = explain(model, frames, class_index=2)
    with torch.no_grad():
        maps = model.encoder.last_maps(to_input(frames))
        coarse = torch.einsum("c,tchw->thw", model.classifier.linear.weight[2], maps).relu().double().numpy()
    places, pixels = 8 * np.arange(6) + 0.5, np.arange(48)
    rows = np.apply_along_axis(lambda values: np.interp(pixels, places, values), 1, coarse)
    expected = np.apply_along_axis(lambda values: np.interp(pixels, places, values), 2, rows)
    np.testing.assert_allclose(explanation.heat, expected / expected.max(), atol=1e-5)
    np.testing.assert_allclose(explanation.weights, 0.25)


@pytest.mark.parametrize(("name", "size"), [("cnn", 96), ("mobilenet", 256), ("efficientnet", 256), ("resnet", 256)])
def test_a_place_of_the_maps_looks_at_the_pixel_that_the_encoder_s_stride_says(name, size):
    """The centre of mass of what one place depends on; GroupNorm makes it depend on everything a little."""
    torch.manual_seed(0)
    encoder, centres = build_model(name, CLASSES).eval().encoder, []
    place = size // encoder.stride // 2
    for _ in range(4):
        x = torch.rand(1, 1, size, size, requires_grad=True)
        values = encoder.last_maps(x)[0, :, place, place]
        [gradient] = torch.autograd.grad((values * torch.randn_like(values)).sum(), x)
        mass = gradient[0, 0].square()
        centres.append([float((mass.sum(axis) * torch.arange(size)).sum() / mass.sum()) for axis in (0, 1)])
    np.testing.assert_allclose(np.mean(centres, axis=0), place * encoder.stride, atol=encoder.stride / 4)


def test_frames_are_on_one_scale_and_classes_differ(starter, faces):
    explanation, other = explain(starter, faces[2]), explain(starter, faces[2], class_index=4)
    peaks = explanation.heat.max(axis=(1, 2))
    assert peaks.max() == 1
    assert peaks.min() < 0.5
    assert np.abs(explanation.heat - other.heat).max() > 0.1
    assert other.class_index == 4
    np.testing.assert_array_equal(explanation.outputs, other.outputs)


def test_weights_are_the_classifier_s_attention(starter, faces):
    with torch.no_grad():
        states = starter.run_until("classifier", to_input(faces[:1]))[0]
        weights = starter.classifier.pool.score(states)[:, 0].softmax(0).numpy()
        pooled = starter.classifier.linear(torch.from_numpy(weights) @ states)
    np.testing.assert_allclose(explain(starter, faces[0]).weights, weights, atol=1e-6)
    np.testing.assert_allclose(pooled, starter(to_input(faces[:1]))[0].detach(), atol=1e-5)


def test_where_and_when_in_words():
    heat = np.zeros((6, 48, 48))
    heat[3, 40, 5] = 1
    assert Explanation(0, np.ones(1), np.ones(6) / 6, heat).place == (2, 0)
    assert Explanation(0, np.ones(1), np.ones(6) / 6, 0 * heat).place is None
    np.testing.assert_allclose(by_third(np.array([0.1, 0.1, 0.2, 0.2, 0.3, 0.1])), [0.2, 0.4, 0.4])
    np.testing.assert_allclose(by_third(np.ones(1)), [1, 0, 0])


def test_it_depends_on_what_was_learnt(starter, faces):
    """Adebayo et al. 2018, arXiv 1810.03292, section 3: with random weights, from the top down, the map is another.

    By the rank correlation of both maps' pixels, over seven sequences. Maps that show edges of the picture, whatever
    the weights, stay near 1.
    """
    torch.manual_seed(0)
    fresh, changed = build_model("cnn-lstm", CLASSES), copy.deepcopy(starter)
    own = [explain(starter, frames) for frames in faces[:7]]
    alike = []
    for stage in ("classifier", "temporal", "encoder"):
        getattr(changed, stage).load_state_dict(getattr(fresh, stage).state_dict())
        others = [explain(changed, faces[i], one.class_index) for i, one in enumerate(own)]
        pairs = zip(own, others, strict=True)
        alike.append(np.mean([spearmanr(a.heat.ravel(), b.heat.ravel()).statistic for a, b in pairs]))
    assert alike[0] < 0.95
    assert alike[1] < 0.5
    assert abs(alike[2]) < 0.3


def test_what_it_points_to_counts_more_than_as_much_elsewhere(starter, others):
    """The twentieth of a sequence with the most heat is covered with each frame's mean light; and, four times, the same
    shape moved elsewhere in the frames, so that all cover the same frames.

    Its rank among the five, by the drop of the logit, is uniform on 0, 1/4 ... 1 if the map knows nothing. The mean
    over 21 sequences is then above the bound in 1 of 1,000 draws (normal approximation).
    """
    rng, ranks = np.random.default_rng(0), []
    for frames in others:
        explanation = explain(starter, frames)
        hot = explanation.heat >= np.quantile(explanation.heat, 0.95)
        shapes = [hot] + [np.roll(hot, tuple(rng.integers(0, 48, 2)), (1, 2)) for _ in range(4)]
        light = frames.mean((1, 2, 3), keepdims=True)
        covered = np.stack([np.where(shape[:, None], light, frames).astype(np.uint8) for shape in shapes])
        with torch.inference_mode():
            logits = starter(to_input(covered))[:, explanation.class_index].numpy()
        ranks.append((logits[0] < logits[1:]).mean())
    deviation = np.sqrt((5**2 - 1) / 12) / 4
    assert np.mean(ranks) > NormalDist(0.5, deviation / np.sqrt(len(ranks))).inv_cdf(0.999)
