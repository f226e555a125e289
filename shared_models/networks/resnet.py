"""ResNet-18 (He et al. 2016, table 1) as an encoder that has per-sequence gradients."""

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import functional as F

from shared_models.networks.backbone import Backbone


class ResNetEncoder(Backbone):
    """11.2M parameters, 512 features."""

    name, top = "resnet18", "fc."
    features = 512

    def layers_of(self, network: nn.Module) -> Iterator[nn.Module]:
        *stem, layer1, layer2, layer3, layer4, _, _ = network.children()
        yield from stem
        for stage in (layer1, layer2, layer3, layer4):
            yield from map(BasicBlock, stage.children())


class BasicBlock(nn.Module):
    """torchvision's basic block, with a sum that is not in place, which would break backward hooks."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        layers = (block.get_submodule(name) for name in ("conv1", "bn1", "relu", "conv2", "bn2"))
        self.block = nn.Sequential(*layers)
        self.shortcut = getattr(block, "downsample", None) or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H / stride, W / stride)."""
        change, kept = self.block(x), self.shortcut(x)
        return F.relu(change + kept)
