import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageCms

from maskwright.errors import UsageError
from maskwright.image.colour import from_float, network_rgb, to_float
from maskwright.image.photo import Photo


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_integer_survives_the_way_to_float_and_back(dtype):
    values = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    scaled = to_float(values)
    assert scaled.dtype == np.float32
    assert (scaled.min(), scaled.max()) == (0, 1)
    assert (from_float(scaled, dtype) == values).all()
    assert (from_float(scaled.astype(np.float64), dtype) == values).all()


def test_halves_are_rounded_to_even():
    halves = np.array([0.5, 1.5, 2.5, 253.5, 254.5], np.float64) / 255
    assert from_float(halves, np.uint8).tolist() == [0, 2, 2, 254, 254]


@given(st.floats(-1e9, 1e9, width=32))
@settings(deadline=None)
def test_values_outside_zero_to_one_are_clipped(value):
    array = np.array([value], np.float32)
    for dtype, top in [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)]:
        assert 0 <= from_float(array, dtype)[0] <= top
        if not 0 <= value <= 1:
            assert from_float(array, dtype)[0] == (0 if value < 0 else top)


def test_types_without_a_full_scale_are_refused():
    with pytest.raises(UsageError, match="uint8, uint16 or floating point, got int64"):
        to_float(np.zeros(3, np.int64))
    with pytest.raises(UsageError, match="must be floating point, got uint8"):
        from_float(np.zeros(3, np.uint8), np.uint8)
    with pytest.raises(UsageError, match="uint8, uint16 or float32, got int32"):
        from_float(np.zeros(3), np.int32)


def profile(name):
    """Return an RGB profile with gamma 1 or 2.2 and swapped or usual primaries."""
    return make_rgb_profile(**{"linear": {"gamma": 1.0}, "swapped": {"order": [1, 0, 2]}}[name])


def make_rgb_profile(gamma=None, order=(0, 1, 2)):
    """Return a matrix profile; without a gamma, the curve of sRGB's profile itself."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    count = int.from_bytes(data[128:132], "big")
    tags = {}
    for i in range(count):
        entry = data[132 + 12 * i : 144 + 12 * i]
        start, length = int.from_bytes(entry[4:8], "big"), int.from_bytes(entry[8:], "big")
        tags[entry[:4]] = data[start : start + length]
    columns = [tags[name] for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    for name, source in zip((b"rXYZ", b"gXYZ", b"bXYZ"), order, strict=True):
        tags[name] = columns[source]
    if gamma:
        curve = b"curv" + bytes(4) + (1).to_bytes(4, "big") + int(gamma * 256).to_bytes(2, "big")
        tags |= {name: curve + bytes(2) for name in (b"rTRC", b"gTRC", b"bTRC")}
    table, body = len(tags).to_bytes(4, "big"), b""
    for name, value in tags.items():
        start = 128 + 4 + 12 * len(tags) + len(body)
        table += name + start.to_bytes(4, "big") + len(value).to_bytes(4, "big")
        body += value + bytes(-len(value) % 4)
    whole = data[:128] + table + body
    return len(whole).to_bytes(4, "big") + whole[4:]


def ramp(dtype):
    values = np.linspace(0, 1, 5 * 7 * 3).reshape(5, 7, 3)
    return from_float(values, dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_networks_see_srgb_pixels_as_they_are(dtype):
    own = make_rgb_profile()
    for icc_profile in [None, own]:
        seen = network_rgb(Photo(ramp(dtype), icc_profile=icc_profile))
        assert seen.dtype == np.float32
        assert (seen == to_float(ramp(dtype))).all(), "not even a rounding through 8 bit"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_networks_see_other_profiles_converted(dtype):
    pixels = ramp(dtype)
    values = to_float(pixels)
    linear = network_rgb(Photo(pixels, icc_profile=profile("linear")))
    srgb = np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)
    assert np.abs(linear - srgb)[values > 0.02].max() < 0.03
    assert np.abs(linear - values).max() > 0.2
    swapped = network_rgb(Photo(pixels, icc_profile=profile("swapped")))
    assert np.abs(swapped - values[..., [1, 0, 2]]).max() < 0.03


def test_a_damaged_profile_is_ignored():
    good = make_rgb_profile(gamma=1.0)
    for bad in [good[:200], good[:128] + b"\xff" * 60, b"", b"nothing"]:
        seen = network_rgb(Photo(ramp(np.uint8), icc_profile=bad))
        assert (seen == to_float(ramp(np.uint8))).all()


def test_the_photo_is_not_changed():
    pixels = ramp(np.float32)
    network_rgb(Photo(pixels))
    assert (pixels == ramp(np.float32)).all()
