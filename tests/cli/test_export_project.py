import json

import numpy as np
import pytest

from maskwright.app.document import Document, Object, Refine, change_to_json
from maskwright.app.export import FORMATS as APP_FORMATS
from maskwright.app.journal import Entry, PhotoRow, open_journal, photo_id
from maskwright.cli.export_project import FORMATS
from maskwright.cli.main import run
from maskwright.formats.coco import read_coco
from maskwright.image.io import read_photo, write_image
from maskwright.structures import rle

SIZE = (37, 53)


def mask(x0=5):
    found = np.zeros(SIZE, bool)
    found[3:20, x0:30] = True
    return found


class Project:
    """A folder with photos and a journal."""

    def __init__(self, folder):
        self.folder = folder
        for seed, name in enumerate(("a.png", "a.jpg", "below/b.png", "plain.png")):
            pixels = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)
            write_image(folder / name, pixels)
        self.revisions = {}
        for name in ("a.png", "a.jpg", "below/b.png"):
            self.do(name, Object(1, "dog", "#ff8000", rle=rle.encode(mask())))

    def do(self, name, *objects):
        journal = open_journal(self.folder, create=True)
        before, revision = self.revisions.get(name, (Document(SIZE), 0))
        after = before
        for one in objects:
            after = after.with_object(one)
        row = PhotoRow(photo_id(name), name, SIZE, "in work", len(after.objects))
        change = change_to_json(before, after)
        journal.append(row, Entry(revision + 1, f"k{revision}", "do", {}, change))
        journal.close()
        self.revisions[name] = after, revision + 1


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "photos")


@pytest.fixture
def export(project, tmp_path):
    def export(*flags):
        return run(["export-project", str(project.folder), "-o", str(tmp_path / "out"), *flags])

    return export


def made(tmp_path):
    out = tmp_path / "out"
    files = (p for p in out.rglob("*") if p.is_file() and not p.name.startswith("."))
    return {p.relative_to(out).as_posix(): p for p in files}


def test_every_photo_with_objects_is_exported(export, tmp_path, capsys):
    assert export() == 0
    files = made(tmp_path)
    assert set(files) == {"a.png.png", "a.jpg.png", "below/b.png"}
    for file in files.values():
        assert np.array_equal(read_photo(file).alpha == 255, mask())
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("3 to export\n") and "3 done, 0 failed" in err


def test_what_is_done_is_not_done_again_and_what_changed_is(project, export, tmp_path, capsys):
    assert export("-q") == 0
    before = {name: file.stat().st_mtime_ns for name, file in made(tmp_path).items()}
    assert export() == 0
    assert "3 of 3 exported already" in capsys.readouterr().err
    project.do("a.png", Object(1, "dog", "#ff8000", rle=rle.encode(mask(x0=9))))
    assert export("--json") == 0
    out, err = capsys.readouterr()
    assert "2 of 3 exported already" in err
    assert [row["photo"].rpartition("/")[2] for row in json.loads(out)["items"]] == ["a.png"]
    after = {name: file.stat().st_mtime_ns for name, file in made(tmp_path).items()}
    assert {name for name in after if after[name] != before[name]} == {"a.png.png"}
    assert np.array_equal(read_photo(made(tmp_path)["a.png.png"]).alpha == 255, mask(x0=9))
    made(tmp_path)["below/b.png"].unlink()
    assert export("-q") == 0 and "below/b.png" in made(tmp_path)
    # Another option is another export.
    assert export("--background", "white", "-q") == 2
    assert export("--background", "white", "-q", "--overwrite") == 0
    assert read_photo(made(tmp_path)["below/b.png"]).alpha is None


def test_a_changed_photo_is_exported_again(project, export, tmp_path):
    assert export("-q") == 0
    pixels = np.full((*SIZE, 3), 77, np.uint8)
    write_image(project.folder / "a.png", pixels, overwrite=True)
    assert export("-q") == 0
    assert (read_photo(made(tmp_path)["a.png.png"]).pixels[5, 10] == 77).all()


def test_foreign_files_are_kept_also_the_second_time(export, tmp_path, capsys):
    target = tmp_path / "out" / "a.png.png"
    target.parent.mkdir()
    target.write_text("mine")
    for _ in range(2):
        assert export() == 2
        assert "a.png.png: exists already" in capsys.readouterr().err
        assert target.read_text() == "mine"
    assert export("--overwrite", "-q") == 0 and target.read_bytes()[:4] == b"\x89PNG"


def test_a_failed_photo_claims_no_file_that_it_did_not_write(project, export, tmp_path, capsys):
    photo, target = project.folder / "a.png", tmp_path / "out" / "a.png.png"
    content = photo.read_bytes()
    photo.unlink()
    assert export("-q") == 2
    photo.write_bytes(content)
    target.write_text("mine")
    assert export() == 2
    assert "a.png.png: exists already" in capsys.readouterr().err
    assert target.read_text() == "mine"


def test_a_photo_that_is_gone_is_named_and_the_others_are_done(project, export, tmp_path, capsys):
    (project.folder / "a.png").unlink()
    (project.folder / "a.jpg").write_bytes(b"damaged")
    assert export() == 2
    err = capsys.readouterr().err
    assert "a.png: expected a photo, got no such file" in err and "1 done, 2 failed" in err
    assert set(made(tmp_path)) == {"below/b.png"}


def test_photos_that_a_format_cannot_tell_apart_are_refused(export, tmp_path, capsys):
    assert export("--format", "yolo", "-q") == 1
    assert "differ in more than their suffix for YOLO, got a twice" in capsys.readouterr().err
    assert made(tmp_path) == {}


@pytest.mark.parametrize("format", [format for format in FORMATS if format != "yolo"])
def test_every_format_is_exported_once(export, tmp_path, format, capsys):
    assert export("--format", format) == 0
    before = {name: file.read_bytes() for name, file in made(tmp_path).items()}
    assert before
    capsys.readouterr()
    assert export("--format", format) == 0
    assert "exported already" in capsys.readouterr().err
    assert before == {name: file.read_bytes() for name, file in made(tmp_path).items()}


def test_coco_is_one_file_for_all_photos(project, export, tmp_path):
    project.do("a.png", Object(2, "cat", "#0000ff", rle=rle.encode(mask(x0=20))))
    assert export("--format", "coco") == 0
    found = read_coco(made(tmp_path)["annotations.json"])
    assert [item.name for item in found] == ["a.jpg", "a.png", "below/b.png"]
    names = [[s.category for s in item.segmentation.segments] for item in found]
    assert names == [["dog"], ["dog", "cat"], ["dog"]]
    project.do("a.jpg", Object(1, "fox", "#0000ff", rle=rle.encode(mask())))
    assert export("--format", "coco") == 0
    assert set(made(tmp_path)) == {"annotations.json"}
    assert read_coco(made(tmp_path)["annotations.json"])[0].segmentation.categories[0] == "fox"


def test_edges_are_refined_by_the_network_they_name(project, export, tmp_path, weights):
    name = str(weights)
    project.do("a.png", Object(1, "dog", "#fff000", rle=rle.encode(mask()), refine=Refine(3, name)))
    assert export("--format", "alpha", "--bit-depth", "16", "-q") == 0
    alpha = read_photo(made(tmp_path)["a.png.alpha.png"]).pixels[..., 0]
    assert alpha.dtype == np.uint16 and ((alpha > 0) & (alpha < 65535)).any()
    assert (alpha[8:15, 10:25] == 65535).all() and (alpha[30:] == 0).all()


@pytest.mark.parametrize(
    "flags,line",
    [
        (["--format", "gif"], "--format must be png, tiff, webp, alpha, masks, coco"),
        (["--background", "blurple"], "blurple"),
        (["--format", "coco", "--background", "white"], "a background belongs to cut-outs"),
        (["--decontaminate", "3"], "decontaminate must lie in [0, 1], got 3"),
        (["--format", "webp", "--bit-depth", "16"], "of webp 8, got 16"),
    ],
)
def test_wrong_use_is_one_line(export, tmp_path, capsys, flags, line):
    assert export(*flags) == 1
    told = capsys.readouterr().err
    assert line in told and told.count("\n") == 1 and not (tmp_path / "out").exists()


def test_the_verb_offers_what_the_app_can():
    assert FORMATS == APP_FORMATS


def test_a_folder_without_work_is_told(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run(["export-project", str(tmp_path / "empty"), "-o", str(tmp_path / "out")]) == 2
    assert "there is no journal in it" in capsys.readouterr().err
    assert run(["export-project", str(tmp_path / "nix"), "-o", str(tmp_path / "out")]) == 1
    assert run(["export-project", str(tmp_path), "-o", "-"]) == 1
