import os
import sys

import numpy as np
import pytest
from PIL import Image
from small_app import HEIGHT, WIDTH, pixels

from maskwright.app.gallery import Gallery
from maskwright.app.refusals import Refusal
from maskwright.errors import ImageTooLargeError, MaskwrightError


@pytest.fixture
def gallery(folder):
    return Gallery(folder)


def names(gallery):
    return [found.name for found in gallery.photos()]


def test_photos_of_a_folder_and_its_folders_by_name(gallery, folder):
    (folder / ".hidden").mkdir()
    Image.new("RGB", (3, 3)).save(folder / ".hidden" / "x.png")
    (folder / "notes.txt").write_text("x")
    assert names(gallery) == ["a.png", "b.jpg", "more/c d.png"]


def test_what_cannot_be_read_is_left_out_and_said_once(gallery, folder, caplog):
    (folder / "broken.png").write_bytes(b"nothing")
    assert names(gallery) == names(gallery) == ["a.png", "b.jpg", "more/c d.png"]
    assert len([line for line in caplog.messages if "broken.png" in line]) == 1
    Image.new("RGB", (3, 3)).save(folder / "broken.png")
    assert "broken.png" in names(gallery)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_no_text_are_left_out_and_said_once(gallery, folder, caplog):
    Image.new("RGB", (3, 3)).save(os.fsencode(folder) + b"/caf\xe9.png", "PNG")
    assert names(gallery) == names(gallery) == ["a.png", "b.jpg", "more/c d.png"]
    assert [line for line in caplog.messages if "is not in UTF-8; rename it" in line] != []
    assert len(caplog.messages) == 1


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_do_not_lead_out_of_the_folder(gallery, folder, tmp_path):
    Image.new("RGB", (3, 3)).save(tmp_path / "secret.png")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "round.png").symlink_to(folder / "round.png")
    (folder / "own.png").symlink_to(folder / "a.png")
    assert names(gallery) == ["a.png", "b.jpg", "more/c d.png", "own.png"]
    found = gallery.find(next(one.id for one in gallery.photos() if one.name == "own.png"))
    found.path.unlink()
    found.path.symlink_to(tmp_path / "secret.png")  # changed after it was listed
    with pytest.raises(Refusal, match="there is none"):
        gallery.find(found.id)


def test_a_photo_that_changes_is_read_anew(gallery, folder):
    found = gallery.photos()[0]
    np.testing.assert_array_equal(gallery.read(found).pixels, pixels(0))
    assert gallery.read(found) is gallery.read(gallery.find(found.id))
    Image.fromarray(pixels(9, (20, 30))).save(folder / "a.png")
    assert gallery.find(found.id).size == (20, 30)
    np.testing.assert_array_equal(gallery.read(gallery.find(found.id)).pixels, pixels(9, (20, 30)))


def test_too_large_photos_are_not_decoded(folder):
    gallery = Gallery(folder, max_pixels=HEIGHT * WIDTH - 1)
    with pytest.raises(ImageTooLargeError, match="max-pixels"):
        gallery.picture(gallery.photos()[0], 256)


def png(seed=0):
    from io import BytesIO

    stream = BytesIO()
    Image.fromarray(pixels(seed)).save(stream, format="png")
    return stream.getvalue()


@pytest.mark.parametrize(
    "wish,name",
    [
        ("holiday.jpg", "holiday.png"),
        ("../../x.png", "x.png"),
        ("C:\\dir\\y.png", "y.png"),
        (".png", "png.png"),
        ("\0\n<b>é", "b-é.png"),
        ("x" * 150, "x" * 60 + ".png"),
        ("/", "photo.png"),
    ],
)
def test_uploads_get_a_plain_name_and_the_suffix_of_their_content(gallery, folder, wish, name):
    found = gallery.add(png(), wish)
    assert found.name == name and (folder / name).read_bytes() == png()


def test_an_upload_replaces_nothing(gallery, folder):
    before = (folder / "a.png").read_bytes()
    other = gallery.add(png(7), "a.png")
    assert other.name.startswith("a-") and (folder / "a.png").read_bytes() == before
    assert gallery.add(png(7), "a.png").name == other.name
    with pytest.raises(MaskwrightError):
        gallery.add(png()[:300], "half.png")
    assert not (folder / "half.png").exists()
