import math

import pytest
import torch
from torch.nn import functional as F

from maskwright.models.a2u.carafe import Carafe
from maskwright.models.a2u.index_network import IndexNetwork
from maskwright.models.a2u.samplers import SAMPLERS, VARIANTS

BATCH, CHANNELS, HEIGHT, WIDTH = 2, 32, 6, 14  # 32: the affinity's norm has 32 groups


def features(seed=0, *, channels=CHANNELS):
    return torch.randn(
        BATCH, channels, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed)
    )


def blocks(x):
    """Return the four pixels of each 2 x 2 along a last axis."""
    return x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)


@pytest.mark.parametrize("name", SAMPLERS)
def test_down_halves_up_doubles_and_everything_learns(name):
    torch.manual_seed(0)
    sampler = SAMPLERS[name](CHANNELS)
    x = features().requires_grad_()
    y, memory = sampler.down(x)
    assert y.shape == (BATCH, CHANNELS, HEIGHT // 2, WIDTH // 2)
    again = sampler.up(y.tanh(), memory)
    assert again.shape == x.shape
    (again * features(1)).sum().backward()
    assert x.grad.abs().sum() > 0
    for parameter, values in sampler.named_parameters():
        assert values.grad is not None and values.grad.isfinite().all(), parameter
        assert values.grad.abs().sum() > 0, parameter


@pytest.mark.parametrize("name", ["nearest", "bilinear"])
def test_average_pooling_and_interpolation_keep_flat_features(name):
    sampler = SAMPLERS[name](CHANNELS)
    flat = features()[..., :1, :1].expand(-1, -1, HEIGHT, WIDTH)
    torch.testing.assert_close(sampler.up(*sampler.down(flat)), flat)


def test_nearest_restores_what_is_flat_in_every_two_by_two():
    sampler = SAMPLERS["nearest"](CHANNELS)
    x = features()[..., ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(sampler.up(*sampler.down(x)), x, rtol=0, atol=1e-6)


def test_unpooling_restores_one_bright_pixel_in_every_two_by_two_exactly():
    sampler = SAMPLERS["max_unpool"](CHANNELS)
    x, where = torch.zeros(BATCH, CHANNELS, HEIGHT, WIDTH), features().argsort(-1) % 4
    for row in range(HEIGHT // 2):
        for column in range(WIDTH // 2):
            place = where[0, :, row, column]
            channels = torch.arange(CHANNELS)
            x[:, channels, 2 * row + place // 2, 2 * column + place % 2] = torch.rand(CHANNELS)
    assert torch.equal(sampler.up(*sampler.down(x)), x)


def test_unpooling_leaves_the_maxima_in_place_and_zeros_beside_them():
    sampler = SAMPLERS["max_unpool"](CHANNELS)
    x = features()
    again = sampler.up(*sampler.down(x))
    assert torch.equal(again[again != 0], x[again != 0])
    assert torch.equal((blocks(again) != 0).sum(-1), torch.ones(again[..., ::2, ::2].shape))
    assert torch.equal(blocks(again).sum(-1), blocks(x).amax(-1))


def test_pixel_shuffle_can_move_pixels_without_a_loss():
    sampler = SAMPLERS["pixel_shuffle"](CHANNELS)
    x = features()
    x[:, CHANNELS // 4 :] = 0
    with torch.no_grad():  # the channels in use fill a quarter: their sub-pixels fit
        sampler.gather.weight.copy_(torch.eye(CHANNELS, 4 * CHANNELS)[..., None, None])
        sampler.spread.weight.copy_(torch.eye(4 * CHANNELS, CHANNELS)[..., None, None])
        sampler.gather.bias.zero_(), sampler.spread.bias.zero_()
        assert torch.equal(sampler.up(*sampler.down(x)), x)


def test_carafe_written_out():
    torch.manual_seed(0)
    sampler, channels, size = Carafe(7, size=3, width=5), 7, 3
    y = torch.randn(BATCH, channels, 3, 5)
    with torch.no_grad():
        found, encoded = sampler.up(y, None), sampler.encode(sampler.compress(y))
    for b, channel, row, column in ((0, 0, 0, 0), (1, 6, 5, 9), (1, 2, 2, 7), (0, 4, 3, 0)):
        over, sub = (row // 2, column // 2), row % 2 * 2 + column % 2
        taps = [encoded[b, 4 * tap + sub, *over].exp().item() for tap in range(size**2)]
        expected = 0.0
        for i in range(size):
            for j in range(size):
                at = over[0] + i - 1, over[1] + j - 1
                if 0 <= at[0] < 3 and 0 <= at[1] < 5:
                    weight = taps[i * size + j] / math.fsum(taps)
                    expected += weight * y[b, channel, *at].item()
        assert found[b, channel, row, column].item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("kind", "maps"), [("holistic", 1), ("o2o", 7), ("m2o", 7)])
def test_indices_sum_to_one_down_and_weigh_single_pixels_up(kind, maps):
    torch.manual_seed(0)
    network, x = IndexNetwork(7, kind=kind), features(channels=7)
    with torch.no_grad():
        down, up = network.indices(x)
        y, memory = network.down(x)
        again = network.up(y, memory)
    assert down.shape == up.shape == (BATCH, maps, HEIGHT, WIDTH)
    torch.testing.assert_close(blocks(down).sum(-1), torch.ones(BATCH, maps, 3, 7))
    torch.testing.assert_close(blocks(down), blocks(up).softmax(-1))
    assert 0 < up.min() and up.max() < 1
    torch.testing.assert_close(y, blocks(x * down).sum(-1))
    for row, column in ((0, 0), (3, 8), (5, 13)):
        expected = y[:, :, row // 2, column // 2] * up[:, :, row, column]
        torch.testing.assert_close(again[:, :, row, column], expected)


@pytest.mark.parametrize("kind", ["holistic", "o2o", "m2o"])
def test_flat_features_stay_as_they_are_when_indices_pool_them(kind):
    flat = features(channels=7)[..., :1, :1].expand(-1, -1, HEIGHT, WIDTH)
    y, _ = IndexNetwork(7, kind=kind).down(flat)
    torch.testing.assert_close(y, flat[..., ::2, ::2])


@pytest.mark.parametrize(("kind", "changed"), [("holistic", [0]), ("o2o", [3]), ("m2o", range(7))])
def test_indices_look_at_their_own_pixels_and_channels_only(kind, changed):
    torch.manual_seed(0)
    network, x = IndexNetwork(7, kind=kind).eval(), features(channels=7)
    other = x.clone()
    other[1, 3, 2, 9] += 5
    with torch.no_grad():
        moved = network.indices(x)[1] != network.indices(other)[1]
    assert not moved[0].any()
    assert sorted({channel for channel, _, _ in moved[1].nonzero().tolist()}) == list(changed)
    moved[:, :, 2:4, 8:10] = False
    assert not moved.any()


@pytest.mark.parametrize("name", VARIANTS)
def test_only_the_up_only_variants_of_the_affinity_pool_by_the_maximum(name):
    torch.manual_seed(0)
    y, memory = SAMPLERS[name](CHANNELS).down(features())
    is_up_only = name.endswith("_up") or name == "a2u_mini"
    assert torch.equal(y, F.max_pool2d(features(), 2)) == is_up_only
    assert (memory.down is None) == is_up_only


@pytest.mark.parametrize("name", VARIANTS)
def test_the_affinity_s_way_up_depends_on_what_went_down(name):
    torch.manual_seed(0)
    sampler, y = SAMPLERS[name](CHANNELS), features()[..., ::2, ::2]
    one, other = (sampler.up(y, sampler.down(features(seed))[1]) for seed in (0, 1))
    assert not torch.allclose(one, other)
