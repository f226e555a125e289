"""MobileNetV3-small (Howard et al. 2019, table 2) as an encoder that has per-sequence gradients."""

from collections.abc import Iterator

from torch import nn

from shared_models.networks.backbone import Backbone, without_in_place_sum


class MobileNetEncoder(Backbone):
    """0.93M parameters, 576 features."""

    name, top = "mobilenet_v3_small", "classifier."
    features = 576

    def layers_of(self, network: nn.Module) -> Iterator[nn.Module]:
        yield from map(without_in_place_sum, network.get_submodule("features").children())
