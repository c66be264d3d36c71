import numpy as np
import pytest

from benchmarks.subjects import (
    COLUMNS,
    GAP_PX,
    SCIKIT_IMAGE,
    TILE_PX,
    Outlined,
    Score,
    contact_sheet,
    page,
    read_outlines,
    scored,
)
from maskwright.errors import DataError
from maskwright.image.polygons import Polygon
from maskwright.structures.matte import Matte


def test_ten_outlines_lie_in_their_photos():
    found = read_outlines()
    assert len(found) == 10 and len({one.name for one in found}) == 10
    for one in found:
        height, width = one.size
        for polygon in one.polygons:
            for ring in polygon.rings:
                assert ring.min() >= 0 and (ring <= (width, height)).all()
            whole = Polygon(polygon.outer)
            inside = Outlined("", "", "", "", one.size, (whole,)).mask()
            for hole in polygon.holes:
                cut = Outlined("", "", "", "", one.size, (Polygon(hole),)).mask()
                assert cut.any() and not (cut & ~inside).any(), one.name
        assert 0.01 < one.mask().mean() < 0.9


def test_the_outlines_fit_scikit_images_photos(tmp_path):
    for one in read_outlines():
        if one.origin == SCIKIT_IMAGE:
            assert one.pixels(tmp_path).shape == (*one.size, 3)
    with pytest.raises(DataError, match="astronaut: expected the photo that was outlined"):
        Outlined("a", SCIKIT_IMAGE, "astronaut", "", (3, 5), ()).pixels(tmp_path)


SQUARE = Polygon(np.array([(2.0, 2.0), (8.0, 2.0), (8.0, 8.0), (2.0, 8.0)]))
PHOTO = Outlined("square", SCIKIT_IMAGE, "square", "a square", (11, 13), (SQUARE,))


class Finding:
    """Finds what it is told."""

    def __init__(self, mask):
        from maskwright.structures import rle
        from maskwright.structures.class_list import ClassList
        from maskwright.structures.segment import Segment
        from maskwright.structures.segmentation import Segmentation

        self.classes = ClassList(("thing",))
        self.config = type("Config", (), {"task": "panoptic"})
        segments = (Segment(1, 0, "thing", rle.encode(mask)),) if mask.any() else ()
        self.found = Segmentation(mask.shape, "panoptic", ("thing",), segments)

    def segment(self, image, task, thresholds):
        return self.found


def test_scores_are_ious_and_nothing_found_is_none():
    pixels = np.zeros((11, 13, 3), np.uint8)
    half = PHOTO.mask()
    half[5:] = False
    assert scored(PHOTO, pixels, Finding(PHOTO.mask())).iou == 1
    assert scored(PHOTO, pixels, Finding(half)).iou == pytest.approx(0.5)
    assert scored(PHOTO, pixels, Finding(np.zeros((11, 13), bool))).iou == 0


def test_the_page_counts_photos_that_are_good_enough():
    scores = [Score(PHOTO, iou, None) for iou in (0.79, 0.8, 0.95, 0.1)]
    text = page(scores, "net", {"commit": "abc"})
    assert "| square | scikit-image | a square | 0.790 |" in text and "- commit: `abc`" in text
    assert "2 of 4 photos with an IoU of 0.8 or more; mean IoU 0.660. Goal: 8 photos: miss" in text
    assert "met" in page([Score(PHOTO, 0.9, None)] * 8, "net", {})


class Hard:
    """Mattes by the trimap alone."""

    def matte(self, image, trimap):
        return Matte((trimap == 255).astype(np.float32))


def test_the_sheet_shows_photo_and_cutout_of_scikit_images_photos():
    pixels = np.full((11, 13, 3), 200, np.uint8)
    other = Outlined("other", "photos", "o.jpg", "", (11, 13), (SQUARE,))
    scores = [
        Score(PHOTO, 1.0, PHOTO.mask()),
        Score(PHOTO, 0.0, None),
        Score(other, 1.0, PHOTO.mask()),
    ]
    sheet = contact_sheet(scores, Hard(), {"square": pixels, "other": pixels})
    assert sheet.shape == (TILE_PX, COLUMNS * 2 * TILE_PX + (COLUMNS - 1) * GAP_PX, 3)
    middle = sheet[TILE_PX // 2]
    assert (middle[TILE_PX // 2] == 200).all()
    second = 2 * TILE_PX + GAP_PX
    assert (middle[second + TILE_PX // 2] == 200).all() and (middle[-TILE_PX:] == 255).all()
