"""An LSTM whose states are maps: it remembers where on the face something was, not only that it was."""

import torch
from torch import Tensor, nn


class ConvLstmStates(nn.Module):
    """i, f, g, o = gates(W * [x, h] + b); c = f c + i g; h = o tanh(c), with 3x3 convolutions for products.

    Shi et al. 2015, arXiv 1506.04214, equation 3, without peepholes. A state is the mean of the maps h over places.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.gates = nn.Conv2d(channels + hidden, 4 * hidden, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, T, C, h, w) -> (B, T, hidden)."""
        hidden = maps.new_zeros(
            maps.shape[0], self.hidden, *maps.shape[-2:]
        )  # the exporter would take len() for a constant
        cell, states = hidden, []
        for frame in maps.unbind(1):
            i, f, g, o = self.gates(torch.cat((frame, hidden), 1)).chunk(4, 1)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
            states.append(hidden.mean((-2, -1)))
        return torch.stack(states, 1)
