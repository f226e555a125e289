"""Convolutions over space and time, then an LSTM: movement is seen before the frame is forgotten."""

from torch import Tensor, nn
from torch.nn import functional as F

_GROUPS = 8


class Conv3dStates(nn.Module):
    """Two 3x3x3 convolutions with GroupNorm that halve the resolution and keep the number of frames, then an LSTM.

    On an encoder's maps these are the late layers of a network whose early ones see single frames (Tran et al. 2018,
    arXiv 1711.11248, section 3.2); on pixels it is a 3-D network from the first layer on. Every state knows something
    of all frames, through GroupNorm.
    """

    def __init__(self, channels: int, width: int, hidden: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(channels, width, 3, (1, 2, 2), 1, bias=False)
        self.norm1 = nn.GroupNorm(_GROUPS, width)
        self.conv2 = nn.Conv3d(width, width, 3, (1, 2, 2), 1, bias=False)
        self.norm2 = nn.GroupNorm(_GROUPS, width)
        self.lstm = nn.LSTM(width, hidden, batch_first=True)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, T, C, h, w) -> (B, T, hidden)."""
        y = F.relu(self.norm1(self.conv1(maps.transpose(1, 2))))
        y = F.relu(self.norm2(self.conv2(y)))
        states: Tensor = self.lstm(y.mean((-2, -1)).transpose(1, 2))[0]
        return states
