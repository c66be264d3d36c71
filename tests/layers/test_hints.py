import pytest
import torch

from maskwright.layers.hints import (
    STRIDES,
    TRUST,
    NearColours,
    colour_hints,
    near_colours,
    spread,
)

RED, BLUE = torch.tensor([0.9, 0.1, 0.2]), torch.tensor([0.1, 0.2, 0.8])


def halves(height=64, width=96, band=16):
    """A red right half, a blue left one, an unknown band half way between them in colour."""
    trimap = torch.full((1, 1, height, width), 128 / 255)
    trimap[..., : (width - band) // 2], trimap[..., (width + band) // 2 :] = 0, 1
    alpha = torch.where(trimap == 128 / 255, 0.5, trimap)
    return alpha * RED[:, None, None] + (1 - alpha) * BLUE[:, None, None], trimap


def test_an_unknown_pixel_hears_of_the_colours_on_both_sides():
    near = near_colours(*halves())
    torch.testing.assert_close(near.foreground[0, :, 31, 48], RED, rtol=0, atol=0.02)
    torch.testing.assert_close(near.background[0, :, 31, 48], BLUE, rtol=0, atol=0.02)


def test_the_explained_alpha_written_out():
    torch.manual_seed(0)
    rgb, trimap = torch.rand(2, 3, 5, 7), torch.tensor([0, 128 / 255, 1])[torch.randint(3, (70,))]
    trimap = trimap.reshape(2, 1, 5, 7)
    near = NearColours(torch.rand(2, 3, 5, 7), torch.rand(2, 3, 5, 7))
    hints = colour_hints(rgb, trimap, near)
    assert hints.shape == (2, 10, 5, 7)
    for b, y, x in ((0, 0, 0), (1, 4, 6), (0, 3, 2), (1, 2, 5), (1, 0, 1)):
        colour, known = rgb[b, :, y, x], trimap[b, 0, y, x].item()
        f, back = near.foreground[b, :, y, x], near.background[b, :, y, x]
        along = float((colour - back) @ (f - back)) / (float((f - back) @ (f - back)) + 1e-2)
        alpha = known if known in (0, 1) else min(max(along, 0), 1)
        off = (colour - back - alpha * (f - back)).square().sum().add(1e-6).sqrt()
        expected = torch.cat([f, back, torch.tensor([alpha, off, known == 1, known == 0])])
        torch.testing.assert_close(hints[b, :, y, x], expected)


def test_a_mean_of_known_and_unknown_pixels_is_unknown():
    trimap = torch.tensor([0, 0.002, 0.25, 0.75, 0.998, 1]).reshape(1, 1, 1, 6)
    *_, is_foreground, is_background = colour_hints(
        torch.zeros(1, 3, 1, 6), trimap, NearColours(*torch.zeros(2, 1, 3, 1, 6))
    ).unbind(1)
    assert is_foreground.tolist() == [[[0, 0, 0, 0, 1, 1]]]
    assert is_background.tolist() == [[[1, 1, 0, 0, 0, 0]]]


def test_nearer_colours_outweigh_farther_ones():
    rgb, known = torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    rgb[..., :4] = RED[:, None, None]
    rgb[..., 60:] = BLUE[:, None, None]
    known[..., :4], known[..., 60:] = 1, 1
    colour = spread(rgb, known)
    torch.testing.assert_close(colour[0, :, 30, 6], RED, rtol=0, atol=20 * TRUST)
    torch.testing.assert_close(colour[0, :, 30, 57], BLUE, rtol=0, atol=20 * TRUST)


def test_without_known_pixels_colours_are_zero():
    assert not spread(torch.rand(1, 3, 19, 23), torch.zeros(1, 1, 19, 23)).any()


@pytest.mark.parametrize("offset", [STRIDES[-1], 3 * STRIDES[-1]])
def test_a_tile_that_starts_on_the_grid_agrees_with_the_whole(offset):
    torch.manual_seed(0)
    rgb, known = torch.rand(1, 3, 320, 48), (torch.rand(1, 1, 320, 48) < 0.3).float()
    whole, tile = spread(rgb, known), spread(rgb[:, :, offset:], known[:, :, offset:])
    inner = slice(3 * STRIDES[-1], None)
    torch.testing.assert_close(
        tile[:, :, inner], whole[:, :, offset:][:, :, inner], atol=1e-3, rtol=0
    )
