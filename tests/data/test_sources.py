import numpy as np
import pytest
from PIL import Image

from maskwright.data.matting import training_set
from maskwright.data.sources import (
    FolderBackgrounds,
    FolderForegrounds,
    ProceduralBackgrounds,
    ProceduralForegrounds,
    read_colour,
)
from maskwright.errors import DataError
from maskwright.image.io import write_image

HEIGHT, WIDTH = 5, 7


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_foregrounds_are_read_as_8_bit_colour_and_exact_alpha(tmp_path, dtype):
    top = np.iinfo(dtype).max
    rng = np.random.default_rng(0)
    colour = rng.integers(0, top + 1, (HEIGHT, WIDTH, 3), dtype=dtype)
    alpha = rng.integers(0, top + 1, (HEIGHT, WIDTH), dtype=dtype)
    write_image(tmp_path / "fg" / "a.png", colour)
    write_image(tmp_path / "alpha" / "a.png", alpha)
    (one,) = list(FolderForegrounds(training_set(tmp_path)))
    np.testing.assert_allclose(one.colour, colour / top * 255, atol=0.5)
    np.testing.assert_allclose(one.alpha, alpha / top, atol=1e-6)


def test_a_grey_photo_is_read_as_three_equal_channels(tmp_path):
    Image.fromarray(np.full((HEIGHT, WIDTH), 77, np.uint8)).save(tmp_path / "a.png")
    scene = FolderBackgrounds([tmp_path / "a.png"])[0]
    assert scene.shape == (HEIGHT, WIDTH, 3)
    assert (scene == 77).all()


def test_a_16_bit_scene_is_read_as_8_bit(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    write_image(tmp_path / "a.png", pixels.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_colour(tmp_path / "a.png"), pixels)


def test_no_background_is_refused():
    with pytest.raises(DataError, match="one picture or more, got none"):
        FolderBackgrounds([])


def test_procedural_kinds_take_turns_and_repeat_exactly():
    source = ProceduralForegrounds(11, (37, 41), seed=3, kinds=["smoke", "soft"])
    assert len(source) == 11
    np.testing.assert_array_equal(source[4].alpha, source[4].alpha)
    assert not np.array_equal(source[4].alpha, source[6].alpha)
    other = ProceduralForegrounds(11, (37, 41), seed=4, kinds=["smoke", "soft"])
    assert not np.array_equal(source[4].alpha, other[4].alpha)


def test_procedural_backgrounds_repeat_exactly():
    source = ProceduralBackgrounds(5, (37, 41), seed=3)
    np.testing.assert_array_equal(source[2], source[2])
    assert not np.array_equal(source[2], source[3])
    assert len(source) == 5
