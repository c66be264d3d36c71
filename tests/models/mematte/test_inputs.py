import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from maskwright.layers.hints import near_colours
from maskwright.models import mematte
from maskwright.models.mematte.inputs import BAND_ROWS, HINTED, read
from maskwright.models.mematte.limits import Limits

sys.path.append(str(Path(__file__).parent))
from tiny_networks import TINY


def photo(height, width):
    torch.manual_seed(0)
    x = torch.randn(2, 4, height, width)
    x[:, 3] = 0
    x[:, 3, : height // 2] = 1
    x[:, 3, height // 2 - 9 : height // 2 + 9] = 128 / 255
    return x


@pytest.mark.parametrize("size", [(64, 96), (77, 51)])
@pytest.mark.parametrize("hinted", [False, True])
def test_windows_are_parts_of_the_whole(size, hinted):
    inputs = read(photo(*size), hinted=hinted)
    whole = inputs.window(slice(0, 112), slice(0, 128))
    assert whole.shape == (2, HINTED if hinted else 4, 112, 128)
    assert not whole[:, :, size[0] :].any() and not whole[..., size[1] :].any()
    part = inputs.window(slice(16, 96), slice(32, 64), images=slice(1, 2))
    torch.testing.assert_close(part, whole[1:, :, 16:96, 32:64])


@pytest.mark.parametrize("height", [1200, 1531])
def test_colours_made_in_bands_are_those_of_the_whole(height):
    x = photo(height, 70)
    x[:, 3, 100:700, :40] = 128 / 255  # nothing known within reach of its middle
    half = F.avg_pool2d(x, 2, ceil_mode=True)
    assert half.shape[2] > 2 * BAND_ROWS
    whole = torch.cat(near_colours(half[:, :3], half[:, 3:]), 1)
    near = read(x, hinted=True).near
    torch.testing.assert_close(near, F.pad(whole, (1, 1, 1, 1), mode="replicate"))


def test_hints_keep_the_photo_s_colours():
    x = photo(48, 64)
    whole = read(x, hinted=True).window(slice(0, 48), slice(0, 64))
    torch.testing.assert_close(whole[:, :3], x[:, :3])


def test_a_hinted_network_in_tiles_equals_the_whole():
    torch.manual_seed(0)
    model = mematte.build(replace(TINY, hints=True)).eval()
    x = photo(147, 101)
    with torch.no_grad():
        whole = model(x)
        model.limits = Limits(token_rows=2, window_rows=1, tile_px=48)
        torch.testing.assert_close(model(x), whole, rtol=0, atol=1e-5)
    assert not torch.equal(whole, mematte.build(TINY).eval()(x))
