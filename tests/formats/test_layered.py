import struct
import sys

import numpy as np
import pytest
from PIL import ImageCms
from psd_tools import PSDImage
from psd_tools.constants import Compression, Resource
from psd_tools.psd import PSD
from psd_tools.psd.layer_and_mask import ChannelData
from psdtags import TiffImageSourceData

from maskwright.errors import DataError, MissingExtraError, OutputError, ShapeError, UsageError
from maskwright.formats import psd
from maskwright.formats.layered import Layer, flattened, placed, read_layered, write_layered
from maskwright.image.io import read_photo, write_image
from maskwright.image.photo import Photo

SIZE = (37, 53)
FILES = ("a.psd", "a.tif")
ARTIST = 315  # a tag of EXIF


def noise(seed, shape, dtype):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def layers(dtype=np.uint8):
    return [
        Layer("photo", noise(0, (*SIZE, 3), dtype), visible=False),
        Layer("größe ☕ 🐈", noise(1, (11, 13, 3), dtype), 7, 5, mask=noise(2, (11, 13), dtype)),
        Layer("x" * 255, noise(3, (5, 7, 3), dtype), 46, 0),
    ]


def same(one, other):
    assert (one.name, one.box, one.visible) == (other.name, other.box, other.visible)
    assert one.pixels.dtype == other.pixels.dtype and np.array_equal(one.pixels, other.pixels)
    assert (one.mask is None) == (other.mask is None)
    assert one.mask is None or np.array_equal(one.mask, other.mask)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("name", FILES)
def test_what_is_written_is_read(tmp_path, name, dtype):
    write_layered(tmp_path / name, layers(dtype), SIZE)
    for one, other in zip(read_layered(tmp_path / name), layers(dtype), strict=True):
        same(one, other)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_editor_sees_layers_with_masks(tmp_path, dtype):
    write_layered(tmp_path / "a.psd", layers(dtype), SIZE)
    found = PSDImage.open(tmp_path / "a.psd")
    assert [(one.name, one.visible, one.has_mask()) for one in found] == [
        ("photo", False, False),
        ("größe ☕ 🐈", True, True),
        ("x" * 255, True, False),
    ]
    assert found[1].bbox == (7, 5, 20, 16) and found[1].mask.bbox == (7, 5, 20, 16)
    full = np.iinfo(dtype).max
    whole = layers(dtype)[1]
    np.testing.assert_allclose(found[1].numpy("mask")[..., 0] * full, whole.mask, atol=0.01)
    np.testing.assert_allclose(found[1].numpy("color") * full, whole.pixels, atol=0.01)
    assert found.depth == 8 * np.dtype(dtype).itemsize and found.size == (53, 37)


def test_layers_of_a_tiff_and_its_page(tmp_path):
    write_layered(tmp_path / "a.tif", layers(np.uint16), SIZE)
    found = TiffImageSourceData.fromtiff(tmp_path / "a.tif").layers
    assert [one.rectangle for one in found] == [(0, 0, 37, 53), (5, 7, 16, 20), (0, 46, 5, 53)]
    page = read_photo(tmp_path / "a.tif")
    together = flattened(layers(np.uint16), SIZE)
    assert np.array_equal(page.pixels, together[..., :3])
    assert np.array_equal(page.alpha, together[..., 3])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_merged_picture_of_a_psd_lies_on_white_as_readers_expect(tmp_path, dtype):
    full = np.iinfo(dtype).max
    colour = np.array([0.8, 0.2, 0.1]) * full
    seen = (np.array([[0, 51, 102, 255]]) / 255 * full).astype(dtype)
    pixels = np.full((1, 4, 3), colour.astype(dtype))
    write_layered(tmp_path / "a.psd", [Layer("a", pixels, mask=seen)], (1, 4))
    with (tmp_path / "a.psd").open("rb") as stream:
        stored = PSD.read(stream)
    planes = stored.image_data.get_data(stored.header)
    merged = [np.frombuffer(p, np.dtype(dtype).newbyteorder(">")).tolist() for p in planes]
    assert merged[3] == seen[0].tolist()
    for channel in range(3):
        for x, alpha in enumerate(seen[0] / full):
            expected = pixels[0, 0, channel] * alpha + full * (1 - alpha)
            assert merged[channel][x] == pytest.approx(expected, abs=0.51)
    shown = PSDImage.open(tmp_path / "a.psd").numpy()  # without the white again
    np.testing.assert_allclose(shown[0, 1:, :3] * full, pixels[0, 1:], atol=0.01 * full)
    assert np.array_equal(read_layered(tmp_path / "a.psd")[0].pixels, pixels)


@pytest.mark.parametrize(("dpi", "fits"), [(65535.0, True), (65536.0, False), (254000.0, False)])
def test_a_density_too_large_for_a_psd_is_left_out(tmp_path, dpi, fits):
    like = Photo(layers()[0].pixels, dpi=(300.0, dpi))
    write_layered(tmp_path / "a.psd", layers(), SIZE, like=like)
    resources = PSDImage.open(tmp_path / "a.psd").image_resources
    assert (Resource.RESOLUTION_INFO in resources) == fits


@pytest.mark.parametrize("order", ["<", ">"])
def test_metadata_are_kept(tmp_path, order):
    exif = {"<": b"II*\0\x08\0\0\0", ">": b"MM\0*\0\0\0\x08"}[order]
    exif += struct.pack(order + "HHHI", 1, ARTIST, 2, 4) + b"AAA\0" + bytes(4)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    like = Photo(layers()[0].pixels, icc_profile=profile, exif=exif, dpi=(300.0, 150.0))
    for name in FILES:
        write_layered(tmp_path / name, layers(), SIZE, like=like)
        assert len(read_layered(tmp_path / name)) == 3
    page = read_photo(tmp_path / "a.tif")
    assert page.icc_profile == profile and page.dpi == pytest.approx((300, 150))
    assert page.exif is not None and b"AAA" in page.exif and page.exif[:2] == exif[:2]
    resources = PSDImage.open(tmp_path / "a.psd").image_resources
    assert resources.get_data(Resource.ICC_PROFILE) == profile
    assert resources.get_data(Resource.EXIF_DATA_1) == exif
    resolution = resources.get_data(Resource.RESOLUTION_INFO)
    assert (resolution.horizontal, resolution.vertical) == (300 << 16, 150 << 16)


def test_layers_are_laid_over_each_other_written_out():
    below = Layer("a", np.full((3, 5, 3), 200, np.uint8), mask=np.full((3, 5), 102, np.uint8))
    above = Layer("b", np.full((2, 2, 3), 100, np.uint8), 1, 1, np.full((2, 2), 51, np.uint8))
    found = flattened([below, above, Layer("c", below.pixels, visible=False)], (3, 5))
    alpha = 0.2 + 0.8 * 0.4
    colour = (0.2 * 100 + 0.8 * 0.4 * 200) / alpha
    assert found[1, 1].tolist() == [round(colour)] * 3 + [round(255 * alpha)]
    assert found[0, 0].tolist() == [200, 200, 200, 102]
    assert flattened([Layer("c", below.pixels, visible=False)], (3, 5)).max() == 0


def test_masks_of_other_boxes_are_laid_into_their_layers(tmp_path):
    mask = noise(0, (5, 7), np.uint8)
    inside = placed(mask, (2, -1), (6, 6), outside=255)
    assert np.array_equal(inside[:4, 2:], mask[1:, :4])
    assert (inside[4:] == 255).all() and (inside[:, :2] == 255).all()
    for at in ((9, 0), (0, 9), (-9, 0), (0, -9)):
        assert (placed(mask, at, (6, 6), outside=7) == 7).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("outside", [0, 255])
def test_a_mask_without_pixels_is_its_background(tmp_path, dtype, outside):
    """Photoshop writes such a mask where all of a layer is hidden, or all shown."""
    write_layered(tmp_path / "a.psd", layers(dtype), SIZE)
    with (tmp_path / "a.psd").open("rb") as stream:
        stored = PSD.read(stream)
    info = stored._get_layer_info()
    record, channels = info.layer_records[1], info.channel_image_data[1]
    mask = record.mask_data
    mask.top = mask.left = mask.bottom = mask.right = 0
    mask.background_color = outside
    channels[4] = ChannelData(compression=Compression.RAW, data=b"")
    record.channel_info[4].length = 2
    with (tmp_path / "b.psd").open("wb") as stream:
        stored.write(stream)
    below, found, above = read_layered(tmp_path / "b.psd")
    same(below, layers(dtype)[0])
    same(above, layers(dtype)[2])
    assert found.mask.shape == (11, 13)
    assert (found.mask == outside / 255 * np.iinfo(dtype).max).all()


@pytest.mark.parametrize("name", FILES)
def test_damaged_and_foreign_files_are_named(tmp_path, name):
    file = tmp_path / name
    write_layered(file, layers(), SIZE)
    content = file.read_bytes()
    for bad in (content[: len(content) // 3], b"", b"8BPS" + bytes(40), b"II*\0" + bytes(9)):
        file.write_bytes(bad)
        with pytest.raises(DataError, match=f"{name}: expected a file with layers"):
            read_layered(file)
    with pytest.raises(DataError, match="gone"):
        read_layered(tmp_path / f"gone{file.suffix}")


def test_a_plain_tiff_has_no_layers(tmp_path):
    write_image(tmp_path / "a.tif", layers()[0].pixels)
    with pytest.raises(DataError, match="a.tif: expected a file with layers, got none"):
        read_layered(tmp_path / "a.tif")


def test_what_cannot_be_written_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "a.psd"
    one = layers()[1]
    with pytest.raises(UsageError, match=r"one layer or more of one depth, got 0"):
        write_layered(file, [], SIZE)
    with pytest.raises(UsageError, match="uint16, uint8|uint8, uint16"):
        write_layered(file, [one, layers(np.uint16)[1]], SIZE)
    with pytest.raises(UsageError, match="must lie in the document, 19 x 37"):
        write_layered(file, [one], (37, 19))
    with pytest.raises(OutputError, match=r"kept in .psd or .tif, got .png"):
        write_layered(tmp_path / "a.png", [one], SIZE)
    monkeypatch.setattr(psd, "MOST_PX", 50)
    with pytest.raises(OutputError, match="a.psd: a PSD holds at most 50 pixels a side, got 53"):
        write_layered(file, [one], SIZE)
    file.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        write_layered(file, [one], SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ["a.psd"] and file.read_text() == "mine"


def test_layers_are_checked():
    with pytest.raises(UsageError, match="1 to 255 characters, got 0"):
        Layer("", np.zeros((3, 5, 3), np.uint8))
    with pytest.raises(ShapeError, match=r"layer a: pixels must be \(h, w, 3\)"):
        Layer("a", np.zeros((3, 5, 4), np.uint8))
    with pytest.raises(UsageError, match="uint8 or uint16, got float32"):
        Layer("a", np.zeros((3, 5, 3), np.float32))
    with pytest.raises(ShapeError, match=r"the mask must be \(3, 5\) uint8"):
        Layer("a", np.zeros((3, 5, 3), np.uint8), mask=np.zeros((5, 3), np.uint8))


@pytest.mark.parametrize("name,module", [("a.psd", "psd"), ("a.tif", "layered_tiff")])
def test_without_the_extra_it_is_named(tmp_path, monkeypatch, name, module):
    for known in [m for m in sys.modules if m.startswith(("psd_tools", "psdtags"))]:
        monkeypatch.setitem(sys.modules, known, None)
    monkeypatch.delitem(sys.modules, f"maskwright.formats.{module}", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'maskwright\[psd\]'"):
        write_layered(tmp_path / name, layers(), SIZE)
