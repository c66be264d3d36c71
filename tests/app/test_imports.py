import json
from dataclasses import dataclass

import numpy as np
import pytest

from maskwright.app.document import Document, Object
from maskwright.app.export import export_annotations, export_photo
from maskwright.app.imports import objects_from
from maskwright.errors import DataError, ImageError, TrimapError
from maskwright.formats.label_map import write_label_map
from maskwright.image.io import write_image
from maskwright.image.photo import Photo
from maskwright.structures import rle
from maskwright.structures.segmentation import semantic_segmentation

SIZE = (37, 53)


@dataclass(frozen=True)
class Named:
    name: str = "below/a.jpg"
    size: tuple[int, int] = SIZE


def box(x0, y0, x1, y1):
    mask = np.zeros(SIZE, bool)
    mask[y0:y1, x0:x1] = True
    return mask


DOG, CAT = box(5, 3, 20, 20), box(25, 10, 45, 30)
DOCUMENT = Document(
    SIZE,
    (
        Object(1, "dog", "#ff8000", rle=rle.encode(DOG)),
        Object(2, "größe", "#0000ff", rle=rle.encode(CAT)),
    ),
)


def same(found, *expected):
    assert [name for name, _ in found] == [name for name, _ in expected]
    for (_, code), (_, mask) in zip(found, expected, strict=True):
        assert np.array_equal(rle.decode(code), mask)


@pytest.mark.parametrize("format", ["coco", "labelme", "panoptic"])
def test_what_was_exported_is_imported(tmp_path, format):
    documents = [("below/a.jpg", DOCUMENT), ("b.jpg", Document((3, 5)))]
    documents = documents[: 1 if format == "labelme" else 2]
    export_annotations(documents, tmp_path / "all", format=format)
    same(objects_from(tmp_path / "all.json", Named()), ("dog", DOG), ("größe", CAT))
    if format != "labelme":
        same(objects_from(tmp_path / "all.json", Named("a.jpg")), ("dog", DOG), ("größe", CAT))
        with pytest.raises(
            DataError, match="all.json: expected annotations of c.jpg, got those of"
        ):
            objects_from(tmp_path / "all.json", Named("c.jpg"))
    with pytest.raises(DataError, match="must be of its size, 5 x 3, got 53 x 37"):
        objects_from(tmp_path / "all.json", Named(size=(3, 5)))


def test_two_photos_of_one_name_are_not_guessed(tmp_path):
    both = [("x/a.jpg", DOCUMENT), ("y/a.jpg", DOCUMENT)]
    (file,) = export_annotations(both, tmp_path / "all", format="coco")
    with pytest.raises(DataError, match="got 2 of its file name"):
        objects_from(file, Named("a.jpg"))
    same(objects_from(file, Named("y/a.jpg")), ("dog", DOG), ("größe", CAT))


def test_masks_are_named_like_their_files(tmp_path):
    photo = Photo(np.zeros((*SIZE, 3), np.uint8))
    for file, mask in zip(
        export_photo(photo, DOCUMENT, tmp_path / "a", name="a.jpg", format="masks"),
        (DOG, CAT),
        strict=True,
    ):
        same(objects_from(file, Named()), (file.stem, mask))
    write_image(tmp_path / "jpeg.jpg", DOG)
    same(objects_from(tmp_path / "jpeg.jpg", Named()), ("jpeg", DOG))
    ramp = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) * 255 // (SIZE[0] * SIZE[1])
    write_image(tmp_path / "soft.png", ramp.astype(np.uint8))
    same(objects_from(tmp_path / "soft.png", Named()), ("soft", ramp >= 127.5))


def test_labels_become_an_object_each(tmp_path):
    labels = DOG * 3 + CAT * 200
    write_image(tmp_path / "labels.png", labels.astype(np.uint8))
    found = objects_from(tmp_path / "labels.png", Named())
    same(found, ("Label 3", DOG), ("Label 200", CAT))
    named = semantic_segmentation(DOG.astype(np.int32), ("ground", "dog"))
    write_label_map(tmp_path / "ours.png", named)
    same(objects_from(tmp_path / "ours.png", Named()), ("ground", ~DOG), ("dog", DOG))


def test_crowd_regions_are_left_out(tmp_path):
    (file,) = export_annotations([("below/a.jpg", DOCUMENT)], tmp_path / "all", format="coco")
    content = json.loads(file.read_text())
    content["annotations"][0]["iscrowd"] = 1
    file.write_text(json.dumps(content))
    same(objects_from(file, Named()), ("größe", CAT))


def test_errors_name_file_and_object(tmp_path):
    (file,) = export_annotations([("below/a.jpg", DOCUMENT)], tmp_path / "all", format="coco")
    content = json.loads(file.read_text())
    content["annotations"][1]["segmentation"] = [[1, 2, 3, 4]]
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"all.json: annotation 2 of below/a.jpg: polygon 0 must"):
        objects_from(file, Named())
    for bad in ("{", "[]", "{}", '{"images": [], "annotations": 3}'):
        file.write_text(bad)
        with pytest.raises(DataError, match="all.json: expected annotations"):
            objects_from(file, Named())
    file.write_text('{"images": [], "annotations": [], "categories": []}')
    with pytest.raises(DataError, match="all.json"):
        objects_from(file, Named())
    with pytest.raises(DataError, match=r"a.txt: expected annotations .* got .txt"):
        objects_from(tmp_path / "a.txt", Named())
    write_image(tmp_path / "m.png", DOG)
    with pytest.raises(TrimapError, match="m.png: a mask must be as large as its photo, 5 x 3"):
        objects_from(tmp_path / "m.png", Named(size=(3, 5)))
    write_image(tmp_path / "m.png", DOG * np.uint8(7) + CAT, overwrite=True)
    with pytest.raises(DataError, match="m.png: labels of below/a.jpg must be as large"):
        objects_from(tmp_path / "m.png", Named(size=(3, 5)))
    write_image(tmp_path / "m.png", np.zeros(SIZE, np.uint8), overwrite=True)
    with pytest.raises(DataError, match="m.png: a mask must be white on the object, got no object"):
        objects_from(tmp_path / "m.png", Named())
    (tmp_path / "m.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match="m.png"):
        objects_from(tmp_path / "m.png", Named())
