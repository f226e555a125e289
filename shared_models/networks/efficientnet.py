"""EfficientNet-B0 (Tan and Le 2019, table 1) as an encoder that has per-sequence gradients."""

from collections.abc import Iterator
from typing import Any, ClassVar

from torch import nn

from shared_models.networks.backbone import Backbone, without_in_place_sum


class EfficientNetEncoder(Backbone):
    """4.0M parameters, 1280 features. No block is skipped at random: two passes over a sequence must agree."""

    name, top = "efficientnet_b0", "classifier."
    features = 1280
    options: ClassVar[dict[str, Any]] = {"stochastic_depth_prob": 0.0}

    def layers_of(self, network: nn.Module) -> Iterator[nn.Module]:
        first, *stages, last = network.get_submodule("features").children()
        yield first
        for stage in stages:
            yield from map(without_in_place_sum, stage.children())
        yield last
