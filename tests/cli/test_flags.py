import pytest

from maskwright.cli.flags import band_width, pixel_count
from maskwright.cli.train import parse_settings
from maskwright.errors import UsageError


@pytest.mark.parametrize("text,expected", [("50M", 50_000_000), ("1.5k", 1500), ("7", 7)])
def test_pixels_are_counted_in_powers_of_ten(text, expected):
    assert pixel_count(text) == expected


@pytest.mark.parametrize("text", ["", "M", "0", "-1", "50MP"])
def test_other_pixel_counts_are_refused(text):
    with pytest.raises(UsageError, match=f"number of pixels like 50M, got '{text}'"):
        pixel_count(text)


@pytest.mark.parametrize("text,expected", [("auto", "auto"), ("17", 17), ("3%", "3%")])
def test_a_band_is_automatic_or_pixels_or_a_share(text, expected):
    assert band_width(text) == expected


@pytest.mark.parametrize("text", ["0", "wide", "%", "-3", "3.5"])
def test_other_bands_are_refused(text):
    with pytest.raises(UsageError, match=f"a share like 3%, got '{text}'"):
        band_width(text)


def test_settings_are_split_at_the_first_equals_sign():
    assert parse_settings(["a=1", "b=c=d", "e="]) == {"a": "1", "b": "c=d", "e": ""}


@pytest.mark.parametrize(
    "texts,message",
    [
        (["a"], "--set must be KEY=VALUE, got 'a'"),
        (["=1"], "--set must be KEY=VALUE, got '=1'"),
        (["a=1", "a=2"], "--set a was given twice; keep one"),
    ],
)
def test_other_settings_are_refused(texts, message):
    with pytest.raises(UsageError, match=message):
        parse_settings(texts)
