import numpy as np
import pytest

from shared_models.evaluation.calibration import BINS, calibration_error, reliability


def test_the_bins_are_what_the_calibration_error_is_made_of() -> None:
    rng = np.random.default_rng(0)
    probabilities, targets = rng.dirichlet(np.full(4, 0.3), 200), rng.integers(0, 4, 200)
    bins = reliability(probabilities, targets)
    assert (len(bins), sum(found.sequences for found in bins)) == (BINS, 200)
    error = sum(found.sequences * abs(found.accuracy - found.confidence) for found in bins) / 200
    assert error == pytest.approx(calibration_error(probabilities, targets))


def test_a_bin_by_hand() -> None:
    bins = reliability(np.array([[0.8, 0.2], [0.78, 0.22], [0.5, 0.5]]), np.array([0, 1, 0]))
    filled = {round(found.up_to, 3): found for found in bins if found.sequences}
    assert sorted(filled) == [0.533, 0.8]
    assert filled[0.8].sequences == 2
    assert (filled[0.8].accuracy, filled[0.8].confidence) == (0.5, pytest.approx(0.79))
