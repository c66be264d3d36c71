import re
from dataclasses import replace

import pytest

from maskwright.errors import LicenceError, UsageError
from maskwright.formats.classes import published_classes
from maskwright.models.mask2former.config import Config
from maskwright.weights.catalog import FILES, WeightRow, check_commercial, find_weight, list_weights
from maskwright.weights.download import verify

ROWS = pytest.mark.parametrize("row", list_weights(), ids=lambda row: row.name)
EMBEDDED = pytest.mark.parametrize(
    "row", [row for row in list_weights() if row.embedded], ids=lambda row: row.name
)


def test_names_are_unique():
    names = [row.name for row in list_weights()]
    assert len(set(names)) == len(names)


@ROWS
def test_a_row_is_embedded_or_has_an_address(row):
    assert row.embedded == (not row.url)
    assert row.embedded or re.match(r"https://|hf://[^/]+/[^/]+/", row.url)


@EMBEDDED
def test_embedded_files_match_their_rows(row):
    file = FILES / row.file_name
    assert file.stat().st_size == row.bytes <= 12_000_000
    verify(row, file)


@ROWS
def test_a_row_states_the_data_of_its_file_and_their_terms(row):
    assert row.data
    assert all(name and terms for name, terms in row.data)
    assert row.licence
    assert not row.embedded or (row.scores and row.recipe)


@ROWS
def test_only_an_official_file_leaves_its_checksum_to_its_host(row):
    assert row.official == (not row.sha256)


@ROWS
def test_a_licence_is_asked_for_where_it_forbids_commercial_use(row):
    assert row.must_be_accepted == row.name.startswith("mask2former-swin")
    assert not (row.commercial and row.must_be_accepted)


def test_rows_say_what_their_networks_keys_do_not():
    def config(name):
        return replace(Config(), **find_weight(f"mask2former-swin-{name}").config)

    assert config("tiny-coco-panoptic") == Config()
    assert config("small-coco-instance") == Config(task="instance")
    ade, large = config("tiny-ade-semantic"), config("large-ade-semantic")
    assert (ade.task, ade.short_side_px, ade.long_side_px) == ("semantic", 512, 2048)
    assert (large.short_side_px, large.long_side_px) == (640, 2560)
    assert config("large-ade-panoptic") == Config(short_side_px=640, long_side_px=2560)
    street = config("tiny-cityscapes-instance")
    assert (street.task, street.short_side_px, street.long_side_px) == ("instance", 1024, 2048)
    known = published_classes("cityscapes")
    things = [n for n, t in zip(known.names, known.is_thing, strict=True) if t]
    assert street.names == tuple(things) and street.things == (True,) * 8


def test_published_networks_lie_under_their_own_names_on_the_hub():
    row = find_weight("mask2former-swin-base-IN21k-ade-semantic")
    assert row.url == f"hf://facebook/{row.name}/pytorch_model.bin"
    assert (row.licence, row.scores) == ("CC BY-NC 4.0", {"ADE20K mIoU": 53.9})
    assert 420e6 < row.bytes < 430e6


def test_a_misspelt_name_is_answered_with_the_nearest_one():
    with pytest.raises(UsageError, match=r"got 'a2u-mimi'; did you mean a2u-mini\?"):
        find_weight("a2u-mimi")


def test_a_far_off_name_is_answered_with_all_names():
    with pytest.raises(
        UsageError, match=r"model's name or a .safetensors file, got 'x'; there are: a2u"
    ):
        find_weight("x")


def test_the_refusal_names_the_licence_and_where_the_terms_are():
    row = WeightRow(
        name="hobby",
        paper="a2u",
        task="matting",
        url="https://example.org/hobby",
        sha256="0" * 64,
        licence="CC BY-NC 4.0",
        commercial=False,
        data=(("Photos of Ada", "research only"),),
        scores={},
        bytes=7,
        embedded=False,
    )
    with pytest.raises(
        LicenceError, match=r"licence \(CC BY-NC 4.0\) or .* `maskwright models info hobby`"
    ):
        check_commercial(row)
