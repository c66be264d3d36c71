import numpy as np
import pytest

from maskwright.batch.operations import (
    SEGMENTS,
    Cut,
    Embedding,
    Matting,
    Network,
    Operation,
    Segmenting,
    Source,
    doubt,
    softness,
)
from maskwright.errors import DataError, ImageError, TrimapError, UsageError
from maskwright.formats.palette import read_class_map
from maskwright.image.io import read_grey, read_photo
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation

NETWORK = Network("a2u-mini")


def found(task, *parts):
    """Return a segmentation of 2 x 10 pixels; parts are (score, columns)."""
    segments, start = [], 0
    for number, (score, columns) in enumerate(parts, start=1):
        mask = np.zeros((2, 10), bool)
        mask[:, start : start + columns] = True
        start += columns if task != "instance" else 0
        code = rle.encode(mask)
        segments.append(Segment(number, 0, "x", code, is_thing=True, score=score))
    return Segmentation((2, 10), task, ("x",), tuple(segments))


def test_softness_is_one_at_half_and_zero_where_all_is_decided():
    trimap = np.array([[0, 128, 128, 255]], np.uint8)
    alpha = np.array([[0.5, 0.5, 1.0, 0.5]], np.float32)
    assert softness(alpha, trimap) == pytest.approx(0.5)  # known pixels do not count
    assert softness(alpha, np.zeros_like(trimap)) == 0.0


def test_doubt_counts_void_as_unsure():
    assert doubt(found("panoptic", (0.9, 4), (0.5, 2))) == pytest.approx(1 - (3.6 + 1.0) / 10)
    assert doubt(found("instance", (0.9, 4), (0.5, 2))) == pytest.approx(0.3)
    assert doubt(found("instance")) == 1.0
    assert doubt(found("semantic", (1.0, 10))) is None


@pytest.mark.parametrize(
    "one, other, is_same",
    [
        (Matting(NETWORK, "mask"), Matting(Network("a2u-mini", device="cuda"), "mask"), True),
        (Matting(NETWORK, "mask"), Matting(NETWORK, "trimap"), False),
        (Matting(NETWORK, "mask"), Matting(NETWORK, "mask", band=3), False),
        (Matting(NETWORK), Matting(NETWORK, cut=Cut()), False),
        (
            Matting(NETWORK, cut=Cut(backdrop=np.zeros(3, np.float32))),
            Matting(NETWORK, cut=Cut(backdrop=np.ones(3, np.float32))),
            False,
        ),
        (Segmenting(NETWORK), Segmenting(NETWORK, score=0.1), False),
        (Segmenting(NETWORK), Segmenting(NETWORK, max_pixels=9), True),
        (Matting(NETWORK), Embedding(NETWORK), False),
        (Matting(NETWORK), Matting(NETWORK, format="tiff"), False),
        (Matting(NETWORK, format="webp"), Matting(NETWORK, format="jpeg"), False),
        (Segmenting(NETWORK), Segmenting(NETWORK, format="yolo"), False),
        (Segmenting(NETWORK), Segmenting(NETWORK, format="palette"), False),
    ],
)
def test_settings_are_what_decides_the_results(one, other, is_same):
    assert (one.settings() == other.settings()) is is_same
    assert isinstance(one, Operation) and isinstance(other, Operation)


def test_settings_of_what_was_done_before_there_were_formats_are_as_they_were():
    assert Matting(NETWORK, "mask", cut=Cut()).settings() == {
        "does": "matting",
        "revision": 1,
        "dtype": "auto",
        "hint": "mask",
        "subjects": None,
        "band": "auto",
        "cut": {"decontaminate": True, "backdrop": None},
        "bit_depth": None,
    }
    assert Segmenting(NETWORK).settings() == {
        "does": "segmenting",
        "revision": 1,
        "dtype": "auto",
        "task": "panoptic",
        "format": "png",
        "thresholds": [None, 0.8],
    }


@pytest.mark.parametrize("format, end", [("tiff", ".tif"), ("webp", ".webp"), ("jpeg", ".jpg")])
def test_pictures_are_of_the_format_asked_for(format, end):
    operation = Matting(NETWORK, format=format)
    photo, _ = operation.decode(Source(picture(np.uint16), "a.png"), None)
    alpha = np.linspace(0, 1, 35, dtype=np.float32).reshape(5, 7)
    ((name, content),) = operation.encode((photo, alpha), name="a.png", stem="a").items()
    assert (name,) == operation.results("a") == (f"a{end}",)
    depth = {"tiff": 65535}.get(format, 255)
    written = read_grey(content)
    assert np.abs(written / depth - alpha).max() < (0.02 if format == "jpeg" else 0.51 / depth)
    assert written.max() == depth


@pytest.mark.parametrize(
    "wanted, said",
    [
        ({"format": "gif"}, "png, tiff, webp or jpeg, got gif"),
        ({"format": "jpeg", "cut": Cut()}, "no transparency; --background white"),
        ({"format": "webp", "bit_depth": 16}, "a webp has 8 bits per channel, got --bit-depth 16"),
    ],
)
def test_pictures_that_cannot_hold_it_are_refused(wanted, said):
    with pytest.raises(UsageError, match=said):
        Matting(NETWORK, **wanted)


def test_opaque_cutouts_may_be_jpeg():
    operation = Matting(NETWORK, cut=Cut(backdrop=np.ones(3, np.float32)), format="jpeg")
    photo, _ = operation.decode(Source(picture(), "a.png"), None)
    files = operation.encode((photo, np.zeros((5, 7), np.float32)), name="a.png", stem="a")
    assert read_photo(files["a.jpg"]).pixels.min() > 250


@pytest.mark.parametrize("format", SEGMENTS)
def test_segments_have_the_names_that_were_said_before(format):
    photo, segmentation = photo_of(2, 10), found("panoptic", (0.9, 4), (0.5, 2))
    operation = Segmenting(NETWORK, format=format)
    content = photo, segmentation, ClassList(("x",))
    files = operation.encode(content, name="deep/a.png", stem="deep/a")
    assert tuple(files) == operation.results("deep/a") and all(files.values())


def test_a_palette_shows_the_classes(tmp_path):
    content = photo_of(2, 10), found("panoptic", (0.9, 4), (0.5, 2)), ClassList(("x",))
    files = Segmenting(NETWORK, format="palette").encode(content, name="a.png", stem="a")
    (tmp_path / "a.png").write_bytes(files["a.png"])
    labels = read_class_map(tmp_path / "a.png", classes=ClassList(("x",)))
    np.testing.assert_array_equal(labels, [[0] * 6 + [255] * 4] * 2)
    with pytest.raises(UsageError, match="got instances, which may overlap"):
        Segmenting(NETWORK, "instance", "palette")


def test_yolo_takes_a_photo_by_its_name_without_suffix():
    content = photo_of(2, 10), found("instance", (0.9, 4)), ClassList(("x",))
    operation = Segmenting(NETWORK, "instance", "yolo")
    files = operation.encode(content, name="deep/a.v2.png", stem="deep/a.v2")
    assert files["labels/deep/a.v2.txt"].startswith(b"0 ")
    with pytest.raises(DataError, match="suffix for YOLO, got deep/a twice; rename one"):
        operation.encode(content, name="deep/a.png", stem="deep/a.png")
    with pytest.raises(DataError, match="a path below its folder"):
        operation.encode(content, name="a:b.png", stem="a:b")


def test_alphas_are_written_as_deep_as_the_photo(tmp_path):
    photo, _ = Matting(NETWORK).decode(Source(picture(np.uint16), "a.png"), None)
    alpha = np.linspace(0, 1, 35, dtype=np.float32).reshape(5, 7)
    files = Matting(NETWORK).encode((photo, alpha), name="a.png", stem="deep/a")
    assert list(files) == ["deep/a.png"]
    written = read_grey(files["deep/a.png"])
    np.testing.assert_array_equal(written, np.rint(alpha * 65535).astype(np.uint16))


def test_errors_name_the_file_and_not_its_bytes():
    operation, good = Matting(NETWORK, "mask"), Source(picture(), "a.png")
    with pytest.raises(ImageError, match=r"^deep/a\.png: expected a photo, got an empty file"):
        operation.decode(Source(b"", "deep/a.png"), None)
    with pytest.raises(ImageError, match=r"^m\.png: "):
        operation.decode(good, Source(b"no", "m.png"))
    with pytest.raises(TrimapError, match=r"^m\.png: a mask must be as large"):
        operation.decode(good, Source(picture(size=(3, 3)), "m.png"))


def test_formats_of_one_file_for_all_photos_are_refused():
    with pytest.raises(UsageError, match="labelme, yolo or palette, .* use `maskwright segment`"):
        Segmenting(NETWORK, format="coco")


def photo_of(height, width):
    return Segmenting(NETWORK).decode(Source(picture(size=(height, width)), "a.png"), None)


def picture(dtype=np.uint8, size=(5, 7)):
    from io import BytesIO

    from maskwright.image.io import write_image

    buffer = BytesIO()
    write_image(buffer, np.full((*size, 3), 200, dtype), format="PNG")
    return buffer.getvalue()
