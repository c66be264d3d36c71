import pytest
import torch

from maskwright.errors import ShapeError
from maskwright.models.interformer.attention import PoolingAttention, grid_length

CHANNELS, HEADS = 6, 2


@pytest.mark.parametrize(
    ("length", "side", "ratio", "expected"),
    [
        *((128, 128, 12, 11), (128, 128, 16, 8), (128, 128, 20, 6), (128, 128, 24, 5)),
        *((16, 16, 1, 16), (16, 16, 3, 5), (31, 16, 1, 31)),
        *((5, 128, 12, 5), (1, 128, 24, 1), (4, 128, 20, 4)),
        *((20, 16, 2, 10), (28, 16, 2, 7), (272, 128, 12, 10)),
    ],
)
def test_grids_are_about_as_long_whatever_the_image_s_size(length, side, ratio, expected):
    assert grid_length(length, side, ratio) == expected


def test_five_hundred_and_twelve_pixels_give_the_published_numbers_of_keys():
    pools = ((12, 16, 20, 24), (6, 8, 10, 12), (3, 4, 5, 6), (1, 2, 3, 4))
    counts = [
        sum(grid_length(side, side, ratio) ** 2 for ratio in ratios)
        for side, ratios in zip((128, 64, 32, 16), pools, strict=True)
    ]
    assert counts == [246, 246, 246, 361]


def test_pooling_attention_written_out():
    torch.manual_seed(0)
    attention = PoolingAttention(CHANNELS, HEADS, side=4, ratios=(2, 4))
    x, source = torch.randn(2, 1, CHANNELS, 4, 4)
    grids = [torch.zeros(CHANNELS, 2, 2), source[0].amax((1, 2), keepdim=True)]
    for row in range(2):
        for column in range(2):
            cell = source[0, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            grids[0][:, row, column] = cell.amax((1, 2))
    tokens = torch.cat(
        [
            (grid + each(grid[None])[0]).flatten(1)
            for grid, each in zip(grids, attention.filters, strict=True)
        ],
        1,
    ).T
    key, value = attention.key_value(attention.norm(tokens)).split(CHANNELS, -1)
    expected = torch.zeros(CHANNELS, 4, 4)
    for row in range(4):
        for column in range(4):
            query, read = attention.query(x[0, :, row, column]), []
            for head in (slice(0, 3), slice(3, 6)):
                scores = key[:, head] @ query[head] / 3**0.5
                read.append(scores.softmax(0) @ value[:, head])
            expected[:, row, column] = attention.out(torch.cat(read))
    torch.testing.assert_close(attention(x, source)[0], expected)


def test_channels_must_be_shared_among_the_heads():
    with pytest.raises(ShapeError, match="multiple of heads, got 6 and 4; change one"):
        PoolingAttention(6, 4, side=4, ratios=(1,))
