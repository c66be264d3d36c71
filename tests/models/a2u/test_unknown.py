import pytest
import torch
from torch import nn
from torch.nn import functional as F

from maskwright.models.a2u.unknown import Blocks

BLOCKS = Blocks(side_px=8, margin_px=2)


def trimap_with(*unknown, size=(2, 1, 27, 34)):
    trimap = torch.randint(2, size).float()
    for n, y, x in unknown:
        trimap[n, 0, y, x] = 128 / 255
    return trimap


def test_blocks_with_an_unknown_pixel_are_found():
    found = BLOCKS.unknown(trimap_with((0, 0, 0), (0, 7, 7), (0, 8, 7), (1, 26, 33)))
    assert [(b.image, b.corner) for b in found] == [(0, (0, 0)), (0, (8, 0)), (1, (24, 32))]


def test_windows_stay_inside_the_image():
    everywhere = torch.full((1, 1, 27, 34), 0.5)
    windows = [block.window for block in BLOCKS.unknown(everywhere)]
    assert {y for y, _ in windows} == {0, 6, 14, 15} and {x for _, x in windows} == {0, 6, 14, 22}
    assert BLOCKS.cut(everywhere, BLOCKS.unknown(everywhere)).shape == (20, 1, 12, 12)


def test_no_unknown_pixel_no_block():
    assert BLOCKS.unknown(trimap_with()) == []


@pytest.mark.parametrize("size", [(1, 1, 27, 34), (3, 1, 12, 12), (2, 1, 16, 40)])
def test_a_filter_gives_in_blocks_what_it_gives_on_the_whole(size):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 1, 3, padding=1))
    x, into = torch.randn(size), torch.full(size, 7.0)
    trimap = torch.where(torch.rand(size) < 0.02, 0.5, 1.0)
    blocks = BLOCKS.unknown(trimap)
    BLOCKS.put(network(BLOCKS.cut(x, blocks)), blocks, into=into)
    wanted = F.interpolate(F.max_pool2d((trimap == 0.5).float(), 8, ceil_mode=True), scale_factor=8)
    wanted = wanted[:, :, : size[2], : size[3]].bool()
    torch.testing.assert_close(into[wanted], network(x)[wanted], rtol=0, atol=1e-6)
    assert (into[~wanted] == 7).all()


def test_smaller_maps_are_cut_at_the_same_places():
    x = torch.randn(1, 3, 28, 36)
    small, blocks = x[:, :, ::2, ::2], BLOCKS.unknown(trimap_with((0, 9, 30), size=(1, 1, 28, 36)))
    expected = BLOCKS.cut(x, blocks)[:, :, ::2, ::2]
    assert torch.equal(BLOCKS.cut(small, blocks, stride=2), expected)
    padded = F.pad(small, (1, 1, 1, 1))
    assert torch.equal(BLOCKS.cut(padded, blocks, stride=2, more_px=1)[:, :, 1:-1, 1:-1], expected)
