import pytest

from maskwright.cli.hints import parse_hints
from maskwright.errors import UsageError


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.jpg", "t.png"):
        (tmp_path / name).touch()


def hints(trimap=None, mask=None, band="auto", photos=("a.jpg",)):
    return parse_hints(trimap, mask, band, photos=list(photos))


def test_a_trimap_or_a_mask_with_its_band(here):
    assert hints("t.png").files.kind == "trimap"
    assert (hints(mask="t.png").files.kind, hints(mask="t.png").band) == ("mask", "auto")
    assert hints(mask="t.png", band="17").band == 17
    assert hints("-").files.path == "-"


@pytest.mark.parametrize(
    "given,message",
    [
        ({}, r"does not find the subject by itself; say where it is with --trimap .* or --mask"),
        ({"trimap": "t.png", "mask": "t.png"}, "--trimap and --mask exclude each other"),
        ({"trimap": "t.png", "band": "3"}, "--band belongs to --mask"),
        ({"trimap": "x.png"}, "expected a trimap, there is no x.png"),
        ({"mask": "x.png"}, "expected a mask, there is no x.png"),
        ({"trimap": "-", "photos": ["-"]}, "needs one photo from a file"),
        ({"mask": "-", "photos": ["a.jpg", "b.jpg"]}, "needs one photo from a file"),
        ({"mask": "-", "photos": ["."]}, "needs one photo from a file"),
    ],
)
def test_other_hints_are_refused(here, given, message):
    with pytest.raises(UsageError, match=message):
        hints(**given)
