"""torchvision's networks as encoders that have per-sequence gradients: GroupNorm, and nothing changed in place."""

import pickle
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from shared_models.errors import ModelError
from shared_models.networks.frames import FrameEncoder
from shared_models.networks.torchvision_guard import import_torchvision

_GROUPS = 8
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_IN_PLACE = (nn.ReLU, nn.Hardswish, nn.SiLU)


class Backbone(FrameEncoder):
    """torchvision's network `name` up to its last convolution. torchvision is imported when the first is built.

    The first convolution keeps its three channels, for weights that were learnt in colour.
    """

    stride = 32
    name: str
    """Of the function in torchvision.models."""
    top: str
    """The first letters of the names of the weights that are left out: the network's own classifier."""
    options: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*self.layers_of(self._network()))
        for module in self.modules():
            if isinstance(module, _IN_PLACE):
                module.inplace = False  # backward hooks would see what the activation has overwritten

    def layers_of(self, network: nn.Module) -> Iterator[nn.Module]:
        """The network's layers up to its last convolution, with all their weights in the network's own order."""
        raise NotImplementedError

    def maps(self, x: Tensor) -> Tensor:
        gray = x - 0.5
        maps: Tensor = self.layers(gray.expand(*gray.shape[:-3], 3, *gray.shape[-2:]))
        return maps

    def load_torchvision(self, path: Path) -> None:
        """Takes the weights of a file that torchvision's own network wrote, .pth or .safetensors.

        A BatchNorm's scale and shift become the GroupNorm's; its statistics and the network's classifier are left out.
        Such weights are a place to start training from: until then their norms see other statistics.

        Raises ModelError where the file is missing, damaged, or of another network.
        """
        network = self._network()
        own = {name for name in network.state_dict() if not name.startswith(self.top)}
        found = {name: value for name, value in _read(path).items() if not _left_out(name, self.top)}
        try:
            if odd := sorted(own ^ found.keys()):
                raise RuntimeError(f"{len(odd)} weights are missing or unknown, such as {odd[0]}")
            network.load_state_dict(found, strict=False)
        except RuntimeError as error:
            raise ModelError(
                f"The weights in {path.name} are not torchvision's {self.name}",
                why=str(error).splitlines()[-1].strip(),
                fix=f"Name a file of the weights of torchvision.models.{self.name}",
            ) from error
        values = [network.state_dict()[name] for name in network.state_dict() if name in own]
        self.layers.load_state_dict(dict(zip(self.layers.state_dict(), values, strict=True)))

    def _network(self) -> nn.Module:
        build = getattr(import_torchvision().models, self.name)
        network: nn.Module = build(weights=None, norm_layer=partial(nn.GroupNorm, _GROUPS), **self.options)
        return network


class Residual(nn.Module):
    """A block and its shortcut. torchvision adds in place, which breaks backward hooks."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        change: Tensor = self.block(x)
        return change + x


def without_in_place_sum(layer: nn.Module) -> nn.Module:
    """An inverted residual block of MobileNet or EfficientNet, in a form that adds its shortcut out of place."""
    block = getattr(layer, "block", None)
    if block is None:
        return layer
    return Residual(block) if layer.use_res_connect else block


def _left_out(name: str, top: str) -> bool:
    return name.startswith(top) or name.endswith(_STATISTICS)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        read: Any = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
        return {str(name): value.float() for name, value in dict(read).items()}
    except (
        OSError,
        SafetensorError,
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        TypeError,
        AttributeError,
    ) as error:
        raise ModelError(
            f"The weights file {path.name} cannot be read",
            why="it is missing, damaged, or holds more than weights",
            fix="Name a .pth or .safetensors file of torchvision's weights",
        ) from error
