import pytest
import torch

from shared_models.privacy.gradients import engine_by_name
from simulations.attacks.directions import Directions, sequence_gradients

torch.set_num_threads(1)


@pytest.mark.parametrize("part", ["classifier", "head"])
def test_the_auditors_gradients_are_those_of_the_engines(starter, part) -> None:
    torch.manual_seed(0)
    inputs, targets = torch.randn(3, 2, 4, 128), torch.eye(7)[[0, 3, 3]]
    total = engine_by_name("fast").clipped_sum(starter, part, inputs, targets, 1e9)
    expected = torch.cat([gradient.flatten() for gradient in total.values()]).float()
    torch.testing.assert_close(
        sequence_gradients(starter, part, inputs, targets).sum(0), expected, rtol=1e-3, atol=1e-4
    )


def test_a_projection_hears_its_own_sequence_alone() -> None:
    torch.manual_seed(1)
    gradients = torch.randn(6, 50) + torch.randn(50)
    directions = Directions(gradients)
    without = gradients[1:].sum(0)
    assert float(directions.project(without)[0].abs()) < 1e-3 * float(gradients[0].norm())
    assert float(directions.project(without + gradients[0])[0]) > 0.3 * float(gradients[0].norm())


def test_a_projection_carries_as_much_noise_as_one_number_of_the_upload() -> None:
    torch.manual_seed(2)
    directions = Directions(torch.randn(4, 30) + torch.randn(30))
    projected = torch.stack([directions.project(torch.randn(30)) for _ in range(4000)])
    torch.testing.assert_close(projected.std(0), torch.ones(4, dtype=torch.float64), rtol=0.05, atol=0)


def test_the_residual_holds_nothing_of_the_gradients() -> None:
    torch.manual_seed(3)
    gradients, noise = torch.randn(5, 40), torch.randn(40)
    directions = Directions(gradients)
    residual = directions.residual(noise + 7 * gradients.sum(0))
    torch.testing.assert_close(residual, directions.residual(noise), rtol=1e-3, atol=1e-3)
    assert float((gradients @ residual).abs().max()) < 1e-3
