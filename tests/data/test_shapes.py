import cv2
import numpy as np
import pytest

from maskwright.data.shapes import draw_pictures, read_pictures
from maskwright.errors import DataError

SIDE = 29


def test_pictures_follow_from_the_seed_and_their_number_alone():
    few, many, other = (
        draw_pictures(5, SIDE),
        draw_pictures(11, SIDE),
        draw_pictures(5, SIDE, seed=1),
    )
    assert few.shape == (5, SIDE, SIDE) and few.dtype == np.uint8
    np.testing.assert_array_equal(few, many[:5])
    assert all(not np.array_equal(one, two) for one, two in zip(few, other, strict=True))


def test_every_picture_shows_something_and_edges_are_soft():
    drawn = draw_pictures(40, SIDE)
    assert (np.ptp(drawn, axis=(1, 2)) > 20).all()
    assert len(np.unique(drawn)) > 200
    garments = drawn[::2]
    assert (garments[:, 0, 0] == 0).all() and (garments.max((1, 2)) > 100).all()


def test_a_folder_is_read_by_name_in_grey_and_to_one_size(tmp_path):
    red = np.zeros((SIDE, 2 * SIDE, 3), np.uint8)
    red[..., 2] = 255  # OpenCV writes BGR
    cv2.imwrite(str(tmp_path / "b.png"), red)
    cv2.imwrite(str(tmp_path / "a.png"), np.full((7, 11), 0x8080, np.uint16))
    (tmp_path / "notes.txt").write_text("no picture")
    found = read_pictures(tmp_path, 13)
    assert found.shape == (2, 13, 13) and found.dtype == np.uint8
    assert (found[0] == 128).all() and (found[1] == 76).all()  # 0.299 * 255


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(DataError, match="must hold pictures .* got none; check the path"):
        read_pictures(tmp_path, 13)
