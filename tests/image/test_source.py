import os

import pytest

from maskwright.errors import ImageError
from maskwright.image.io import read_header, read_photo
from maskwright.image.source import display_name

BOTH = pytest.mark.parametrize("read", [read_photo, read_header])


@BOTH
def test_what_is_no_file_is_refused(tmp_path, read):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "empty.png").touch()
    cases = {
        "missing.png": "missing.png: expected a photo, got no such file; check the path",
        ".": "expected a photo, got a folder; name a file in it",
        "pipe.png": "pipe.png: expected a photo, got a pipe or device; pass its bytes",
        "empty.png": "empty.png: expected a photo, got an empty file",
        "empty.png/photo.png": "expected a readable photo, got an error: Not a directory",
        "a\0b.png": r"a\\x00b.png: expected a readable photo, got an error: embedded null byte",
        "x" * 300: "expected a readable photo, got an error: File name too long",
    }
    for name, message in cases.items():
        with pytest.raises(ImageError, match=message):
            read(tmp_path / name)


@BOTH
def test_a_link_in_a_circle_is_refused(tmp_path, read):
    (tmp_path / "circle.png").symlink_to(tmp_path / "circle.png")
    with pytest.raises(ImageError, match="circle.png: expected a readable photo, got an error"):
        read(tmp_path / "circle.png")


@BOTH
def test_a_file_that_may_not_be_read_is_refused(tmp_path, read):
    path = tmp_path / "locked.png"
    path.touch(mode=0o000)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read anything")
    with pytest.raises(ImageError, match="locked.png: .* Permission denied"):
        read(path)


@BOTH
@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"%PDF-1.7", "a PDF document"),
        (b"%!PS-Adobe", "a PostScript document"),
        (b"GIF89a", "a GIF"),
        (b"8BPS\0\1", "a Photoshop document"),
        (b"PK\3\4", "a zip archive"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a text in SVG, HTML or XML"),
        (b"\n  <!DOCTYPE html>", "a text in SVG, HTML or XML"),
        (b"\xef\xbb\xbf<?xml?>", "a text in SVG, HTML or XML"),
        (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
        (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
        (b"\xff\x0a", "a JPEG XL picture"),
        (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
        (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1", "an AVIF picture"),
        (b"\0\0\0\x20ftypisom", "a film"),
        (b"hello", "something else"),
        (b"\x89PNG", "something else"),
    ],
)
def test_other_formats_are_named_whatever_the_suffix(tmp_path, read, head, kind):
    path = tmp_path / "photo.jpg"
    path.write_bytes(head + bytes(100))
    message = f"photo.jpg: expected PNG, JPEG, TIFF, WebP, BMP or HEIC, got {kind}; convert it"
    with pytest.raises(ImageError, match=message):
        read(path)


def test_any_name_fits_on_one_line_and_can_be_printed():
    name = display_name(os.fsdecode(b"a\nb\xffc\x1b[31m\xc3\xa4.png"))
    assert name == "a\\x0ab\\xdcffc\\x1b[31mä.png"
    name.encode("utf-8")
