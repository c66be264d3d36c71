from pathlib import PurePath

import pytest

from maskwright.runs.names import output_names


def named(*names, suffix=".png", taken=()):
    found = output_names([PurePath(name) for name in names], suffix, taken=taken)
    return [path.as_posix() for path in found]


@pytest.mark.parametrize(
    "photos, results",
    [
        (["a.jpg", "deep/a.jpg"], ["a.png", "deep/a.png"]),
        (["a.jpg", "a.tif", "b.jpg"], ["a.jpg.png", "a.tif.png", "b.png"]),
        (["a.jpg.jpg", "a.jpg", "a.tif"], ["a.jpg.jpg.png", "a.jpg.png", "a.tif.png"]),
        (["a.b.jpg", "a.c.jpg"], ["a.b.png", "a.c.png"]),
        (["a\n.jpg"], ["a\n.png"]),
    ],
)
def test_no_two_photos_share_a_result(photos, results):
    assert named(*photos) == results


def test_a_photo_that_keeps_its_suffix_makes_others_keep_theirs():
    """a.jpg and a.tif keep theirs; so must a.jpg.jpg, and then a.jpg.jpg.jpg."""
    names = ["a.jpg", "a.tif", "a.jpg.jpg", "a.jpg.jpg.jpg"]
    assert named(*names) == [f"{name}.png" for name in names]


def test_a_folder_keeps_its_name():
    assert named("a.jpg", "b.jpg", taken={"a.png"}) == ["a.jpg.png", "b.png"]


def test_stems_have_no_suffix():
    assert named("a.jpg", "b.jpg", "b.png", suffix="") == ["a", "b.jpg", "b.png"]
