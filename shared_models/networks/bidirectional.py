"""Recurrent layers that read a window in both directions: each state knows the frames after it too."""

from torch import Tensor, nn


class BiLstmStates(nn.Module):
    """Two LSTMs, one of which reads backwards, whose hidden states stand side by side (Graves and Schmidhuber 2005)."""

    def __init__(self, inputs: int, hidden: int) -> None:
        """hidden: of both directions together"""
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden // 2, batch_first=True, bidirectional=True)

    def forward(self, features: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, hidden)."""
        states: Tensor = self.lstm(features)[0]
        return states


class BiGruStates(nn.Module):
    """As BiLstmStates, with GRUs."""

    def __init__(self, inputs: int, hidden: int) -> None:
        """hidden: of both directions together"""
        super().__init__()
        self.gru = nn.GRU(inputs, hidden // 2, batch_first=True, bidirectional=True)

    def forward(self, features: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, hidden)."""
        states: Tensor = self.gru(features)[0]
        return states
