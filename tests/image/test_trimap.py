import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from maskwright.errors import ImageError, ShapeError, TrimapError, UsageError
from maskwright.image.io import Photo
from maskwright.image.trimap import check_trimap, trimap_from_alpha, trimap_from_mask

HEIGHT, WIDTH = 61, 67


def disc(size=(HEIGHT, WIDTH), radius=19.0, centre=None):
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    centre_y, centre_x = centre or (size[0] / 2, size[1] / 2)
    return np.hypot(y - centre_y, x - centre_x) < radius


def share_unknown(trimap):
    return float((trimap == 128).mean())


def test_a_pixel_is_unknown_within_the_band_from_the_other_side_written_out():
    size, band = (11, 13), 2
    mask = disc(size, 4.5)
    trimap = trimap_from_mask(mask, band)
    for y, x in np.ndindex(size):
        distance = min(
            np.hypot(y - other_y, x - other_x)
            for other_y, other_x in np.ndindex(size)
            if mask[other_y, other_x] != mask[y, x]
        )
        known = 255 if mask[y, x] else 0
        assert trimap[y, x] == (128 if distance <= band else known)


def test_a_share_is_of_the_root_of_the_area():
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[10:50, 7:57] = True  # 2000 pixels, root 44.7
    np.testing.assert_array_equal(trimap_from_mask(mask, "9%"), trimap_from_mask(mask, 4))
    np.testing.assert_array_equal(trimap_from_mask(mask, "0.1%"), trimap_from_mask(mask, 1))


def test_the_automatic_band_grows_with_the_photo():
    shares = [
        share_unknown(trimap_from_mask(disc((scale * 101, scale * 103), scale * 31)))
        for scale in (3, 7)
    ]
    assert shares[0] == pytest.approx(shares[1], rel=0.15)


def test_the_automatic_band_is_wider_where_the_mask_is_ragged():
    mask = np.zeros((307, 311), bool)
    mask[100:200, 50:260] = True
    mask[70:100, 50:260:6] = mask[70:100, 51:260:6] = True  # a comb on the upper side
    trimap = trimap_from_mask(mask)
    middle = trimap[:, 140:170] == 128
    upper, lower = middle[:150].sum(axis=0), middle[150:].sum(axis=0)
    assert (upper > 30 + lower).all()  # the teeth are unknown, and more
    assert (trimap[110:190, 80:230] == 255).any()


def test_the_automatic_band_is_wider_where_the_colours_are_alike():
    size = (211, 223)
    mask = disc(size, 71)
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[mask] = 200
    pixels[:, : size[1] // 2] = 100  # nothing to be seen on the left
    pixels = pixels + np.random.default_rng(0).integers(0, 20, pixels.shape, np.uint8)
    plain, seen = trimap_from_mask(mask), trimap_from_mask(mask, image=pixels)
    left, right = np.s_[:, : size[1] // 3], np.s_[:, -size[1] // 3 :]
    assert share_unknown(seen[left]) > 1.5 * share_unknown(plain[left])
    assert share_unknown(seen[right]) == pytest.approx(share_unknown(plain[right]), rel=0.1)
    for kind in (pixels.astype(np.uint16) * 257, (pixels / 255).astype(np.float32), Photo(pixels)):
        difference = trimap_from_mask(mask, image=kind) != seen
        assert difference.mean() < 0.002


@pytest.mark.parametrize("band", ["auto", 5, "30%", 1000])
@pytest.mark.parametrize(
    "mask",
    [
        np.eye(HEIGHT, WIDTH, dtype=bool),
        disc(radius=2),
        disc(radius=0.9),
        ~disc(radius=2),
        ~np.eye(HEIGHT, WIDTH, dtype=bool),
        disc(radius=100, centre=(0, -70)),
        np.indices((HEIGHT, WIDTH)).sum(axis=0) % 5 == 0,
        (np.indices((HEIGHT, WIDTH)) % 4 == 0).all(axis=0),  # 200 specks
    ],
    ids=["line", "dot", "pixel", "hole", "slit", "corner", "stripes", "specks"],
)
def test_some_object_and_some_background_stay_known(mask, band):
    trimap = check_trimap(trimap_from_mask(mask, band), mask.shape)
    assert mask[trimap == 255].all()
    assert not mask[trimap == 0].any()


@given(arrays.arrays(np.bool_, st.tuples(st.integers(2, 7), st.integers(1, 11))), st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_what_is_known_is_as_the_mask_says(mask, band):
    if mask.all() or not mask.any():
        return
    for trimap in (trimap_from_mask(mask, band), trimap_from_mask(mask)):
        assert set(np.unique(trimap)) <= {0, 128, 255}
        assert (trimap == 255).any()
        assert (trimap == 0).any()
        assert mask[trimap == 255].all()
        assert not mask[trimap == 0].any()


def test_each_large_part_keeps_a_core_of_its_own_and_specks_need_not():
    mask = disc((211, 223), 61)
    mask[5:11, 5:205] = True  # as thin as the band, but much
    mask[200, 200] = True
    trimap = trimap_from_mask(mask, 7)
    assert (trimap[:12] == 255).any()
    assert trimap[200, 200] == 128


def test_the_border_of_the_photo_is_no_edge():
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[:, :31] = True
    trimap = trimap_from_mask(mask, 3)
    assert (trimap == trimap[:1]).all()
    assert (trimap[0] == np.repeat([255, 128, 0], [28, 6, WIDTH - 34])).all()


def test_the_photo_around_the_object_does_not_matter():
    mask = disc((151, 157), 61)
    wide = np.pad(mask, 97)
    np.testing.assert_array_equal(trimap_from_mask(wide)[97:-97, 97:-97], trimap_from_mask(mask))


def test_soft_values_are_unknown_and_the_band_begins_where_they_end():
    mask = np.tile(np.linspace(-1, 2, 67).clip(0, 1), (HEIGHT, 1))
    trimap = trimap_from_mask(mask, 3)
    soft = (mask > 0.05) & (mask < 0.95)
    assert (trimap[soft] == 128).all()
    assert (trimap == 128).sum(axis=1).tolist() == (soft.sum(axis=1) + 6).tolist()
    rounded = np.rint(mask * 255).astype(np.uint8)
    np.testing.assert_array_equal(trimap_from_mask(rounded, 3), trimap)


def test_bool_uint8_and_float_masks_mean_the_same():
    mask = disc()
    for kind in (mask.astype(np.uint8) * 255, mask.astype(np.float32), mask.astype(np.float64)):
        np.testing.assert_array_equal(trimap_from_mask(kind), trimap_from_mask(mask))


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (np.zeros((5, 7), bool), TrimapError, "got no object; mark it"),
        (np.ones((5, 7), bool), TrimapError, "got no background; mark it"),
        (np.full((5, 7), 0.5), TrimapError, "got no object"),
        (np.eye(5, 7, dtype=np.uint8), TrimapError, "a mask must be bool, uint8 .* from 0 to 1;"),
        (np.eye(5, 7, dtype=np.int64), TrimapError, "a mask must be bool, uint8 .* got int64"),
        (np.eye(5, 7) * 2, TrimapError, "floating point from 0 to 1, got float64 from 0 to 2"),
        (np.full((5, 7), np.nan), TrimapError, "got float64 from nan to nan"),
        (np.zeros((5, 7, 3), bool), ShapeError, r"a mask must be \(h, w\), got .* \(5, 7, 3\)"),
        (np.zeros((0, 7), bool), ShapeError, r"a mask must be \(h, w\), got .* \(0, 7\)"),
    ],
)
def test_impossible_masks_are_refused(mask, error, message):
    with pytest.raises(error, match=message):
        trimap_from_mask(mask)


@pytest.mark.parametrize("band", [0, -3, "", "3", "%", "0%", "-1%", "three"])
def test_impossible_bands_are_refused(band):
    with pytest.raises(UsageError, match='a band must be "auto", pixels from 1, or a share .* got'):
        trimap_from_mask(disc(), band)


def test_a_photo_of_another_size_or_kind_is_refused():
    with pytest.raises(ShapeError, match=r"one size, got \(61, 67\) and \(67, 61\)"):
        trimap_from_mask(disc(), image=np.zeros((WIDTH, HEIGHT, 3), np.uint8))
    with pytest.raises(ImageError, match="no such file"):
        trimap_from_mask(disc(), image="nowhere.png")


def test_soft_pixels_of_an_alpha_and_those_near_them_are_unknown_written_out():
    alpha = cv2.GaussianBlur(disc((17, 23), 5).astype(np.float32), (5, 5), 0)
    alpha[:3, :3] = 1  # an edge without a soft pixel
    trimap = trimap_from_alpha(alpha, 2)
    for y, x in np.ndindex(17, 23):
        window = alpha[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
        offsets = np.argwhere(np.ones_like(window)) - (min(2, y), min(2, x))
        near = window.ravel()[np.hypot(*offsets.T) <= 2]
        if (near == alpha[y, x]).all() and alpha[y, x] in {0, 1}:
            assert trimap[y, x] == 255 * alpha[y, x]
        elif y > 2 or x > 2:  # the block keeps a core
            assert trimap[y, x] == 128
    assert trimap[0, 0] == 255


def test_an_alpha_that_is_nowhere_opaque_gives_a_trimap_without_foreground():
    trimap = trimap_from_alpha(disc().astype(np.float32) / 2)
    assert set(np.unique(trimap)) == {0, 128}
    assert (trimap_from_alpha(np.full((5, 7), 0.5)) == 128).all()
    assert (trimap_from_alpha(np.ones((5, 7))) == 255).all()
    with pytest.raises(TrimapError, match="floating point from 0 to 1"):
        trimap_from_alpha(np.full((5, 7), 1.5))
