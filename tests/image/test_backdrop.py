import numpy as np
import pytest

from maskwright.errors import ImageError, UsageError
from maskwright.image.backdrop import compose_on, parse_backdrop
from maskwright.image.io import write_image
from maskwright.structures.cutout import Cutout


def test_a_file_is_a_photo_and_all_else_a_colour(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_image("red", np.full((2, 3, 3), 51, np.uint8), format="png")
    np.testing.assert_allclose(parse_backdrop("red"), np.full((2, 3, 3), 0.2), atol=1e-6)
    assert parse_backdrop("blue").tolist() == [0, 0, 1]


def test_what_is_neither_is_refused(tmp_path):
    with pytest.raises(UsageError, match="--background must be a photo or a colour; .*got 'blurp"):
        parse_backdrop("blurple")
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(ImageError, match="x.png: expected a photo, got an empty file"):
        parse_backdrop(str(tmp_path / "x.png"))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_composite_has_the_depth_of_the_cutout(dtype):
    full = np.iinfo(dtype).max
    rgba = np.array([[[full, 0, 0, full], [0, full, 0, 0]]], dtype)
    white = parse_backdrop("white")
    assert compose_on(Cutout(rgba), white).tolist() == [[[full, 0, 0], [full, full, full]]]
    assert compose_on(Cutout(rgba), white).dtype == dtype
