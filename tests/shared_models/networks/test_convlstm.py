import torch
from torch import nn

from shared_models.networks.convlstm import ConvLstmStates


def test_on_maps_of_one_place_it_is_an_lstm() -> None:
    """Of a 3x3 kernel only the middle meets anything there."""
    torch.manual_seed(3)
    states, plain = ConvLstmStates(5, 4), nn.LSTM(5, 4, batch_first=True)
    middle = states.gates.weight.detach()[:, :, 1, 1]
    plain.load_state_dict(
        {
            "weight_ih_l0": middle[:, :5],
            "weight_hh_l0": middle[:, 5:],
            "bias_ih_l0": states.gates.bias.detach(),
            "bias_hh_l0": torch.zeros(16),
        }
    )
    features = torch.randn(2, 6, 5)
    with torch.inference_mode():
        torch.testing.assert_close(states(features[..., None, None]), plain(features)[0])


def test_it_knows_where_something_was() -> None:
    """The same spot, gone by the last frame: beside a second one it leaves another state than far from it."""
    torch.manual_seed(3)
    states = ConvLstmStates(1, 4)
    maps = torch.zeros(2, 2, 1, 6, 6)
    maps[0, 0, 0, 1, 1] = maps[1, 0, 0, 4, 4] = 5.0
    maps[:, 1, 0, 1, 2] = 5.0
    with torch.inference_mode():
        near, far = states(maps)[:, -1]
    assert (near - far).abs().max() > 1e-3
