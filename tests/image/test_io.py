import random
import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from maskwright.errors import (
    ImageError,
    ImageTooLargeError,
    MaskwrightError,
    ShapeError,
    TrimapError,
    UsageError,
)
from maskwright.image.io import (
    Photo,
    read_grey,
    read_header,
    read_mask,
    read_photo,
    write_image,
)

SIZE = (29, 41)
SMOOTH = np.add.outer(np.arange(29) * 3, np.arange(41) * 2)[..., None] + np.arange(3) * 20
PIXELS = SMOOTH.astype(np.uint8)
RGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def saved(image, format, **options):
    stream = BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def sample_files():
    """Return one file of every kind by name, metadata included."""
    tags = Image.Exif()
    tags[0x0112], tags[0x010F], tags[282], tags[283] = 6, "Maker", 300.0, 300.0
    both = {"exif": tags, "icc_profile": RGB_PROFILE}
    image = Image.fromarray(PIXELS)
    files = {
        "jpeg": saved(image, "JPEG", dpi=(300, 300), **both),
        "jpeg progressive": saved(image, "JPEG", progressive=True),
        "jpeg cmyk": saved(image.convert("CMYK"), "JPEG"),
        "png": saved(image, "PNG", dpi=(300, 300), **both),
        "png palette": saved(image.quantize(9), "PNG", transparency=2),
        "webp": saved(image, "WEBP", **both),
        "webp lossless": saved(image.convert("RGBA"), "WEBP", lossless=True),
        "bmp": saved(image, "BMP"),
        "bmp palette": saved(image.quantize(9), "BMP", compression=1),
    }
    for name in [None, "tiff_lzw", "tiff_deflate", "packbits", "jpeg"]:
        files[f"tiff {name}"] = saved(image, "TIFF", compression=name, **both)
    files["tiff group4"] = saved(image.convert("1"), "TIFF", compression="group4")
    files["tiff cmyk"] = saved(image.convert("CMYK"), "TIFF", compression="tiff_lzw")
    like = read_photo(files["jpeg"])
    deep = {"16 bit": PIXELS * np.uint16(257), "float": (SMOOTH / 255).astype(np.float32)}
    for name, format in [("16 bit", "png"), ("16 bit", "tiff"), ("float", "tiff")]:
        stream = BytesIO()
        write_image(stream, deep[name], like=like, format=format)
        files[f"{format} {name}"] = stream.getvalue()
    return files


FILES = sample_files()
BY_NAME = pytest.mark.parametrize("name", FILES)


def test_a_photo_is_read_from_path_bytes_pillow_array_and_photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(PIXELS).save(path)
    with Image.open(path) as image:
        for source in [path, str(path), path.read_bytes(), image, PIXELS, Photo(PIXELS)]:
            photo = read_photo(source)
            assert (photo.pixels == PIXELS).all()
            assert photo.alpha is None
            assert photo.size == read_header(source).size == SIZE
            assert read_header(source).bit_depth == 8
    assert read_photo(photo) is photo
    assert read_photo(path).source == str(path)


def test_the_content_counts_and_not_the_suffix(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(FILES["png"])
    assert read_header(path).format == "PNG"
    assert read_photo(path).size == SIZE[::-1]


@BY_NAME
def test_header_and_photo_agree_and_nothing_is_printed(name, capfd, recwarn):
    header, photo = read_header(FILES[name]), read_photo(FILES[name])
    assert header.size == photo.size
    assert header.format.lower() == name.split()[0]
    assert header.bit_depth in {1, 4, photo.bit_depth}
    assert photo.pixels.flags.writeable
    assert photo.pixels.flags.c_contiguous
    assert capfd.readouterr() == ("", "")
    assert not recwarn


@BY_NAME
def test_a_file_cut_anywhere_is_whole_or_an_image_error(name, capfd, recwarn):
    data = FILES[name]
    whole = read_photo(data).pixels
    places = {*range(0, len(data), max(1, len(data) // 60)), *range(40), *range(-40, 0)}
    for place in sorted(places):
        for read in (read_photo, read_header):
            try:
                result = read(data[:place])
            except ImageError as error:
                assert "\n" not in str(error)
                assert str(error).startswith("the photo given as bytes: ")
            else:
                assert read is read_header or (result.pixels == whole).all(), place
    assert not recwarn
    assert capfd.readouterr().err == ""


@BY_NAME
def test_a_damaged_file_is_readable_or_an_image_error(name, recwarn):
    generator = random.Random(0)
    for _ in range(60):
        data = bytearray(FILES[name])
        for _ in range(generator.choice([1, 2, 9])):
            place = generator.randrange(min(len(data), generator.choice([64, 999, 10**6])))
            data[place] = generator.randrange(256)
        for read in (read_photo, read_header):
            try:
                read(bytes(data))
            except ImageError as error:
                assert "\n" not in str(error)
    assert not recwarn


def png_of(width, height):
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = b"\0\0\0\0IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    checksum = struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + checksum + end


def patched(name, old, new):
    assert FILES[name].count(old) >= 1
    return FILES[name].replace(old, new, 1)


BOMBS = {
    "png": png_of(100_000, 100_000),
    "jpeg": patched("jpeg cmyk", struct.pack(">HH", *SIZE), b"\xff\xfe\xff\xfe"),
    "bmp": patched("bmp", struct.pack("<ii", 41, 29), struct.pack("<ii", 100_000, 100_000)),
    "tiff": patched(
        "tiff None", struct.pack("<HHII", 256, 4, 1, 41), struct.pack("<HHII", 256, 4, 1, 10**9)
    ),
}


@pytest.mark.parametrize("format", BOMBS)
def test_too_many_pixels_are_refused_before_they_are_decoded(format, recwarn):
    message = r"at most 200000000 pixels are allowed, got \d+ x \d+ = \d+; .* --max-pixels"
    with pytest.raises(ImageTooLargeError, match=message):
        read_photo(BOMBS[format])
    assert not recwarn


@BY_NAME
def test_the_limit_is_the_callers(name):
    read_photo(FILES[name], max_pixels=29 * 41)
    with pytest.raises(ImageTooLargeError, match="at most 1188 pixels are allowed, got .* = 1189"):
        read_photo(FILES[name], max_pixels=29 * 41 - 1)


def test_the_limit_holds_for_pillow_images_too():
    with pytest.raises(ImageTooLargeError, match="the Pillow image: at most 1188 pixels"):
        read_photo(Image.fromarray(PIXELS), max_pixels=1188)


@pytest.mark.parametrize("compression", ["raw", "packbits", "jpeg"])
def test_pillows_own_limit_does_not_count(compression, monkeypatch, recwarn):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    image = Image.fromarray(PIXELS).convert("L" if compression == "jpeg" else "P")
    assert read_photo(saved(image, "TIFF", compression=compression)).size == SIZE
    assert read_photo(Image.fromarray(PIXELS)).size == SIZE
    assert not recwarn
    assert Image.MAX_IMAGE_PIXELS == 100


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("tail", [(), (3,), (4,)])
def test_arrays_are_read_in_their_depth(dtype, tail):
    array = np.ones((5, 7, *tail), dtype)
    photo = read_photo(array)
    assert photo.pixels.shape == (5, 7, 3)
    assert photo.pixels.dtype == (np.float32 if array.dtype.kind == "f" else dtype)
    assert (photo.alpha is not None) == (tail == (4,))


def test_arrays_of_other_shapes_types_and_values_are_refused():
    with pytest.raises(ShapeError, match=r"got an array of shape \(5, 7, 2\)"):
        read_photo(np.zeros((5, 7, 2), np.uint8))
    with pytest.raises(ShapeError, match=r"got an array of shape \(0, 7, 3\)"):
        read_photo(np.zeros((0, 7, 3), np.uint8))
    with pytest.raises(UsageError, match="the array: pixels must be uint8, uint16, .* got int64"):
        read_photo(np.zeros((5, 7, 3), np.int64))
    with pytest.raises(ImageError, match="the array: .* got values from 0 to 255; scale them"):
        read_photo(PIXELS.astype(np.float64) / PIXELS.max() * 255)


def test_grey_is_one_channel_in_its_depth(tmp_path):
    for dtype in (np.uint8, np.uint16):
        grey = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, SIZE).astype(dtype)
        path = tmp_path / f"{dtype.__name__}.png"
        write_image(path, grey)
        assert (read_grey(path) == grey).all()
        assert (read_grey(np.dstack([grey] * 3)) == grey).all()
        assert read_grey(path).dtype == dtype


def test_what_is_not_grey_is_refused():
    with pytest.raises(ImageError, match="got a coloured one; save it as grey"):
        read_grey(PIXELS)
    with pytest.raises(ImageError, match="got a partly transparent one"):
        read_grey(np.dstack([PIXELS[..., :1]] * 3 + [PIXELS[..., :1]]))
    with pytest.raises(ImageError, match="expected grey of 8 or 16 bit, got floating point"):
        read_grey(np.zeros(SIZE, np.float32))


MASK = np.indices((5, 7)).sum(axis=0) % 3 == 0


@pytest.mark.parametrize(
    "source",
    [
        MASK,
        MASK.astype(np.uint8),
        MASK.astype(np.uint8) * 255,
        MASK.astype(np.uint8) * 255 + ~MASK * np.uint8(127),
        MASK.astype(np.uint16) * 65535,
        MASK.astype(np.float32),
        MASK * np.float64(0.5),
        np.dstack([MASK.astype(np.uint8) * 255] * 3),
        Image.fromarray(MASK),
        saved(Image.fromarray(MASK.astype(np.uint8) * 255), "JPEG", quality=50),
    ],
    ids=lambda source: type(source).__name__,
)
def test_a_mask_is_the_bright_half(source):
    mask = read_mask(source, (5, 7))
    assert mask.dtype == bool
    assert (mask == MASK).all()


def test_an_empty_and_a_full_mask_are_masks():
    assert not read_mask(np.zeros((5, 7), np.uint8), (5, 7)).any()
    assert read_mask(np.full((5, 7), 255, np.uint8), (5, 7)).all()


def test_what_is_no_mask_of_this_photo_is_refused():
    with pytest.raises(TrimapError, match="as large as its photo, 7 x 5, got 5 x 7"):
        read_mask(MASK.T, (5, 7))
    with pytest.raises(TrimapError, match="nothing brighter than 3 of 255; if these are labels"):
        read_mask(MASK.astype(np.uint8) * 3, (5, 7))
    with pytest.raises(ImageError, match="got a coloured one"):
        read_mask(PIXELS, SIZE)
    with pytest.raises(ShapeError, match=r"got an array of shape \(35,\)"):
        read_mask(MASK.ravel(), (5, 7))
    assert issubclass(TrimapError, MaskwrightError)
