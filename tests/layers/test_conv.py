import pytest
import torch
from torch import nn

from maskwright.layers.conv import ConvNorm, folded
from maskwright.layers.norm import AbsoluteBatchNorm, scale_and_shift

BATCH, CHANNELS, HEIGHT, WIDTH = 3, 5, 7, 11


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.randn(BATCH, CHANNELS, HEIGHT, WIDTH)


def test_the_absolute_norm_written_out(x):
    norm = AbsoluteBatchNorm(CHANNELS).eval()
    nn.init.normal_(norm.weight)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    y = norm(x)
    for c in range(CHANNELS):
        scale = abs(norm.weight[c]) + 1e-5
        expected = scale * (x[0, c] - norm.running_mean[c]) / (norm.running_var[c] + 1e-5).sqrt()
        torch.testing.assert_close(y[0, c], expected + norm.bias[c])


def test_the_sign_of_its_weight_means_nothing(x):
    norm = AbsoluteBatchNorm(CHANNELS)
    nn.init.normal_(norm.weight)
    y = norm(x)
    norm.weight.data.neg_()
    torch.testing.assert_close(norm(x), y)


@pytest.mark.parametrize("kind", [nn.BatchNorm2d, AbsoluteBatchNorm])
@pytest.mark.parametrize("bias", [True, False])
def test_folding_keeps_the_function(x, kind, bias):
    layer = ConvNorm(nn.Conv2d(CHANNELS, 13, 3, bias=bias), kind(13), nn.ReLU())
    nn.init.normal_(layer.norm.weight)
    layer(x)  # gives the norm statistics
    light = folded(layer)
    assert light.norm is None and layer.norm is not None
    torch.testing.assert_close(light(x), layer.eval()(x), rtol=1e-4, atol=1e-5)


def test_scale_and_shift_are_the_norm(x):
    norm = nn.BatchNorm2d(CHANNELS)
    norm(x)
    scale, shift = scale_and_shift(norm)
    expected = x * scale[:, None, None] + shift[:, None, None]
    torch.testing.assert_close(norm.eval()(x), expected)


def test_padding_at_the_end_leaves_the_start_alone(x):
    layer = ConvNorm(nn.Conv2d(CHANNELS, 2, 3, stride=2), pad_end=1)
    assert layer(x[..., :6, :10]).shape == (BATCH, 2, 3, 5)
    torch.testing.assert_close(layer(x)[..., :3, :5], layer.conv(x)[..., :3, :5])
