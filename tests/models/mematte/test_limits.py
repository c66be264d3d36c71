import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from maskwright.errors import UsageError
from maskwright.models.mematte.inputs import read
from maskwright.models.mematte.limits import Limits
from maskwright.models.mematte.tiles import Grid, grid_for, narrowed, padded_window

sys.path.append(str(Path(__file__).parent))
from tiny_networks import MOBILE, TEACHER, TINY, network, photo

SIZES = [(96, 160), (97, 131), (64, 95), (33, 200)]
LIMITED = {
    "rows": Limits(token_rows=1, window_rows=1),
    "more rows": Limits(token_rows=4, window_rows=2),
    "tiles": Limits(tile_px=32),
    "odd tiles": Limits(tile_px=48),
    "one tile": Limits(tile_px=4096, token_rows=999, window_rows=999),
    "everything": Limits(token_rows=3, window_rows=1, tile_px=16),
}


@pytest.mark.parametrize("config", [TINY, TEACHER, MOBILE], ids=["routed", "teacher", "mobile"])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("limits", LIMITED.values(), ids=LIMITED)
def test_limits_do_not_change_the_result(config, size, limits):
    model, x = network(config), photo(*size, batch=2)
    with torch.no_grad():
        alpha, keep = model.trace(x)
        model.limits = limits
        limited, limited_keep = model.trace(x)
    torch.testing.assert_close(limited, alpha, rtol=0, atol=1e-5)
    assert torch.equal(limited_keep, keep)


@pytest.mark.parametrize("size", [(544, 560), (512, 512), (530, 1025)], ids=str)
def test_tiles_of_512_pixels_give_the_whole_image(size):
    model, x = network(), photo(*size)
    with torch.no_grad():
        alpha = model(x)
        model.limits = Limits(tile_px=512)
        torch.testing.assert_close(model(x), alpha, rtol=0, atol=1e-5)


@pytest.mark.parametrize("config", [TINY, MOBILE], ids=["convolutions", "mobilenet"])
def test_the_decoder_sees_as_far_as_its_reach_and_sixteen_pixels_less_are_too_few(config):
    model, photograph = network(config), photo(160, 192)
    decoder = model.decoder
    features = torch.randn(1, TINY.channels, 10, 12, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        x = read(photograph, hinted=model.hinted).window(slice(0, 160), slice(0, 192))
        whole = decoder(x, features)

        def seam_error(reach_px):
            grid, errors = Grid(64, reach_px, 16, (160, 192)), []
            for core in grid.cores((160, 192)):
                tile = grid.tile(core)
                tokens = tuple(slice(at.start // 16, at.stop // 16) for at in tile.window)
                result = decoder(
                    x[(0, slice(None), *tile.window)][None],
                    features[(0, slice(None), *tokens)][None],
                )
                difference = result[(0, 0, *tile.inner)] - whole[(0, 0, *core)]
                errors.append(difference.abs().max().item())
            return max(errors)

        assert seam_error(decoder.reach_px) < 1e-5
        assert seam_error(decoder.reach_px - 16) > 1e-4


def official_decoding(decoder, x, features):
    """Return alpha of one image as the official code decodes it, written out."""
    height, width = 16 * features.shape[2], 16 * features.shape[3]
    tall, wide = -(-height // 512) * 512, -(-width // 512) * 512
    x = F.pad(x, (0, wide - x.shape[3], 0, tall - x.shape[2]))
    features = F.pad(features, (0, (wide - width) // 16, 0, (tall - height) // 16))
    alpha = torch.zeros(1, 1, tall, wide)
    for top in range(0, tall, 512):
        for left in range(0, wide, 512):
            up = 64 if top - 64 >= 0 else 0
            before = 64 if left - 64 >= 0 else 0
            bottom = top + 512 + (64 if top + 512 + 64 <= tall else 0)
            right = left + 512 + (64 if left + 512 + 64 <= wide else 0)
            tile = decoder(
                x[:, :, top - up : bottom, left - before : right],
                features[
                    :, :, (top - up) // 16 : bottom // 16, (left - before) // 16 : right // 16
                ],
            )
            inner = tile[:, :, up : up + 512, before : before + 512]
            alpha[:, :, top : top + 512, left : left + 512] = inner
    return alpha


@pytest.mark.parametrize("size", [(97, 131), (256, 160), (520, 1056), (512, 544)], ids=str)
def test_official_padding_written_out(size):
    model, x = network(), photo(*size)
    with torch.no_grad():
        whole, features = model(x), model.features(x)
        model.limits = Limits(padding="official", tile_px=64)  # the official side is fixed
        alpha = model(x)
        expected = official_decoding(model.decoder, x, features)[:, :, : size[0], : size[1]]
    torch.testing.assert_close(alpha, expected, rtol=0, atol=1e-6)
    padded = 16 * features.shape[2], 16 * features.shape[3]
    inside = (..., slice(0, padded[0] - 31), slice(0, padded[1] - 31))
    torch.testing.assert_close(alpha[inside], whole[inside], rtol=0, atol=1e-5)
    assert (alpha - whole).abs().max() > 1e-4


@pytest.mark.parametrize("padding", ["exact", "official"])
@pytest.mark.parametrize("tile_px", [None, 32])
def test_known_tiles_return_the_trimap_and_unknown_pixels_the_same_alpha(padding, tile_px):
    model, x = network(), photo(97, 203, batch=2)
    x[1, 3] = 1
    with torch.no_grad():
        model.limits = Limits(tile_px=tile_px, padding=padding)
        alpha = model(x)
        model.limits = Limits(tile_px=tile_px, padding=padding, skip_known=True)
        skipped = model(x)
    unknown = (x[:, 3:] > 0) & (x[:, 3:] < 1)
    torch.testing.assert_close(skipped[unknown], alpha[unknown], rtol=0, atol=1e-5)
    assert (skipped[1] == 1).all()
    if padding == "exact":
        below = int(unknown[0, 0].any(1).nonzero().max()) + 1
        assert torch.equal(skipped[0, 0, below:], x[0, 3, below:])


def test_a_core_shrinks_to_what_is_wanted():
    wanted = torch.zeros(20, 30, dtype=torch.bool)
    assert narrowed((slice(40, 60), slice(0, 30)), wanted) is None
    wanted[3, 7] = wanted[11, 5] = True
    assert narrowed((slice(40, 60), slice(100, 130)), wanted) == (slice(43, 52), slice(105, 108))


def test_windows_cover_the_core_and_what_is_seen_around_it_within_the_image():
    grid = grid_for((160, 224), Limits(tile_px=64), reach_px=32)
    tile = grid.tile((slice(70, 129), slice(3, 60)))
    assert tile.window == (slice(32, 160), slice(0, 96))
    assert tile.inner == (slice(38, 97), slice(3, 60))


def test_a_window_beyond_the_border_is_filled_with_zeros():
    x = torch.rand(1, 2, 5, 7)
    window = padded_window(x, slice(2, 9), slice(4, 6))
    assert torch.equal(window[:, :, :3], x[:, :, 2:, 4:6])
    assert window.shape == (1, 2, 7, 2) and not window[:, :, 3:].any()
    assert not padded_window(x, slice(8, 11), slice(0, 7)).any()


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)[:4]])
def test_a_limit_is_at_least_one(name):
    with pytest.raises(UsageError, match=f"{name} must be at least 1 or None, got 0"):
        Limits(**{name: 0})


def test_tiles_are_whole_tokens():
    with pytest.raises(UsageError, match="tile_px must be a multiple of 16, got 40; use 48"):
        Limits(tile_px=40)
