from pathlib import PurePath

import pytest

from maskwright.cli.items import Companions, Item, plan_items
from maskwright.errors import TrimapError, UsageError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder, with photos/{a.jpg,b.PNG,note.txt,deep/c.tif,.hidden.jpg}."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.PNG", "note.txt", "deep/c.tif", ".hidden.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def targets(*args, **flags):
    return [item.target for item in plan_items(*args, **flags)]


def test_one_photo_goes_to_the_file_named(here):
    assert plan_items(["photos/a.jpg"], "x.tif") == [
        Item("photos/a.jpg", PurePath("a.jpg"), "x.tif")
    ]


@pytest.mark.parametrize("output", ["new/", "photos/deep"])
def test_one_photo_goes_into_a_folder_if_that_is_one_or_ends_with_a_slash(here, output):
    assert targets(["photos/a.jpg"], output) == [f"{output.rstrip('/')}/a.png"]


def test_several_photos_go_into_a_folder(here):
    assert targets(["photos/a.jpg", "photos/b.PNG"], "out") == ["out/a.png", "out/b.png"]


def test_a_folder_gives_its_photos_in_order_and_nothing_hidden_or_foreign(here):
    assert targets(["photos"], "out") == ["out/a.png", "out/b.png"]


def test_recursive_keeps_the_tree(here):
    assert targets(["photos"], "out", recursive=True) == [
        "out/a.png",
        "out/b.png",
        "out/deep/c.png",
    ]


def test_earlier_outputs_within_the_folder_are_not_inputs(here):
    (here / "photos/out").mkdir()
    (here / "photos/out/a.png").touch()
    found = plan_items(["photos"], "photos/out", recursive=True)
    assert [item.source for item in found] == ["photos/a.jpg", "photos/b.PNG", "photos/deep/c.tif"]


def test_equal_stems_keep_their_suffix(here):
    (here / "photos/a.webp").touch()
    assert targets(["photos"], "out") == ["out/a.jpg.png", "out/a.webp.png", "out/b.png"]


def test_standard_input_and_output(here):
    assert plan_items(["-"], "-") == [Item("-", PurePath("stdin"), "-")]
    assert targets(["-"], "out/") == ["out/stdin.png"]


@pytest.mark.parametrize(
    "photos,output,message",
    [
        (["photos/x.jpg"], "x.png", "there is no photos/x.jpg; check the path"),
        (["photos/deep", "-", "-"], "out", r"standard input \(-\) can be given once only"),
        (["photos"], "-", "standard output takes one photo only"),
        (["photos"], "photos/note.txt", "several photos need a folder to go to"),
        (["photos/b.PNG", "photos/a.jpg"], "photos/a.jpg", "need a folder to go to"),
        (["photos/a.jpg"], "photos/a.jpg", "would replace the photo itself"),
        (["photos/deep/c.tif", "c.tif"], "out", "c.tif and c.tif would both become out/c.tif.png"),
    ],
)
def test_what_cannot_be_planned_is_refused(here, photos, output, message):
    (here / "c.tif").touch()
    with pytest.raises(UsageError, match=message):
        plan_items(photos, output)


def test_a_folder_without_photos_is_named_with_what_was_looked_for(here):
    (here / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no photos in empty \(.bmp, .*--recursive looks"):
        plan_items(["empty"], "out")


def item(name):
    return Item(f"photos/{name}", PurePath(name), "out.png")


@pytest.fixture
def trimaps(here):
    for name in ("a.png", "deep/c.png", "c.png", "b.png", "b.tif", "d.jpg.png", "note.txt"):
        path = here / "trimaps" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return Companions("trimaps", "trimap")


@pytest.mark.parametrize(
    "name,expected",
    [
        ("a.jpg", "trimaps/a.png"),
        ("deep/c.tif", "trimaps/deep/c.png"),
        ("d.jpg", "trimaps/d.jpg.png"),
    ],
)
def test_a_folder_of_trimaps_pairs_by_stem(trimaps, name, expected):
    assert trimaps.of(item(name)) == expected


def test_one_trimap_serves_every_photo(here):
    assert Companions("photos/a.jpg", "mask").of(item("b.jpg")) == "photos/a.jpg"
    assert Companions("-", "mask").of(item("b.jpg")) == "-"


@pytest.mark.parametrize(
    "name,message",
    [
        ("b.jpg", "photos/b.jpg: expected one trimap, got b.png, b.tif; keep one of them"),
        ("x.jpg", "photos/x.jpg: expected its trimap at trimaps/x.png, got no such file"),
        ("deeper/x.jpg", "expected its trimap at trimaps/deeper/x.png"),
        ("note.jpg", "expected its trimap at trimaps/note.png"),
    ],
)
def test_a_photo_without_exactly_one_trimap_is_named(trimaps, name, message):
    with pytest.raises(TrimapError, match=message):
        trimaps.of(item(name))


def test_a_missing_trimap_is_wrong_use():
    with pytest.raises(UsageError, match="expected a trimap, there is no nowhere.png"):
        Companions("nowhere.png", "trimap")
