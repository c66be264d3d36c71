"""Photos begin with annotations from elsewhere, once, all or none."""

import json

import numpy as np
import pytest
from small_app import HEIGHT, WIDTH, Page, pixels

from maskwright.app import starts
from maskwright.app.document import Document, Object
from maskwright.app.export import export_annotations
from maskwright.app.gallery import Gallery
from maskwright.app.journal import open_journal, photo_id
from maskwright.app.starts import Begun, begin
from maskwright.errors import DataError, ImageError, MaskwrightError
from maskwright.formats.label_map import write_label_map
from maskwright.image.io import write_image
from maskwright.structures import rle
from maskwright.structures.segmentation import semantic_segmentation

SIZE, SMALL = (HEIGHT, WIDTH), (64, 48)


def box(size, x0, y0, x1, y1):
    mask = np.zeros(size, bool)
    mask[y0:y1, x0:x1] = True
    return mask


DOG, CAT, SHEEP = box(SIZE, 5, 3, 20, 31), box(SIZE, 40, 10, 90, 70), box(SMALL, 2, 3, 11, 17)


def document(size, **masks):
    objects = [
        Object(number, name, "#ff8000", rle=rle.encode(mask))
        for number, (name, mask) in enumerate(masks.items(), start=1)
    ]
    return Document(size, tuple(objects))


ALL = [("a.png", document(SIZE, dog=DOG, cat=CAT)), ("more/c d.png", document(SMALL, sheep=SHEEP))]


@pytest.fixture
def gallery(folder):
    return Gallery(folder)


@pytest.fixture
def journal(folder):
    journal = open_journal(folder, create=True)
    yield journal
    journal.close()


def exported(folder, format, documents=ALL):
    return export_annotations(documents, folder / "all", format=format)[0]


def objects(journal, name):
    found = journal.document(photo_id(name)).objects
    return {one.name: rle.decode(one.rle) for one in found}


def same(found, **masks):
    assert list(found) == list(masks)
    for name, mask in masks.items():
        np.testing.assert_array_equal(found[name], mask)


@pytest.mark.parametrize("format", ["coco", "panoptic"])
def test_a_file_about_several_photos_is_read_once_and_begins_each(
    tmp_path, gallery, journal, format, monkeypatch
):
    file, opened = exported(tmp_path, format), []
    real = starts.open_json
    monkeypatch.setattr(starts, "open_json", lambda path: opened.append(path) or real(path))
    assert begin([file], gallery, journal) == Begun(2, 3, 0)
    assert opened == [file]
    same(objects(journal, "a.png"), dog=DOG, cat=CAT)
    same(objects(journal, "more/c d.png"), sheep=SHEEP)
    rows = {row.name: (row.state, row.objects, row.size) for row in journal.photos()}
    assert rows == {"a.png": ("in work", 2, SIZE), "more/c d.png": ("in work", 1, SMALL)}


def test_the_same_twice_adds_nothing_and_photos_at_work_are_left_alone(
    tmp_path, gallery, journal, monkeypatch
):
    file = exported(tmp_path, "coco")
    assert begin([file], gallery, journal) == Begun(2, 3, 0)
    before = {photo: journal.entries(photo) for photo in map(photo_id, dict(ALL))}
    with monkeypatch.context() as patch:
        patch.setattr(starts, "_decoded", lambda *_: pytest.fail("decoded once more"))
        assert begin([file], gallery, journal) == Begun(0, 0, 2)
    assert {photo: journal.entries(photo) for photo in before} == before
    more = [("a.png", document(SIZE, cat=CAT)), ("b.jpg", document(SIZE, dog=DOG))]
    (tmp_path / "more").mkdir()
    assert begin([exported(tmp_path / "more", "coco", more)], gallery, journal) == Begun(
        1, 1, 2 - 1
    )
    same(objects(journal, "a.png"), dog=DOG, cat=CAT)
    same(objects(journal, "b.jpg"), dog=DOG)


def test_two_servers_started_at_once_import_once(tmp_path, folder, gallery, journal, monkeypatch):
    file, other = exported(tmp_path, "coco"), open_journal(folder)
    monkeypatch.setattr(journal, "photos", list)  # as before the other one wrote
    assert begin([file], gallery, other) == Begun(2, 3, 0)
    before = other.entries(photo_id("a.png"))
    assert begin([file], gallery, journal) == Begun(0, 0, 2)
    assert other.entries(photo_id("a.png")) == before
    assert len({entry.key for entry in before}) == 4
    other.close()


def test_the_keys_follow_from_the_objects_alone(tmp_path, folder, gallery, journal):
    file = exported(tmp_path, "coco")
    begin([file], gallery, journal)
    (tmp_path / "again").mkdir()
    again = open_journal(tmp_path / "again", create=True)
    begin([file], gallery, again)
    keys = [
        [entry.key for name, _ in ALL for entry in each.entries(photo_id(name))]
        for each in (journal, again)
    ]
    assert keys[0] == keys[1] and len(keys[0]) == 6
    again.close()


def test_objects_that_were_imported_are_worked_on_like_any(serve, folder, tmp_path):
    file = exported(tmp_path, "coco")
    client = serve()
    begin([file], client.workplace.gallery, client.workplace.journal)
    page = Page(client, photo_id("a.png"))
    shown = page.open().json()
    assert [one["name"] for one in shown["objects"]] == ["dog", "cat"]
    assert shown["photo"]["state"] == "in work" and shown["revision"] == 4
    page.done("click", object=2, x=60, y=40, positive=True)
    for _ in range(2):
        assert page.step("undo").status_code == 200
    assert [one["area"] for one in page.open().json()["objects"]] == [DOG.sum(), 0]


def test_a_folder_of_files_belongs_to_photos_by_path_and_stem(tmp_path, gallery, journal):
    masks = tmp_path / "masks"
    (masks / "more").mkdir(parents=True)
    write_image(masks / "a.png", DOG)
    export_annotations([ALL[1]], masks / "more" / "c d", format="labelme")
    write_label_map(masks / "b.png", semantic_segmentation(CAT.astype(np.int32), ("none", "cat")))
    (masks / "c d.png").write_bytes(b"of no photo, so not read")
    (masks / ".a.png").write_bytes(b"hidden")
    assert begin([masks], gallery, journal) == Begun(3, 4, 0)
    same(objects(journal, "a.png"), a=DOG)
    same(objects(journal, "more/c d.png"), sheep=SHEEP)
    same(objects(journal, "b.jpg"), none=~CAT, cat=CAT)


def test_labelme_files_among_the_photos_are_found_and_photos_are_no_masks(folder, gallery, journal):
    export_annotations([ALL[0]], folder / "a", format="labelme")
    empty = {"shapes": [], "imageHeight": HEIGHT, "imageWidth": WIDTH, "imagePath": "b.jpg"}
    (folder / "b.json").write_text(json.dumps(empty))
    assert begin([folder], gallery, journal) == Begun(1, 2, 0)
    same(objects(journal, "a.png"), dog=DOG, cat=CAT)


def test_a_copy_of_the_photo_beside_its_labelme_file_is_no_mask(tmp_path, gallery, journal):
    (tmp_path / "marked").mkdir()
    write_image(tmp_path / "marked" / "a.jpg", pixels(0))
    export_annotations([ALL[0]], tmp_path / "marked" / "a", format="labelme")
    assert begin([tmp_path / "marked"], gallery, journal) == Begun(1, 2, 0)


def test_photos_of_one_stem_have_files_of_their_whole_name(folder, tmp_path, gallery, journal):
    write_image(folder / "a.jpg", pixels(3))
    (tmp_path / "masks").mkdir()
    write_image(tmp_path / "masks" / "a.jpg.png", DOG)
    write_image(tmp_path / "masks" / "a.png.png", CAT)
    assert begin([tmp_path / "masks"], gallery, journal) == Begun(2, 2, 0)
    same(objects(journal, "a.jpg"), **{"a.jpg": DOG})
    same(objects(journal, "a.png"), **{"a.png": CAT})


@pytest.mark.parametrize("path", ["a.png", "elsewhere/a.png", "not-here.jpg"])
def test_a_labelme_file_is_of_the_photo_it_names_or_is_named_like(tmp_path, gallery, journal, path):
    (file,) = export_annotations([ALL[0]], tmp_path / "a", format="labelme")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"imagePath": path}))
    assert begin([file], gallery, journal) == Begun(1, 2, 0)
    same(objects(journal, "a.png"), dog=DOG, cat=CAT)


def test_several_files_about_one_photo_give_it_all_their_objects(tmp_path, gallery, journal):
    (tmp_path / "masks").mkdir()
    write_image(tmp_path / "masks" / "c d.png", ~SHEEP)
    files = [exported(tmp_path, "coco"), tmp_path / "masks" / "c d.png"]
    assert begin(files, gallery, journal) == Begun(2, 4, 0)
    same(objects(journal, "more/c d.png"), sheep=SHEEP, **{"c d": ~SHEEP})


def test_photos_are_found_by_file_name_where_that_is_clear(tmp_path, folder, gallery, journal):
    flat = [("x/a.png", ALL[0][1]), ("c d.png", ALL[1][1]), ("other.png", document((3, 5)))]
    assert begin([exported(tmp_path, "coco", flat)], gallery, journal) == Begun(2, 3, 0)
    same(objects(journal, "a.png"), dog=DOG, cat=CAT)
    same(objects(journal, "more/c d.png"), sheep=SHEEP)


def test_a_file_name_of_several_is_not_guessed(tmp_path, folder, gallery, journal):
    write_image(folder / "more" / "a.png", pixels(4))
    file = exported(tmp_path, "coco", [("x/a.png", ALL[0][1])])
    with pytest.raises(
        DataError, match="all.json: expected one photo and one entry .* got 2 and 1"
    ):
        begin([file], gallery, journal)
    (tmp_path / "exact").mkdir()
    file = exported(tmp_path / "exact", "coco", [ALL[0], ("x/a.png", document(SIZE, cat=CAT))])
    assert begin([file], gallery, journal) == Begun(1, 2, 0)  # the path says which one it is
    assert [row.name for row in journal.photos()] == ["a.png"]


def broken_coco(tmp_path):
    file = exported(tmp_path, "coco")
    content = json.loads(file.read_text())
    content["annotations"][2]["segmentation"] = [[1, 2, 3, 4]]
    file.write_text(json.dumps(content))
    return file, "all.json: annotation 3 of more/c d.png: polygon 0 must have three points"


def listed_twice(tmp_path):
    file = exported(tmp_path, "coco")
    content = json.loads(file.read_text())
    content["images"].append(content["images"][0] | {"id": 99})
    file.write_text(json.dumps(content))
    return file, "all.json: each photo must be listed once, got a.png twice"


def of_other_photos(tmp_path):
    other = [("z.png", ALL[0][1])]
    return exported(tmp_path, "coco", other), "of photos in this folder, got those of z.png"


def of_another_size(tmp_path):
    other = [("b.jpg", document(SMALL, sheep=SHEEP))]
    return exported(tmp_path, "coco", other), "annotations of b.jpg must be of its size, 211 x 139"


def too_many(tmp_path):
    many = document(SIZE, **{f"n{number}": DOG for number in range(65)})
    line = "all.json: b.jpg may have 64 objects at most, got 65"
    return exported(tmp_path, "coco", [("b.jpg", many)]), line


def no_annotations(tmp_path):
    (tmp_path / "file.txt").write_text("x")
    return tmp_path / "file.txt", "file.txt: expected annotations of photos in this folder"


def two_masks(tmp_path):
    for suffix in ("png", "tif"):
        write_image(tmp_path / f"b.{suffix}", DOG)
    return tmp_path, "b.jpg: expected one file of annotations, got b.png, b.tif; keep one"


def empty_folder(tmp_path):
    return tmp_path, "expected masks or annotations named like the photos, got none"


def broken_mask(tmp_path):
    (tmp_path / "b.png").write_bytes(b"nothing")
    return tmp_path / "b.png", "b.png"


@pytest.mark.parametrize(
    "make",
    [
        broken_coco,
        listed_twice,
        of_other_photos,
        of_another_size,
        too_many,
        no_annotations,
        two_masks,
        empty_folder,
        broken_mask,
    ],
)
def test_a_bad_file_is_named_and_nothing_is_written_at_all(tmp_path, gallery, journal, make):
    (tmp_path / "bad").mkdir()
    bad, line = make(tmp_path / "bad")
    (tmp_path / "good").mkdir()
    write_image(tmp_path / "good" / "a.png", DOG)
    with pytest.raises(MaskwrightError) as refused:
        begin([tmp_path / "good", bad], gallery, journal)
    assert line in str(refused.value) and isinstance(refused.value, DataError | ImageError)
    assert journal.photos() == []


def test_photos_without_objects_begin_nothing(tmp_path, gallery, journal):
    file = exported(tmp_path, "coco", [*ALL, ("b.jpg", document(SIZE))])
    assert begin([file], gallery, journal) == Begun(2, 3, 0)
    assert photo_id("b.jpg") not in {row.id for row in journal.photos()}
