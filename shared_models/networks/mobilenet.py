"""MobileNetV3-small (Howard et al. 2019, table 2) as an encoder that has per-sequence gradients."""

from functools import partial

from torch import Tensor, nn

from shared_models.networks.torchvision_guard import import_torchvision

_GROUPS = 8


class MobileNetEncoder(nn.Module):
    """torchvision's mobilenet_v3_small up to its last convolution, with GroupNorm in place of BatchNorm.

    0.93M parameters, 576 features. torchvision is imported when the first of these is built.
    """

    features = 576

    def __init__(self) -> None:
        super().__init__()
        models = import_torchvision().models
        network = models.mobilenet_v3_small(weights=None, norm_layer=partial(nn.GroupNorm, _GROUPS))
        self.layers = nn.Sequential(*(_without_in_place_sum(layer) for layer in network.features))
        for module in self.modules():
            if isinstance(module, nn.ReLU | nn.Hardswish):
                module.inplace = False  # backward hooks would see what the activation has overwritten

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) in [0, 1] -> (N, 576). The first convolution keeps its three channels, for colour weights."""
        gray = x - 0.5
        return self.layers(gray.expand(*gray.shape[:-3], 3, *gray.shape[-2:])).mean((-2, -1))


class Residual(nn.Module):
    """A block and its shortcut. torchvision adds in place, which breaks backward hooks."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        change: Tensor = self.block(x)
        return change + x


def _without_in_place_sum(layer: nn.Module) -> nn.Module:
    block = getattr(layer, "block", None)
    if block is None:
        return layer
    return Residual(block) if layer.use_res_connect else block
