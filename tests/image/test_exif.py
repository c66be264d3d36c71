import struct
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from maskwright.image import exif, ifd


def block(orientation=6, thumbnail=b"", order="<", **resolution):
    tags = Image.Exif()
    tags.endian = order
    tags[0x010F] = "Maker of the camera"
    if orientation is not None:
        tags[exif.ORIENTATION] = orientation
    tags.get_ifd(0x8769)[0x9003] = "2021:02:03 04:05:06"
    tags.get_ifd(0x8825)[1] = "N"
    for tag, value in resolution.items():
        tags[int(tag[1:])] = value
    data = bytearray(tags.tobytes().removeprefix(b"Exif\0\0"))
    if not thumbnail:
        return bytes(data)
    byteorder = "little" if data[:2] == b"II" else "big"
    # A second directory, at the end, with the place of a thumbnail.
    count = int.from_bytes(data[8:10], byteorder)
    data += bytes(len(data) % 2)
    start = len(data) + 2 + 2 * 12 + 4
    data[10 + 12 * count : 14 + 12 * count] = len(data).to_bytes(4, byteorder)
    data += (2).to_bytes(2, byteorder)
    for tag, value in [(0x0201, start), (0x0202, len(thumbnail))]:
        data += b"".join(
            number.to_bytes(length, byteorder)
            for number, length in [(tag, 2), (4, 2), (1, 4), (value, 4)]
        )
    return bytes(data + bytes(4) + thumbnail)


def tags(data):
    loaded = Image.Exif()
    loaded.load(data)
    return loaded


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("tail", [(), (3,)])
def test_pixels_are_turned_as_pillow_turns_them(orientation, tail):
    stored = np.random.default_rng(0).integers(0, 256, (5, 7, *tail)).astype(np.uint8)
    image = Image.fromarray(stored)
    image.getexif()[exif.ORIENTATION] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    turned = exif.turn_upright(stored, orientation)
    assert (turned == expected).all()
    assert turned.flags.c_contiguous
    assert turned.shape[:2] == exif.upright_size((5, 7), orientation)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_read_and_reset_and_nothing_else_changes(orientation, order):
    before = block(orientation, order=order)
    assert exif.read_orientation(before) == orientation
    assert exif.read_orientation(b"Exif\0\0" + before) == orientation
    after = exif.reset(before)
    assert exif.read_orientation(after) == 1
    assert len(after) == len(before)
    assert sum(a != b for a, b in zip(after, before, strict=True)) == (orientation != 1)
    assert tags(after).get_ifd(0x8769)[0x9003] == "2021:02:03 04:05:06"
    assert tags(after).get_ifd(0x8825)[1] == "N"


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_thumbnail_goes_with_all_its_bytes(order):
    before = block(thumbnail=b"\xff\xd8 a picture of the background", order=order)
    after = exif.reset(before)
    assert b"background" in before
    assert b"background" not in after
    assert b"Maker of the camera" in after
    stream = BytesIO(after)
    layout, first = ifd.read_layout(stream)
    assert ifd.read_directory(stream, first, layout).next == 0


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_pointer_to_a_thumbnail_that_leads_nowhere_costs_nothing_else(order):
    before = bytearray(block(order=order))
    (count,) = struct.unpack_from(order + "H", before, 8)
    at = 10 + 12 * count
    for bad in (0x7FFFFFFF, len(before) - 1):
        struct.pack_into(order + "I", before, at, bad)
        after = exif.reset(bytes(before))
        assert after[at : at + 4] == bytes(4)
        assert exif.read_orientation(after) == 1 and len(after) == len(before)
        assert tags(after)[0x010F] == "Maker of the camera"
        assert tags(after).get_ifd(0x8769)[0x9003] == "2021:02:03 04:05:06"


@pytest.mark.parametrize("bad", [0, 9, 65535, None])
def test_an_absurd_or_missing_orientation_counts_as_upright(bad):
    assert exif.read_orientation(block(bad)) == 1
    assert exif.read_orientation(None) == 1


def test_something_else_than_a_block_is_dropped():
    assert exif.reset(b"not a block") is None
    assert exif.reset(None) is None


def test_resolution_is_read_in_inches_and_centimetres():
    assert exif.read_dpi(block(_282=300.0, _283=150.0, _296=2)) == (300, 150)
    assert exif.read_dpi(block(_282=100.0, _283=100.0, _296=3)) == (254, 254)
    assert exif.read_dpi(block(_282=72.0, _283=72.0, _296=1)) is None, "a ratio, not a size"
    assert exif.read_dpi(block(_282=0.0, _283=0.0)) is None
    assert exif.read_dpi(block()) is None


@pytest.mark.parametrize("dots", range(1, 1300, 7))
def test_whole_dots_per_inch_survive_whole_dots_per_metre(dots):
    metres = round(dots / 0.0254)
    assert exif.tidy_dpi((metres * 0.0254, metres * 0.0254), per_cm=False) == (dots, dots)


@pytest.mark.parametrize("bad", [(0, 72), (72, -1), (float("nan"), 72), (float("inf"), 72)])
def test_a_senseless_density_is_none(bad):
    assert exif.tidy_dpi(bad, per_cm=False) is None


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_density_is_added_and_everything_else_kept(order):
    for before in [None, block(order=order), block(order=order, _282=72.0, _283=72.0)]:
        after = exif.with_dpi(before, (300.0, 150.5))
        assert exif.read_dpi(after) == (300, 150.5)
        assert exif.reset(after)
        if before:
            assert tags(after)[0x010F] == "Maker of the camera"
            assert tags(after).get_ifd(0x8769)[0x9003] == "2021:02:03 04:05:06"
    assert exif.with_dpi(None, None) is None


def test_a_description_keeps_what_is_said_about_the_photo_and_not_how_it_is_stored():
    before = block(_256=7, _305="Program")
    after = exif.describe(BytesIO(before))
    assert set(tags(after)) == {0x010F, 305, 0x8769, 0x8825}
    assert tags(after)[0x010F] == "Maker of the camera"
    assert tags(after).get_ifd(0x8769)[0x9003] == "2021:02:03 04:05:06"
    assert tags(after).get_ifd(0x8825)[1] == "N"
    assert exif.describe(BytesIO(b"II*\0\x08\0\0\0\0\0\0\0\0\0")) is None


@pytest.mark.parametrize("bad", [0, 9, 0x7FFFFFF0])
@pytest.mark.parametrize(("lost", "kept"), [(0x8769, 0x8825), (0x8825, 0x8769)])
def test_a_pointer_that_leads_nowhere_costs_only_what_it_points_to(bad, lost, kept):
    data = bytearray(block(_282=300.0, _283=150.0))
    at = data.index(struct.pack("<HHI", lost, 4, 1))
    struct.pack_into("<I", data, at + 8, bad)
    after = exif.describe(BytesIO(bytes(data)))
    assert exif.read_dpi(after) == (300, 150)
    assert tags(after)[0x010F] == "Maker of the camera"
    assert lost not in tags(after) and tags(after).get_ifd(kept)


def test_tags_without_a_value_count_as_missing():
    data = bytearray(block(thumbnail=b"\xff\xd8 a picture", _282=300.0, _283=300.0))
    for tag in (0x0112, 282, 0x8769, 0x0201):
        at = data.index(struct.pack("<HH", tag, {0x0112: 3, 282: 5}.get(tag, 4)))
        data[at + 4 : at + 8] = bytes(4)
    data = bytes(data)
    assert exif.read_orientation(data) == 1
    assert exif.read_dpi(data) is None
    assert exif.reset(data) is None
    assert 0x8769 not in tags(exif.describe(BytesIO(data)))


samples = st.sampled_from([
    block(),
    block(thumbnail=b"\xff\xd8thumb", order=">"),
    block(_282=300.0),
])


@given(samples, st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=5))
@settings(deadline=None)
def test_no_damage_raises_anything(data, changes):
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    for candidate in [bytes(damaged), bytes(damaged[: changes[0][0] if changes else 5])]:
        assert exif.read_orientation(candidate) in range(1, 9)
        assert (exif.reset(candidate) or b"II")[:2] in {b"II", b"MM"}
        exif.describe(BytesIO(candidate))
        exif.read_dpi(candidate)
        exif.with_dpi(exif.strip_prefix(candidate), (300.0, 300.0))
