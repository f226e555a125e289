import torch
from torch import nn

from shared_models.networks.mobilenet import MobileNetEncoder, Residual
from shared_models.networks.torchvision_guard import import_torchvision


def an_encoder() -> MobileNetEncoder:
    torch.manual_seed(5)
    return MobileNetEncoder()


def gray(count: int = 2, size: int = 48) -> torch.Tensor:
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(6))


def test_a_gray_frame_becomes_576_features() -> None:
    encoder = an_encoder()
    assert encoder(gray()).shape == (2, encoder.features) == (2, 576)
    assert sum(p.numel() for p in encoder.parameters()) < 1_000_000


def test_it_computes_what_torchvision_computes() -> None:
    encoder = an_encoder()
    models = import_torchvision().models
    theirs = models.mobilenet_v3_small(weights=None, norm_layer=lambda channels: nn.GroupNorm(8, channels)).features
    theirs.load_state_dict(dict(zip(theirs.state_dict(), encoder.state_dict().values(), strict=True)))
    expected = theirs((gray() - 0.5).repeat(1, 3, 1, 1)).mean((-2, -1))
    torch.testing.assert_close(encoder(gray()), expected)


def test_nothing_is_overwritten_before_the_backward_pass_has_seen_it() -> None:
    encoder = an_encoder()
    assert sum(isinstance(module, Residual) for module in encoder.modules()) == 6
    assert not any(getattr(module, "inplace", False) for module in encoder.modules())
    for module in encoder.modules():
        module.register_full_backward_hook(lambda *seen: None)
    encoder(gray().requires_grad_(True)).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters())


def test_there_is_no_batch_norm() -> None:
    kinds = {type(module) for module in an_encoder().modules()}
    assert nn.GroupNorm in kinds
    assert nn.BatchNorm2d not in kinds
