import numpy as np
import pytest

from maskwright.batch.operations import (
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
from maskwright.errors import ImageError, TrimapError, UsageError
from maskwright.image.io import read_grey
from maskwright.structures import rle
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
    ],
)
def test_settings_are_what_decides_the_results(one, other, is_same):
    assert (one.settings() == other.settings()) is is_same
    assert isinstance(one, Operation) and isinstance(other, Operation)


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
    with pytest.raises(UsageError, match="use `maskwright segment`"):
        Segmenting(NETWORK, format="coco")


def picture(dtype=np.uint8, size=(5, 7)):
    from io import BytesIO

    from maskwright.image.io import write_image

    buffer = BytesIO()
    write_image(buffer, np.full((*size, 3), 200, dtype), format="PNG")
    return buffer.getvalue()
