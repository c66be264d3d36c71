import os
import pickle

import pytest

from maskwright.batch.hints import absent_hint, find_hint
from maskwright.batch.places import LocalPlace, UrlPlace, open_place
from maskwright.errors import ImageError, MissingExtraError, OutputError, UsageError

FILES = {"a.jpg": b"a", "deep/b.PNG": b"bb", "deep/er/c.tif": b"", "note.txt": b"", ".h.jpg": b""}


@pytest.fixture(params=["local", "url"])
def place(request, tmp_path):
    found = open_place(str(tmp_path) if request.param == "local" else f"memory://{tmp_path.name}")
    found.publish(FILES, overwrite=True)
    return found


def test_pictures_are_found_folder_by_folder(place):
    names = [[found.name for found in listing.photos] for listing in place.listings()]
    assert names == [["a.jpg"], ["deep/b.PNG"], ["deep/er/c.tif"]]
    assert next(iter(place.listings())).folders == {"deep"}


def test_a_folder_of_results_is_left_out(place):
    skip = f"{place.root}/deep"
    assert [len(listing.photos) for listing in place.listings(skip)] == [1]


def test_signatures_change_with_the_content(place):
    before = place.signature("a.jpg")
    assert before == next(iter(place.listings())).photos[0].signature
    place.publish({"a.jpg": b"longer"}, overwrite=True)
    assert place.signature("a.jpg") != before
    assert place.signature("none.jpg") is None and place.sha256("none.jpg") is None


def test_what_exists_is_replaced_only_if_it_may_be(place):
    with pytest.raises(OutputError, match="exists already"):
        place.publish({"a.jpg": b"new"}, overwrite=False)
    with pytest.raises(OutputError, match="exists already"):
        place.check_free("a.jpg")
    place.check_free("new.png")
    assert place.read("a.jpg") == b"a"
    sums = place.publish({"a.jpg": b"new", "x/y.png": b"y"}, overwrite=True)
    assert place.read("x/y.png") == b"y" and sums["x/y.png"] == place.sha256("x/y.png")


def test_what_is_not_there_is_an_error_that_names_it(place):
    with pytest.raises(ImageError, match=r"none\.jpg"):
        place.read("none.jpg")


def test_places_travel_between_processes(place):
    assert pickle.loads(pickle.dumps(place)) == place


def test_hints_are_found_by_path_in_any_format(place):
    place.publish({"b.png": b"1", "b.jpg.tif": b"2"}, overwrite=True)
    assert find_hint(place, "b.webp")[0] == "b.png"
    assert find_hint(place, "b.jpg")[0] == "b.jpg.tif"
    assert find_hint(place, "deep/b.jpg")[0] == "deep/b.PNG"
    assert find_hint(place, "deep/a.jpg") is None
    assert "deep/a.png, got no such file" in absent_hint(place, "deep/a.jpg")


def test_links_are_followed_but_not_in_circles(tmp_path):
    place = LocalPlace(str(tmp_path / "photos"))
    place.publish({"a.jpg": b""}, overwrite=True)
    LocalPlace(str(tmp_path / "other")).publish({"b.jpg": b""}, overwrite=True)
    (tmp_path / "photos/linked").symlink_to(tmp_path / "other")
    (tmp_path / "photos/circle").symlink_to(tmp_path / "photos")
    (tmp_path / "photos/gone.jpg").symlink_to(tmp_path / "nowhere")
    found = {one.name: one.problem for each in place.listings() for one in each.photos}
    assert set(found) == {"a.jpg", "gone.jpg", "circle", "linked/b.jpg"}
    assert found["a.jpg"] is None and found["linked/b.jpg"] is None
    assert "leads back to itself" in found["circle"] and "leads nowhere" in found["gone.jpg"]


def test_pipes_are_named_and_not_opened(tmp_path):
    os.mkfifo(tmp_path / "p.jpg")
    place = LocalPlace(str(tmp_path))
    assert "a pipe or device" in next(iter(place.listings())).photos[0].problem
    with pytest.raises(ImageError, match="a pipe or device"):
        place.read("p.jpg")


def test_an_unknown_protocol_is_wrong_use():
    with pytest.raises(UsageError, match="a URL that fsspec knows"):
        open_place("nix://bucket")
    with pytest.raises(MissingExtraError, match="needs a package"):
        open_place("abfs://bucket")


def test_a_url_place_is_another_after_its_root():
    assert UrlPlace("memory://a") != UrlPlace("memory://b")
