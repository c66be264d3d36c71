from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from maskwright.errors import ImageError, ShapeError, TrimapError, UsageError
from maskwright.image.io import Photo
from maskwright.image.trimap import TrimapWarning, check_trimap, read_trimap
from maskwright.structures.trimap import Trimap

HEIGHT, WIDTH = 7, 11


@pytest.fixture
def trimap():
    values = np.full((HEIGHT, WIDTH), 128, np.uint8)
    values[:, :3], values[:, 7:] = 0, 255
    return values


def png(image):
    stream = BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def test_files_arrays_and_pictures_of_8_and_16_bit_say_the_same(trimap, tmp_path):
    path = tmp_path / "trimap.png"
    path.write_bytes(png(trimap))
    opaque = np.full_like(trimap, 255)
    middle = np.array([0, 32768, 65535], np.uint16)[trimap.astype(int) * 2 // 255]
    for source in [
        trimap,
        Trimap(trimap),
        path,
        str(path),
        path.read_bytes(),
        Image.fromarray(trimap),
        Photo(np.repeat(trimap[..., None], 3, axis=2)),
        png(np.repeat(trimap[..., None], 3, axis=2)),
        np.stack([trimap, trimap, trimap, opaque], axis=2),
        trimap.astype(np.uint16) * 257,
        middle,
        trimap / np.float32(255),
        np.array([0, 0.5, 1])[trimap.astype(int) * 2 // 255],
    ]:
        read = read_trimap(source, (HEIGHT, WIDTH))
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, trimap)


@pytest.mark.parametrize("value", [120, 127, 129, 136])
@pytest.mark.parametrize("unit", [1, 257])
def test_values_near_128_are_unknown_with_a_warning(trimap, value, unit):
    file = np.where(trimap == 128, value, trimap).astype([np.uint8, np.uint16][unit > 1]) * unit
    message = f"got 28 pixels from {value * unit} to {value * unit}; they are read as unknown"
    with pytest.warns(TrimapWarning, match=message):
        np.testing.assert_array_equal(read_trimap(file), trimap)


@pytest.mark.parametrize("value", [1, 119, 137, 254])
def test_other_values_are_refused_and_counted(trimap, value):
    trimap[0, :2] = value
    with pytest.raises(TrimapError, match=rf"got 1 other value, most often {value} \(2 pixels\)"):
        read_trimap(trimap)


def test_the_most_frequent_of_many_values_are_named(trimap):
    trimap[0, :7] = [3, 3, 252, 252, 252, 9, 8]
    message = (
        r"the array: a trimap holds only 0 \(background\), 128 \(unknown\) and 255 .* got 4 other"
        r" values, most often 252 \(3 pixels\), 3 \(2 pixels\), 8 \(1 pixels\); export it as PNG"
    )
    with pytest.raises(TrimapError, match=message):
        read_trimap(trimap)


def test_a_jpeg_is_refused(trimap, tmp_path):
    path = tmp_path / "trimap.jpg"
    Image.fromarray(trimap.repeat(9, axis=0).repeat(9, axis=1)).save(path, quality=60)
    with pytest.raises(TrimapError, match=r"trimap\.jpg: .* without smoothing or lossy"):
        read_trimap(path)


def test_fractions_are_named_as_they_are(trimap):
    with pytest.raises(TrimapError, match=r"only 0 .* 0\.502 \(unknown\) and 1 .* often 0\.25 \("):
        read_trimap(np.where(trimap == 128, np.float32(0.25), trimap / np.float32(255)))


def test_another_coding_is_read_only_where_it_is_stated(trimap):
    file = np.where(trimap == 128, 102, trimap).astype(np.uint8)
    rgba = np.stack([file, file, file, np.full_like(file, 255)], axis=2)
    with pytest.raises(
        TrimapError, match=r"got 1 other value, most often 102 .* values={0: 0, 102"
    ):
        read_trimap(rgba)
    coding = {0: 0, 102: 128, 255: 255}
    np.testing.assert_array_equal(read_trimap(rgba, values=coding), trimap)
    labels = np.array([2, 0, 1], np.uint8)[trimap.astype(int) * 2 // 255]
    np.testing.assert_array_equal(read_trimap(labels, values={2: 0, 0: 128, 1: 255}), trimap)
    with pytest.raises(TrimapError, match="got 1 other value, most often 128"):
        read_trimap(trimap, values=coding)


@pytest.mark.parametrize("values", [{0: 0, 102: 127}, {-1: 0}, {256: 255}])
def test_impossible_codings_are_refused(trimap, values):
    with pytest.raises(UsageError, match=r"values must map 0 to 255 to 0, 128 or 255, got \{"):
        read_trimap(trimap, values=values)


def test_colour_transparency_and_masks_are_refused(trimap):
    colour = np.stack([trimap, trimap, trimap], axis=2)
    colour[3, 5] = (255, 0, 0)
    with pytest.raises(TrimapError, match="must be grey, got a coloured picture"):
        read_trimap(colour)
    with pytest.raises(TrimapError, match="must be grey, got one with transparency"):
        read_trimap(np.stack([trimap] * 4, axis=2))
    with pytest.raises(TrimapError, match="a mask of True and False; .* trimap_from_mask"):
        read_trimap(trimap > 0)
    with pytest.raises(ImageError, match="no such file"):
        read_trimap("nowhere.png")


def test_the_size_must_be_that_of_the_photo(trimap):
    with pytest.raises(TrimapError, match="as large as its photo, 13 x 5, got 11 x 7; scale it"):
        read_trimap(trimap, (5, 13))
    with pytest.raises(TrimapError, match="7 x 11, got 11 x 7; the photo is turned .* EXIF"):
        read_trimap(trimap, (WIDTH, HEIGHT))
    with pytest.raises(TrimapError, match="as large as its photo, 13 x 5, got 11 x 7"):
        check_trimap(trimap, (5, 13))


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (0, r"needs black \(0\) where the background surely is, got none; mark some"),
        (128, r"needs grey \(128\) where matting is to decide, got none; there is nothing"),
        (255, r"needs white \(255\) where the object surely is, got none; mark some"),
    ],
)
def test_a_trimap_that_lacks_something_is_refused_unless_that_is_allowed(trimap, missing, message):
    trimap[trimap == missing] = {0: 128, 128: 0, 255: 128}[missing]
    for function in (read_trimap, check_trimap):
        with pytest.raises(TrimapError, match=message):
            function(trimap)
    np.testing.assert_array_equal(read_trimap(trimap, complete=False), trimap)


def test_a_checked_array_comes_back_itself_and_others_are_refused(trimap):
    assert check_trimap(trimap, (HEIGHT, WIDTH)) is trimap
    with pytest.raises(ShapeError, match=r"must be \(h, w\)"):
        check_trimap(trimap[..., None])
    with pytest.raises(TrimapError, match="must be uint8, got int64"):
        check_trimap(trimap.astype(np.int64))
    trimap[0, 0] = 127
    with pytest.raises(TrimapError, match="got 1 other values, the first 127"):
        check_trimap(trimap)
