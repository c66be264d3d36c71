from dataclasses import replace

import numpy as np
import pytest
from PIL import ImageCms

from maskwright.app.document import Document, Object, Refine
from maskwright.app.export import FORMATS, Options, export_annotations, export_photo
from maskwright.errors import MissingExtraError, OutputError, ShapeError, SubjectError, UsageError
from maskwright.formats.coco import read_coco
from maskwright.formats.labelme import read_labelme
from maskwright.formats.layered import read_layered
from maskwright.formats.panoptic import read_panoptic
from maskwright.formats.yolo import read_yolo_text
from maskwright.image.io import read_mask, read_photo
from maskwright.image.photo import Photo
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.matte import Matte

SIZE = (37, 53)
PHOTO = Photo(np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8), dpi=(300.0, 300.0))


def box(x0, y0, x1, y1):
    mask = np.zeros(SIZE, bool)
    mask[y0:y1, x0:x1] = True
    return mask


DOG, CAT, LOST = box(5, 3, 30, 20), box(20, 10, 45, 30), box(0, 30, 4, 37)
DOCUMENT = Document(
    SIZE,
    (
        Object(1, "dog", "#ff8000", rle=rle.encode(DOG)),
        Object(2, "cat", "#0000ff", rle=rle.encode(CAT)),
        Object(3, "dog", "#00ff00", rle=rle.encode(LOST), visible=False),
        Object(4, "nothing yet", "#00ff00"),
    ),
)
ONE = replace(DOCUMENT, objects=DOCUMENT.objects[:1])


def export(folder, document=DOCUMENT, photo=PHOTO, **options):
    return export_photo(photo, document, folder / "a.b", name="below/a.b.jpg", **options)


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("format,end", [("png", "png"), ("tiff", "tif"), ("webp", "webp")])
def test_a_cutout_shows_the_visible_objects_together(tmp_path, format, end):
    assert export(tmp_path, format=format) == [tmp_path / f"a.b.{end}"]
    found = read_photo(tmp_path / f"a.b.{end}")
    assert np.array_equal(found.alpha == 255, DOG | CAT) and set(np.unique(found.alpha)) == {0, 255}
    assert np.array_equal(found.pixels[DOG | CAT], PHOTO.pixels[DOG | CAT])
    assert found.dpi == pytest.approx((300, 300), abs=0.1)
    assert names(tmp_path) == [f"a.b.{end}"]


@pytest.mark.parametrize("document", [ONE, DOCUMENT])
def test_depth_and_background_are_those_asked_for(tmp_path, document):
    export(tmp_path, document, format="png", bit_depth=16, background="#ff8000")
    found = read_photo(tmp_path / "a.b.png")
    assert found.alpha is None and found.pixels.dtype == np.uint16
    assert found.pixels[36, 52].tolist() == [65535, 128 * 257, 0]
    assert np.array_equal(found.pixels[4, 6], PHOTO.pixels[4, 6].astype(np.uint16) * 257)
    deep = replace(PHOTO, pixels=(PHOTO.pixels / np.float32(255)))
    export(tmp_path, document, deep, format="tiff")
    assert read_photo(tmp_path / "a.b.tif").pixels.dtype == np.uint16


def test_a_picture_as_background_covers_the_photo(tmp_path):
    behind = np.zeros((40, 60, 3), np.float32)
    behind[..., 1] = 1
    export(tmp_path, format="png", background=behind)
    assert read_photo(tmp_path / "a.b.png").pixels[36, 52].tolist() == [0, 255, 0]


@pytest.mark.parametrize("format", ["png", "psd"])
def test_a_background_is_written_in_the_colour_space_of_the_photo(tmp_path, format):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # Its red and green exchanged.
    for old, new in [(b"rXYZ", b"?XYZ"), (b"gXYZ", b"rXYZ"), (b"?XYZ", b"gXYZ")]:
        profile = profile.replace(old, new)
    wide = replace(PHOTO, icc_profile=profile)
    (file,) = export(tmp_path, ONE, wide, format=format, background="40,200,60")
    pixels = read_photo(file).pixels if format == "png" else read_layered(file)[1].pixels
    np.testing.assert_allclose(pixels[36, 52].astype(int), [200, 40, 60], atol=1)


class Softening:
    """Mattes everything half, where the trimap does not know better."""

    def matte(self, image, trimap):
        return Matte(np.select([trimap.background, trimap.foreground], [0, 1], 0.5).astype("f4"))


def refined(one, model="soft"):
    return replace(one, refine=Refine(2, model))


SOFT = replace(DOCUMENT, objects=tuple(map(refined, DOCUMENT.objects)))


def test_edges_are_refined_by_the_network_named_and_alphas_joined(tmp_path):
    asked = []
    networks = {"soft": Softening()}

    def matter(name):
        asked.append(name)
        return networks[name]

    (file,) = export(tmp_path, SOFT, format="alpha", matter=matter, bit_depth=16)
    found = read_photo(file).pixels[..., 0] / 65535
    assert file.name == "a.b.alpha.png" and set(asked) == {"soft"} and len(asked) == 2
    assert found[3, 10] == pytest.approx(0.5, abs=1e-4) and found[7, 10] == 1 and found[35, 1] == 0
    # The right edge of the dog meets the upper edge of the cat: 1 - 0.5 x 0.5.
    assert found[10, 30] == pytest.approx(0.75, abs=1e-4)
    export(tmp_path, SOFT, format="png", matter=matter)
    assert read_photo(tmp_path / "a.b.png").alpha[10, 30] == 191


@pytest.mark.parametrize("format", ["png", "alpha"])
def test_what_is_transparent_stays_so(tmp_path, format):
    alpha = np.full(SIZE, 255, np.uint8)
    alpha[:, :10], alpha[:, 10:20] = 0, 128
    (file,) = export(tmp_path, ONE, replace(PHOTO, alpha=alpha), format=format)
    found = read_photo(file)
    shown = found.alpha if format == "png" else found.pixels[..., 0]
    np.testing.assert_array_equal(shown, np.where(DOG, alpha, 0))


def test_decontamination_is_by_an_amount(tmp_path):
    pixels = np.full((*SIZE, 3), 30, np.uint8)
    pixels[DOG] = 220
    found = {}
    for amount in (0.0, 0.5, 1.0):
        document = replace(SOFT, objects=SOFT.objects[:1])
        (file,) = export(
            tmp_path,
            document,
            Photo(pixels),
            format="png",
            decontaminate=amount,
            matter=lambda name: Softening(),
            overwrite=True,
        )
        found[amount] = int(read_photo(file).pixels[2, 15, 0])
    assert found[0.0] == 30 < found[0.5] < found[1.0]


def test_masks_are_a_file_each_hidden_ones_too(tmp_path):
    files = export(tmp_path, format="masks")
    assert [file.name for file in files] == [
        "a.b.1-dog.mask.png",
        "a.b.2-cat.mask.png",
        "a.b.3-dog.mask.png",
    ]
    for file, mask in zip(files, (DOG, CAT, LOST), strict=True):
        assert np.array_equal(read_mask(file, SIZE), mask)


def test_names_of_objects_are_no_paths(tmp_path):
    odd = replace(ONE, objects=(replace(ONE.objects[0], name="../a: b/größe"),))
    (file,) = export(tmp_path, odd, format="masks")
    assert file.name == "a.b.1-a-b-größe.mask.png"
    blank = replace(ONE, objects=(replace(ONE.objects[0], name=" "),))
    assert export(tmp_path, blank, format="masks")[0].name == "a.b.1-object.mask.png"
    (file,) = export(tmp_path, blank, format="coco")
    assert read_coco(file)[0].segmentation.categories == ("Object 1",)


def masks_of(item):
    return [(s.category, s.mask()) for s in item.segmentation.segments]


def same(found, expected):
    assert [name for name, _ in found] == [name for name, _ in expected]
    for (_, one), (_, other) in zip(found, expected, strict=True):
        assert np.array_equal(one, other)


WHOLE = [("dog", DOG), ("cat", CAT), ("dog", LOST)]


def test_coco_labelme_and_yolo_hold_whole_objects(tmp_path):
    (file,) = export(tmp_path, format="coco")
    (item,) = read_coco(file)
    assert item.name == "below/a.b.jpg" and file.name == "a.b.json"
    same(masks_of(item), WHOLE)
    (file,) = export(tmp_path, format="labelme", overwrite=True)
    same(masks_of(read_labelme(file)), WHOLE)
    text, about = export(tmp_path, format="yolo")
    assert text == tmp_path / "a.b" / "labels" / "below" / "a.b.txt" and about.is_file()
    classes = ClassList(("dog", "cat"))
    same(masks_of(read_yolo_text(text, "a", size=SIZE, classes=classes)), WHOLE)


def test_in_panoptic_maps_the_later_object_lies_on_top(tmp_path):
    file, picture = export(tmp_path, format="panoptic")
    (item,) = read_panoptic(file, maps=tmp_path / "a.b")
    same(masks_of(item), [("dog", DOG & ~CAT), ("cat", CAT), ("dog", LOST)])
    assert picture.suffix == ".png"
    over = Object(5, "sky", "#000000", rle=rle.encode(np.ones(SIZE, bool)))
    covered = replace(DOCUMENT, objects=(*DOCUMENT.objects, over))
    export(tmp_path, covered, format="panoptic", overwrite=True)
    (item,) = read_panoptic(file, maps=tmp_path / "a.b")
    assert [name for name, _ in masks_of(item)] == ["sky"]


def test_many_photos_become_one_file_of_annotations(tmp_path):
    empty = Document(SIZE)
    both = [("x/a.jpg", DOCUMENT), ("b.png", empty)]
    (file,) = export_annotations(both, tmp_path / "all", format="coco")
    found = read_coco(file)
    assert [item.name for item in found] == ["x/a.jpg", "b.png"]
    assert [len(item.segmentation.segments) for item in found] == [3, 0]
    with pytest.raises(UsageError, match="a file for each photo, got 2"):
        export_annotations(both, tmp_path / "l", format="labelme")
    with pytest.raises(SubjectError, match=r"b.png: expected an object"):
        export_annotations(both[1:], tmp_path / "l", format="coco")
    with pytest.raises(UsageError, match="annotations must be coco, labelme, yolo, panoptic"):
        export_annotations(both, tmp_path / "l", format="png")


@pytest.mark.parametrize("format,end", [("psd", ".psd"), ("layered-tiff", ".layers.tif")])
def test_layers_have_the_photo_and_each_object_with_its_alpha_as_mask(tmp_path, format, end):
    (file,) = export(tmp_path, SOFT, format=format, matter=lambda name: Softening())
    assert file.name == f"a.b{end}"
    photo, dog, cat, lost = read_layered(file)
    assert np.array_equal(photo.pixels, PHOTO.pixels) and not photo.visible
    assert [one.name for one in (dog, cat, lost)] == ["dog", "cat", "dog"]
    assert [one.visible for one in (dog, cat, lost)] == [True, True, False]
    x0, y0, x1, y1 = dog.box
    assert set(np.unique(dog.mask)) == {0, 128, 255} and (x0, y0) == (3, 1)
    inside = dog.mask == 255
    assert np.array_equal(dog.pixels[inside], PHOTO.pixels[y0:y1, x0:x1][inside])
    (file,) = export(tmp_path, ONE, format=format, background="white", bit_depth=16, overwrite=True)
    photo, white, dog = read_layered(file)
    assert white.pixels.min() == 65535 and white.visible and dog.box == (5, 3, 30, 20)


@pytest.mark.parametrize("format", FORMATS)
def test_what_exists_is_kept_and_nothing_else_written(tmp_path, format):
    written = export(tmp_path, format=format)
    for file in written:
        file.unlink()
    written[-1].parent.mkdir(parents=True, exist_ok=True)
    written[-1].write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        export(tmp_path, format=format)
    assert names(tmp_path) == [written[-1].relative_to(tmp_path).as_posix()]
    assert written[-1].read_text() == "mine"
    assert export(tmp_path, format=format, overwrite=True) == written


@pytest.mark.parametrize("format", FORMATS)
def test_without_objects_there_is_nothing_to_export(tmp_path, format):
    empty = replace(DOCUMENT, objects=DOCUMENT.objects[3:])
    with pytest.raises(SubjectError, match=r"below/a.b.jpg: expected an object to export, got n"):
        export(tmp_path, empty, format=format)
    assert names(tmp_path) == []


def test_wrong_use_is_refused(tmp_path):
    with pytest.raises(UsageError, match="a format must be one of png, .*, got 'gif'"):
        export(tmp_path, format="gif")
    with pytest.raises(UsageError, match="8 or 16, of webp 8, got 16"):
        export(tmp_path, format="webp", bit_depth=16)
    with pytest.raises(UsageError, match="got one for masks"):
        export(tmp_path, format="masks", background="white")
    with pytest.raises(UsageError, match="blurple"):
        Options("png", background="blurple")
    with pytest.raises(UsageError, match=r"\[0, 1\], got 2"):
        Options("png", decontaminate=2)
    with pytest.raises(UsageError, match="dog: a refined edge needs the network soft, got none"):
        export(tmp_path, SOFT, format="png")
    with pytest.raises(ShapeError, match=r"expected the photo that was worked on, \(53, 37\)"):
        export(tmp_path, replace(DOCUMENT, size=(53, 37)), format="png")
    assert names(tmp_path) == []


def test_a_background_is_never_a_path(tmp_path):
    file = tmp_path / "secret.png"
    file.touch()
    with pytest.raises(UsageError, match="a colour must be"):
        Options("png", background=str(file))


def test_layers_name_the_extra_they_need(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "psd_tools", None)
    monkeypatch.delitem(sys.modules, "maskwright.formats.psd", raising=False)
    for known in [m for m in sys.modules if m.startswith("psd_tools.")]:
        monkeypatch.setitem(sys.modules, known, None)
    with pytest.raises(MissingExtraError, match=r"maskwright\[psd\]"):
        export(tmp_path, format="psd")
