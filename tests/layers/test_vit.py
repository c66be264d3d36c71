import pytest
import torch
from torch.nn import functional as F

from maskwright.errors import ShapeError
from maskwright.layers import vit
from maskwright.layers.position import RelativePosition, resize_position
from maskwright.layers.vit import (
    Attention,
    Mlp,
    add_in_strips,
    cut_windows,
    join_windows,
    strips,
    with_halo,
)

BATCH, HEIGHT, WIDTH, CHANNELS, HEADS = 2, 5, 7, 22, 11


@pytest.fixture
def x():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(BATCH, HEIGHT, WIDTH, CHANNELS, generator=generator, dtype=torch.float64)


def attention(side=None):
    torch.manual_seed(1)
    layer = Attention(CHANNELS, HEADS, side=side).double()
    if side is not None:
        torch.nn.init.normal_(layer.relative.rows)
        torch.nn.init.normal_(layer.relative.columns)
    return layer


def written_out(layer, tokens, size, *, tables=None):
    """Return what a layer gives for one map (token, channel), equation by equation."""
    head = CHANNELS // HEADS
    q, k, v = layer.qkv(tokens).chunk(3, -1)
    heads = []
    for h in range(HEADS):
        at = slice(h * head, (h + 1) * head)
        scores = q[:, at] @ k[:, at].T / head**0.5
        for i in range(len(tokens)):
            for j in range(len(tokens)):
                if tables is not None:
                    down = i // size[1] - j // size[1] + size[0] - 1
                    right = i % size[1] - j % size[1] + size[1] - 1
                    scores[i, j] += q[i, at] @ (tables[0][down] + tables[1][right])
        heads.append(scores.softmax(-1) @ v[:, at])
    return layer.out(torch.cat(heads, -1))


def test_attention_written_out(x):
    layer = attention()
    expected = torch.stack([written_out(layer, image.flatten(0, 1), None) for image in x])
    torch.testing.assert_close(layer(x), expected.unflatten(1, (HEIGHT, WIDTH)))


@pytest.mark.parametrize("at_once", [2**23, 1, 2 * HEADS * BATCH * WIDTH * HEIGHT * WIDTH])
def test_relative_positions_written_out(x, at_once, monkeypatch):
    monkeypatch.setattr(vit, "BIAS_ENTRIES", at_once)
    layer = attention(side=4)
    tables = [
        F.interpolate(table.T[None], size=2 * side - 1, mode="linear")[0].T
        for table, side in ((layer.relative.rows, HEIGHT), (layer.relative.columns, WIDTH))
    ]
    expected = torch.stack([
        written_out(layer, image.flatten(0, 1), (HEIGHT, WIDTH), tables=tables) for image in x
    ])
    torch.testing.assert_close(layer(x), expected.unflatten(1, (HEIGHT, WIDTH)))


def test_windows_are_filled_up_with_zeros_that_are_keys_too(x):
    layer, side = attention(side=3), 3
    padded = F.pad(x, (0, 0, 0, 2, 0, 1))
    expected = torch.zeros_like(padded)
    tables = layer.relative.rows, layer.relative.columns
    for b in range(BATCH):
        for top in range(0, HEIGHT, side):
            for left in range(0, WIDTH, side):
                at = b, slice(top, top + side), slice(left, left + side)
                tokens = padded[at].flatten(0, 1)
                y = written_out(layer, tokens, (side, side), tables=tables)
                expected[at] = y.unflatten(0, (side, side))
    torch.testing.assert_close(layer.in_windows(x, side=side), expected[:, :HEIGHT, :WIDTH])


def test_a_table_of_the_right_length_is_not_interpolated():
    relative = RelativePosition(3, 4)
    torch.nn.init.normal_(relative.rows)
    q = torch.ones(1, 1, 4, 6, 3)
    bias = relative(q, first_row=0, size=(4, 6)).unflatten(3, (4, 6))
    torch.testing.assert_close(bias[0, 0, 0, 3, 0], relative.rows[0].sum())
    torch.testing.assert_close(bias[0, 0, -1, 0, 0], relative.rows[6].sum())


def test_absolute_positions_keep_their_values_on_their_own_size():
    position = torch.randn(5, 5, 3)
    assert resize_position(position, (5, 5)) is position
    resized = resize_position(position, (7, 11))
    expected = F.interpolate(position.permute(2, 0, 1)[None], size=(7, 11), mode="bicubic")
    torch.testing.assert_close(resized, expected[0].permute(1, 2, 0))


def test_windows_are_joined_as_they_were_cut():
    x = torch.randn(2, 6, 9, 5)
    windows = cut_windows(x, 3)
    assert windows.shape == (12, 3, 3, 5)
    assert torch.equal(windows[6 + 4], x[1, 3:6, 3:6])
    assert torch.equal(join_windows(windows, (6, 9)), x)


def test_channels_must_be_a_multiple_of_heads():
    with pytest.raises(ShapeError, match="multiple of heads, got 22 and 3"):
        Attention(22, 3)


def test_gradient(x):
    layer = attention(side=4)
    small = x[:1, :2, :3].clone().requires_grad_()
    assert torch.autograd.gradcheck(layer, (small,), fast_mode=True)
    assert torch.autograd.gradcheck(lambda y: layer.in_windows(y, side=2), (small,), fast_mode=True)


def test_the_mlp_written_out(x):
    mlp = Mlp(CHANNELS, expansion=3).double()
    wide = mlp.widen(x)
    wide = 0.5 * wide * (1 + torch.erf(wide / 2**0.5))
    torch.testing.assert_close(mlp(x), mlp.narrow(wide))


@pytest.mark.parametrize(("rows", "count"), [(None, 1), (1, 13), (5, 3), (20, 1)])
def test_strips_cover_every_row_once(rows, count):
    found = strips(13, rows)
    assert [row for strip in found for row in range(13)[strip]] == list(range(13))
    assert len(found) == count


@pytest.mark.parametrize("strip", [slice(0, 4), slice(4, 8), slice(12, 13), slice(0, 13)])
def test_a_filter_gives_for_a_strip_with_halo_what_it_gives_on_the_whole(strip):
    filtering, x = torch.nn.Conv2d(3, 5, 5, padding=2), torch.randn(2, 3, 13, 7)
    read, inner = with_halo(strip, 2, height=13)
    found = filtering(x[:, :, read])[:, :, inner]
    torch.testing.assert_close(found, filtering(x)[:, :, strip], rtol=0, atol=1e-6)
    assert read.stop - read.start <= strip.stop - strip.start + 4


def test_strips_are_added_in_place_only_where_no_gradient_is_asked_for(x):
    expected, before = x + x.square(), x.clone()
    assert torch.equal(add_in_strips(x, torch.square, 2), expected)
    assert torch.equal(x, before)
    with torch.no_grad():
        assert add_in_strips(x, torch.square, 2) is x
    torch.testing.assert_close(x, expected)
