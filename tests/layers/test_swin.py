import pytest
import torch

from maskwright.errors import ShapeError
from maskwright.layers.swin import Merge, Swin, WindowAttention, region_masks


def drawn(model):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in model.parameters():
            noise = torch.randn(value.shape, generator=generator)
            value.copy_(noise / max(value[0].numel(), 1) ** 0.5 if value.ndim > 1 else noise)
    return model.eval()


def one_token(attention, x, row, column):
    """Return what the token at a row and column of a padded map reads, written out."""
    height, width = x.shape[:2]
    side, shift, heads = attention.side, attention.shift, attention.heads

    def window(at, length):
        """Return the window, the place in it, and the region along one axis."""
        moved = (at - shift) % length
        region = 0 if moved < length - side else 1 if moved < length - shift else 2
        return moved // side, moved % side, region if shift else 0

    (wr, pr, rr), (wc, pc, rc) = window(row, height), window(column, width)
    qkv = attention.qkv(x).unflatten(-1, (3, heads, -1))
    query, scores, values = qkv[row, column, 0], [], []
    for r in range(height):
        for c in range(width):
            (kwr, kpr, krr), (kwc, kpc, krc) = window(r, height), window(c, width)
            if (kwr, kwc, krr, krc) == (wr, wc, rr, rc):
                entry = (pr - kpr + side - 1) * (2 * side - 1) + (pc - kpc + side - 1)
                score = (query * qkv[r, c, 1]).sum(-1) * query.shape[-1] ** -0.5
                scores.append(score + attention.bias[entry])
                values.append(qkv[r, c, 2])
    weights = torch.stack(scores).softmax(0)
    return attention.out((weights[..., None] * torch.stack(values)).sum(0).flatten())


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_a_token_reads_its_own_window_and_region(shift):
    attention = drawn(WindowAttention(6, 2, side=3, shift=shift))
    x = torch.randn(2, 9, 6, 6)
    with torch.no_grad():
        found = attention(x)
        for image, row, column in ((0, 0, 0), (1, 8, 5), (0, 4, 3), (1, 2, 5), (0, 7, 1)):
            expected = one_token(attention, x[image], row, column)
            torch.testing.assert_close(found[image, row, column], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shift", [0, 2])
def test_a_map_of_another_size_is_filled_up_with_tokens_of_zeros(shift):
    attention, x = drawn(WindowAttention(6, 2, side=5, shift=shift)), torch.randn(1, 7, 13, 6)
    filled = torch.zeros(1, 10, 15, 6)
    filled[:, :7, :13] = x
    with torch.no_grad():
        torch.testing.assert_close(attention(x), attention(filled)[:, :7, :13])


def test_masks_differ_only_where_tokens_came_round():
    masks = region_masks(3, 1)
    assert not masks[0, 0].any()
    last_row = masks[1, 0].unflatten(1, (3, 3)).unflatten(0, (3, 3))
    assert (last_row[0, 1, 2] == -100).all() and not last_row[0, 1, :2].any()
    assert (last_row[2, 0, :2] == -100).all() and not last_row[2, 0, 2].any()
    assert torch.equal(masks[1, 1] == 0, (masks[1, 0] == 0) & (masks[0, 1] == 0))


def test_four_tokens_become_one_in_the_official_order():
    merge, x = Merge(2), torch.randn(1, 3, 4, 2)
    merge.norm = torch.nn.Identity()
    with torch.no_grad():
        merge.reduce.weight.copy_(torch.eye(4, 8))
        found = merge(x)
    assert found.shape == (1, 2, 2, 4)
    torch.testing.assert_close(found[0, 0, 1], torch.cat([x[0, 0, 2], x[0, 1, 2]]))
    torch.testing.assert_close(found[0, 1, 0], torch.cat([x[0, 2, 0], torch.zeros(2)]))


@pytest.mark.parametrize("size", [(64, 96), (33, 70), (3, 5)])
def test_maps_halve_from_a_quarter_on(size):
    model = drawn(Swin(8, (2, 2, 1, 2), heads=(1, 2, 2, 4), window=3))
    with torch.no_grad():
        maps = model(torch.randn(2, 3, *size))
    for stage, x in enumerate(maps):
        stride = 4 << stage
        assert x.shape == (2, 8 << stage, -(-size[0] // stride), -(-size[1] // stride))
        assert x.isfinite().all()


def test_every_parameter_learns_and_whole_branches_are_left_out():
    model = drawn(Swin(8, (2, 2, 1, 2), heads=(1, 2, 2, 4), window=3))
    sum(x.square().sum() for x in model(torch.randn(1, 3, 64, 64))).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    drops = [block.drop.rate for stage in model.stages for block in stage.blocks]
    assert drops == pytest.approx([0.05 * index for index in range(7)])


def test_channels_that_do_not_split_are_named():
    with pytest.raises(ShapeError, match="multiple of heads, got 7 and 2; change one"):
        WindowAttention(7, 2, side=3, shift=0)
