import cv2
import numpy as np
import pytest

from maskwright.data.trimaps import random_trimap, shrunk_trimap


def disc(size, radius):
    y, x = np.indices(size)
    distance = np.hypot(x - size[1] / 2, y - size[0] / 2)
    return np.clip((radius - distance) / 5 + 0.5, 0, 1).astype(np.float32)


@pytest.mark.parametrize("foreground_px, background_px", [(1, 1), (3, 5), (7, 2)])
def test_known_parts_are_eroded_by_an_ellipse_written_out(foreground_px, background_px):
    alpha = disc((29, 31), 9)
    trimap = shrunk_trimap(alpha, foreground_px=foreground_px, background_px=background_px)

    def survives(mask, side, row, column):
        element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        for r in range(side):
            for c in range(side):
                y, x = row + r - side // 2, column + c - side // 2
                inside = 0 <= y < 29 and 0 <= x < 31  # the border itself erodes nothing
                if element[r, c] and inside and not mask[y, x]:
                    return False
        return True

    for row in range(29):
        for column in range(31):
            expected = 128
            if survives(alpha >= 1 - 1e-5, foreground_px, row, column):
                expected = 255
            elif survives(alpha <= 1e-5, background_px, row, column):
                expected = 0
            assert trimap[row, column] == expected


def test_every_pixel_that_is_neither_0_nor_1_is_unknown():
    alpha = disc((41, 43), 13)
    for seed in range(7):
        trimap = random_trimap(alpha, np.random.default_rng(seed))
        assert (trimap[(alpha > 0.001) & (alpha < 0.999)] == 128).all()
        assert set(np.unique(trimap)) <= {0, 128, 255}


def test_the_largest_element_has_29_pixels_and_the_smallest_1():
    line = np.zeros((1, 201), np.float32)
    line[:, 100:] = 1
    # An element of 28 reaches 14 pixels to one side but 13 to the other.
    lost = {100: set(), 99: set()}
    for seed in range(400):
        unknown = random_trimap(line, np.random.default_rng(seed))[0] == 128
        lost[100].add(int(unknown[100:].sum()))
        lost[99].add(int(unknown[:100].sum()))
    assert lost == {100: set(range(15)), 99: set(range(15))}


def test_on_a_square_the_band_grows_with_the_image():
    alpha = disc((211, 223), 60)
    widths = []
    for side_px in (None, 53):
        trimap = random_trimap(alpha, np.random.default_rng(4), side_px=side_px)
        assert trimap.shape == alpha.shape
        widths.append((trimap == 128).sum())
    assert widths[1] > 2 * widths[0]


def test_alpha_without_a_sure_pixel_is_unknown_everywhere():
    trimap = shrunk_trimap(np.full((5, 7), 0.5, np.float32), foreground_px=1, background_px=1)
    assert (trimap == 128).all()
