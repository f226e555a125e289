"""LSTM and GRU layers forward and backward, written out: only so is each step's delta at hand for each sequence.

Tensors are time-major, (T, V, B, ...) for B sequences of V views, so that a time step is one block of memory.
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from shared_models.privacy.gradients.outer import Outer


class RecurrentPass(Protocol):
    """One direction of one recurrent layer over inputs (T, V, B, D), without autograd."""

    @property
    def states(self) -> Tensor:
        """(T, V, B, H)"""

    def backward(self, d_states: Tensor) -> list[Outer]:
        """What the gradient of the states, (T, V, B, H), makes of the layer's weights."""


class LstmPass:
    """nn.LSTM: i, f, g, o = gates(W_ih x + b_ih + W_hh h + b_hh); c = f c + i g; h = o tanh(c)."""

    def __init__(self, layer: nn.LSTM, suffix: str, inputs: Tensor) -> None:
        self._inputs = inputs
        w_ih, self._w_hh = (_weight(layer, f"weight_{kind}{suffix}") for kind in ("ih", "hh"))
        bias = sum(_weight(layer, f"bias_{kind}{suffix}") for kind in ("ih", "hh"))
        self._gates = (inputs @ w_ih.T).add_(bias)
        steps, *batch = inputs.shape[:3]
        self._hidden = inputs.new_zeros(steps + 1, *batch, layer.hidden_size)
        self._cells = torch.zeros_like(self._hidden)
        self._squashed = torch.empty_like(self._hidden[1:])
        self._run()

    @property
    def states(self) -> Tensor:
        return self._hidden[1:]

    def _run(self) -> None:
        w_hh = self._w_hh.T
        hidden, cells = self._hidden.flatten(1, 2), self._cells.flatten(1, 2)
        size = hidden.shape[-1]
        for t, (gates, squashed) in enumerate(
            zip(self._gates.flatten(1, 2), self._squashed.flatten(1, 2), strict=True)
        ):
            gates.addmm_(hidden[t], w_hh)
            i, f, g, o = gates.split(size, 1)
            gates[:, : 2 * size].sigmoid_()
            g.tanh_()
            o.sigmoid_()
            torch.mul(f, cells[t], out=cells[t + 1]).addcmul_(i, g)
            torch.tanh(cells[t + 1], out=squashed)
            torch.mul(o, squashed, out=hidden[t + 1])

    def backward(self, d_states: Tensor) -> list[Outer]:
        gates = self._gates.unflatten(-1, (4, -1))
        i, f, g, o = gates.unbind(-2)
        into_cell = o * (1 - self._squashed.square())
        delta = torch.empty_like(gates)
        torch.mul(i * (1 - i), g, out=delta[..., 0, :])
        torch.mul(f * (1 - f), self._cells[:-1], out=delta[..., 1, :])
        torch.mul(1 - g * g, i, out=delta[..., 2, :])
        torch.mul(o * (1 - o), self._squashed, out=delta[..., 3, :])
        d_cell = torch.zeros_like(d_states[0]).flatten(0, 1)
        d_hidden = d_states[-1].flatten(0, 1)
        flat, later = delta.flatten(1, 2), d_states.flatten(1, 2)
        into_cell, f = into_cell.flatten(1, 2), f.flatten(1, 2)
        for t in reversed(range(len(flat))):
            d_cell = torch.addcmul(d_cell, d_hidden, into_cell[t])
            flat[t, :, :3].mul_(d_cell[:, None])
            flat[t, :, 3].mul_(d_hidden)
            d_cell *= f[t]
            if t > 0:
                d_hidden = torch.addmm(later[t - 1], flat[t].flatten(1), self._w_hh)
        inputs = {"weight_ih": self._inputs.flatten(0, 1), "weight_hh": self._hidden[:-1].flatten(0, 1)}
        return [Outer(delta.flatten(-2).flatten(0, 1), inputs, ["bias_ih", "bias_hh"])]


class GruPass:
    """nn.GRU: r, z = gates(W x + b + U h + d); n = tanh(W_n x + b_n + r (U_n h + d_n)); h = (1 - z) n + z h."""

    def __init__(self, layer: nn.GRU, suffix: str, inputs: Tensor) -> None:
        hidden = layer.hidden_size
        self._inputs = inputs
        w_ih, self._w_hh = (_weight(layer, f"weight_{kind}{suffix}") for kind in ("ih", "hh"))
        b_ih, b_hh = (_weight(layer, f"bias_{kind}{suffix}") for kind in ("ih", "hh"))
        self._gates = (inputs @ w_ih.T).add_(b_ih)
        steps, *batch = inputs.shape[:3]
        self._hidden = inputs.new_zeros(steps + 1, *batch, hidden)
        self._recalled = torch.empty_like(self._hidden[1:])
        self._run(b_hh)

    @property
    def states(self) -> Tensor:
        return self._hidden[1:]

    def _run(self, b_hh: Tensor) -> None:
        hidden = self._hidden.flatten(1, 2)
        size = hidden.shape[-1]
        for t, (gates, recalled) in enumerate(
            zip(self._gates.flatten(1, 2), self._recalled.flatten(1, 2), strict=True)
        ):
            from_state = torch.addmm(b_hh, hidden[t], self._w_hh.T)
            gates[:, : 2 * size].add_(from_state[:, : 2 * size]).sigmoid_()
            r, z, n = gates.split(size, 1)
            recalled.copy_(from_state[:, 2 * size :])
            n.addcmul_(r, recalled).tanh_()
            torch.lerp(n, hidden[t], z, out=hidden[t + 1])

    def backward(self, d_states: Tensor) -> list[Outer]:
        r, z, n = self._gates.unflatten(-1, (3, -1)).unbind(-2)
        into_new = (1 - z) * (1 - n * n)
        delta = torch.empty_like(self._gates).unflatten(-1, (3, -1))
        torch.mul(into_new * self._recalled, r * (1 - r), out=delta[..., 0, :])
        torch.mul(self._hidden[:-1] - n, z * (1 - z), out=delta[..., 1, :])
        delta[..., 2, :] = into_new
        recurrent = torch.empty_like(delta)
        d_hidden = d_states[-1].flatten(0, 1)
        flat, back, later = delta.flatten(1, 2), recurrent.flatten(1, 2), d_states.flatten(1, 2)
        r, z = r.flatten(1, 2), z.flatten(1, 2)
        for t in reversed(range(len(flat))):
            flat[t].mul_(d_hidden[:, None])
            back[t, :, :2] = flat[t, :, :2]
            torch.mul(flat[t, :, 2], r[t], out=back[t, :, 2])
            if t > 0:
                d_hidden = torch.addmm(torch.addcmul(later[t - 1], d_hidden, z[t]), back[t].flatten(1), self._w_hh)
        return [
            _single("ih", delta, self._inputs),
            _single("hh", recurrent, self._hidden[:-1]),
        ]


def _weight(layer: nn.Module, name: str) -> Tensor:
    weight: Tensor = getattr(layer, name)
    return weight.detach()


def _single(name: str, delta: Tensor, inputs: Tensor) -> Outer:
    return Outer(delta.flatten(-2).flatten(0, 1), {f"weight_{name}": inputs.flatten(0, 1)}, [f"bias_{name}"])
