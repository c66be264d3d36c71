import json

import numpy as np
import pytest

from maskwright.cli.items import Item
from maskwright.cli.main import run
from maskwright.cli.subjects import subject_file
from maskwright.image.io import read_photo, write_image
from maskwright.inference.segment import Segmenter
from maskwright.inference.subject import find_subjects

PHOTO = np.random.default_rng(0).integers(0, 256, (90, 150, 3), np.uint8)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_image("photo.png", PHOTO)
    return tmp_path


@pytest.fixture
def cutout(here, weights, segment_weights):
    def cutout(*arguments):
        models = ["--model", str(weights), "--segment-model", str(segment_weights)]
        return run(["cutout", "photo.png", "-q", "--device", "cpu", *map(str, arguments), *models])

    return cutout


@pytest.mark.parametrize("choice", ["prominent", "largest"])
def test_the_subject_found_is_cut_out_as_if_its_mask_was_given(cutout, segment_weights, choice):
    flags = ["--largest"] if choice == "largest" else ["--class", "Person"]
    (subject,) = find_subjects(Segmenter.load(segment_weights), PHOTO, choice=choice)
    write_image("mask.png", subject.mask())
    assert cutout("-o", "found.png", "--band", 2, *flags) == 0
    assert cutout("-o", "given.png", "--band", 2, "--mask", "mask.png") == 0
    found, given = (read_photo(f"{name}.png") for name in ("found", "given"))
    assert np.array_equal(found.pixels, given.pixels) and np.array_equal(found.alpha, given.alpha)
    assert 0 < np.count_nonzero(found.alpha == 255) < subject.mask().sum()


def test_all_is_a_file_for_each_thing(cutout, segment_weights, here):
    every = find_subjects(Segmenter.load(segment_weights), PHOTO, choice="all")
    assert cutout("-o", "out", "--all", "--band", 1) == 0
    names = [path.name for path in sorted((here / "out").iterdir())]
    assert names == [f"photo.{n}-person.png" for n in range(1, len(every) + 1)] and len(names) > 2
    for number, subject in enumerate(every, start=1):
        alpha = read_photo(here / "out" / f"photo.{number}-person.png").alpha
        assert (alpha == 255).any() and not (alpha[~subject.mask()] == 255).any()


def test_all_tells_the_files_that_it_wrote(cutout, here, capsys):
    assert cutout("-o", "out", "--all", "--band", 1, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["items"]
    assert sorted(row["outputs"]) == sorted(str(p.relative_to(here)) for p in here.glob("out/*"))
    assert cutout("-o", "one.png", "--band", 1, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["items"]
    assert row["output"] == "one.png" and "outputs" not in row


def test_an_output_of_all_that_exists_is_kept_and_nothing_is_written(cutout, here, capsys):
    kept = here / "out" / "photo.2-person.png"
    kept.parent.mkdir()
    kept.write_text("mine")
    assert cutout("-o", "out", "--all") == 2
    assert "photo.2-person.png: exists already" in capsys.readouterr().err
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
    assert cutout("-o", "out", "--all", "--overwrite") == 0
    assert kept.read_bytes()[:4] == b"\x89PNG"


def test_nothing_found_is_a_failed_item_that_says_what_to_do(cutout, here, capsys):
    assert cutout("-o", "out.png", "--class", "dog") == 2
    line = capsys.readouterr().err
    assert line.startswith("photo.png: expected a subject of the class dog, found none but person;")
    assert "point at it with --point X,Y" in line and line.count("\n") == 1
    assert not (here / "out.png").exists()


@pytest.mark.parametrize(
    "arguments,line",
    [
        (["--class", "cat"], "one of this network's, sky, person, dog, car; got cat"),
        (["--largest", "--all"], "keep one of the two"),
        (["--largest", "--point", "3,4"], "--largest chooses among what is found where no hint"),
        (["--class", "dog", "--mask", "photo.png"], "--class chooses among"),
        (["--all", "--box", "0,0,9,9"], "--all chooses among"),
        (["--all"], "--all writes a file for each subject; name a folder with -o, got out.png"),
        (["--band", "0"], "--band must be auto"),
        (["--segment-model", "nothing"], "nothing"),
    ],
)
def test_what_cannot_be_chosen_is_one_line(cutout, here, capsys, weights, arguments, line):
    before = sorted(here.iterdir())
    if "--segment-model" in arguments:
        assert run(["cutout", "photo.png", "-o", "out.png", *arguments]) == 1
    else:
        assert cutout("-o", "out.png", *arguments) == 1
    told = capsys.readouterr().err
    assert line in told and told.count("\n") == 1
    assert sorted(here.iterdir()) == before


@pytest.mark.parametrize(
    "category,name",
    [("person", "a.3-person.png"), ("road, route", "a.3-road.png"), ("cell phone", "a.3-cell-")],
)
def test_files_are_named_by_class(category, name):
    item = Item("a.jpg", None, "out/a.*.png")
    assert subject_file(item, 3, category).startswith(f"out/{name}")
