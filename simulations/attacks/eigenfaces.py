"""What an attacker knows about faces before seeing any upload: the principal components of public ones."""

import numpy as np
import torch
from torch import Tensor

from shared_models.data.transforms import to_input
from shared_models.errors import DataError

_COMPONENTS = 150
_FRAMES_OF_A_SEQUENCE = 4


class Eigenfaces:
    """Faces as a mean and weights of components (Turk and Pentland 1991, "Eigenfaces for Recognition").

    A reconstruction is sought among these only: gradients of a deep network match many pictures of noise just as well.
    Total variation as the prior (Geiping et al. 2020) left most of such noise in these faces.
    """

    def __init__(self, frames: np.ndarray) -> None:
        """frames: (N, T, 1, H, W) uint8 of public faces. Raises DataError where they are too few."""
        stride = max(1, frames.shape[1] // _FRAMES_OF_A_SEQUENCE)
        pixels = to_input(frames[:, ::stride]).flatten(0, 1)
        if len(pixels) <= _COMPONENTS:
            raise DataError(
                f"{len(pixels)} public pictures are too few to know faces by", why=f"more than {_COMPONENTS} are needed"
            )
        self._shape = pixels.shape[1:]
        flat = pixels.flatten(1)
        self._mean = flat.mean(0)
        _, deviations, components = torch.linalg.svd(flat - self._mean, full_matrices=False)
        self._components = components[:_COMPONENTS] * (deviations[:_COMPONENTS, None] / len(flat) ** 0.5)
        self._contrast = float(flat.std(1).mean())

    @property
    def size(self) -> int:
        """The number of weights of a face; each has about unit variance over public faces."""
        return len(self._components)

    def face(self, weights: Tensor) -> Tensor:
        """(size,) -> (1, H, W), around [0, 1]; differentiable."""
        return (self._mean + weights @ self._components).view(self._shape)

    def developed(self, face: Tensor) -> Tensor:
        """`face` in [0, 1] with the brightness and contrast of public faces: normalisation layers lose both."""
        return ((face - face.mean()) / face.std() * self._contrast + self._mean.mean()).clamp(0, 1)
