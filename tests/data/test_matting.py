from pathlib import Path

import numpy as np
import pytest

from maskwright.data.matting import (
    LAYOUTS,
    benchmark,
    benchmark_rows,
    pictures,
    training_rows,
    training_set,
)
from maskwright.errors import DataError, UsageError
from maskwright.image.io import write_image

HEIGHT, WIDTH = 5, 7


def put(folder, *names, size=(HEIGHT, WIDTH)):
    for name in names:
        write_image(folder / name, np.full(size, 128, np.uint8))
    return folder


def test_pairs_are_found_by_stem_across_suffixes(tmp_path):
    put(tmp_path / "fg", "b.jpg", "a.png")
    put(tmp_path / "alpha", "a.PNG", "b.tif")
    rows = training_set(tmp_path)
    assert [(r.name, r.foreground.name, r.alpha.name) for r in rows] == [
        ("a", "a.png", "a.PNG"),
        ("b", "b.jpg", "b.tif"),
    ]


def test_held_out_names_are_left_out(tmp_path):
    put(tmp_path / "fg", "a.png", "b.png")
    put(tmp_path / "alpha", "a.png", "b.png")
    assert [row.name for row in training_set(tmp_path, held_out=["a"])] == ["b"]


def test_a_misspelt_held_out_name_is_noticed(tmp_path):
    put(tmp_path / "fg", "a.png")
    put(tmp_path / "alpha", "a.png")
    with pytest.raises(DataError, match="a held-out name must be a file .* not so for 1: aa;"):
        training_set(tmp_path, held_out=["aa"])


def test_missing_partners_are_named_up_to_five_and_counted(tmp_path):
    put(tmp_path / "fg", *(f"{n}.png" for n in "abcdefg"))
    put(tmp_path / "alpha", "a.png")
    expected = r"must have an alpha .* for 6: b.png, c.png, d.png, e.png, f.png, …; add"
    with pytest.raises(DataError, match=expected):
        training_set(tmp_path)
    with pytest.raises(DataError, match=r"an alpha must have a foreground .* not so for 6"):
        training_rows(tmp_path / "alpha", tmp_path / "fg")


def test_sizes_are_compared_without_decoding(tmp_path):
    put(tmp_path / "fg", "a.png", "b.png")
    put(tmp_path / "alpha", "a.png")
    put(tmp_path / "alpha", "b.png", size=(3, 11))
    with pytest.raises(DataError, match=r"one size.* 1: \(fg/b.png 7 x 5, alpha/b.png 11 x 3\)"):
        training_set(tmp_path)


def test_two_pictures_of_one_name_are_refused(tmp_path):
    put(tmp_path, "a.png", "a.jpg")
    with pytest.raises(DataError, match="one picture, whatever the suffix, not so for 1: a.png"):
        pictures(tmp_path)


def test_other_and_hidden_files_do_not_count(tmp_path):
    put(tmp_path, "a.png", ".b.png")
    (tmp_path / "notes.txt").write_text("none")
    assert list(pictures(tmp_path)) == ["a"]


def test_an_empty_or_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"must hold pictures \(.bmp, .* got none"):
        pictures(tmp_path)
    with pytest.raises(DataError, match="nowhere must be a folder of pictures"):
        pictures(tmp_path / "nowhere")
    with pytest.raises(DataError, match="must hold a folder fg, got none"):
        training_set(tmp_path)


def test_composition_1k_shares_an_alpha_among_its_images(tmp_path):
    put(tmp_path / "merged", "cat_0.png", "cat_1.png", "dog_2_0.png")
    put(tmp_path / "trimaps", "cat_0.png", "cat_1.png", "dog_2_0.png")
    put(tmp_path / "alpha", "cat.png", "dog_2.png")
    rows = benchmark(tmp_path, layout="composition-1k")
    assert [row.alpha.name for row in rows] == ["cat.png", "cat.png", "dog_2.png"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_finds_its_folders(tmp_path, layout):
    folders = LAYOUTS[layout]
    for choice in (folders.images, folders.trimaps, folders.alphas):
        put(tmp_path / choice[-1], "a.png")
    (row,) = benchmark(tmp_path, layout=layout)
    assert row.image.parent.name == folders.images[-1]
    assert row.trimap.parent.name == folders.trimaps[-1]
    assert row.alpha.parent.name == folders.alphas[-1]


@pytest.mark.parametrize(
    "lacking, message",
    [
        ("trimap", "an image must have a trimap of the same name in .*, not so for 1: b.png"),
        ("alpha", "an image must have an alpha of the same name in .*, not so for 1: b.png"),
    ],
)
def test_an_image_without_a_partner_is_named(tmp_path, lacking, message):
    for folder in ("image", "trimap", "alpha"):
        put(tmp_path / folder, "a.png", *([] if folder == lacking else ["b.png"]))
    with pytest.raises(DataError, match=message):
        benchmark(tmp_path)


def test_a_trimap_or_alpha_without_an_image_is_named(tmp_path):
    put(tmp_path / "image", "a.png")
    put(tmp_path / "trimap", "a.png", "b.png")
    put(tmp_path / "alpha", "a.png", "c.png")
    with pytest.raises(DataError, match="a trimap must have an image .* not so for 1: b.png"):
        benchmark(tmp_path)
    Path(tmp_path / "trimap" / "b.png").unlink()
    with pytest.raises(DataError, match="an alpha must have an image .* not so for 1: c.png"):
        benchmark_rows(tmp_path / "image", trimaps=tmp_path / "trimap", alphas=tmp_path / "alpha")


def test_an_unknown_layout_is_refused(tmp_path):
    with pytest.raises(UsageError, match="a layout must be one of composition-1k,.* got 'am2k'"):
        benchmark(tmp_path, layout="am2k")


def test_a_data_set_without_foregrounds_cannot_be_trained_on(tmp_path):
    with pytest.raises(UsageError, match="aim-500 has no foregrounds to train on"):
        training_set(tmp_path, layout="aim-500")


@pytest.mark.parametrize("part", ["test", ""])
def test_uhr_395_is_read_as_published_from_the_root_or_the_part(tmp_path, part):
    put(tmp_path / "train" / "fg", "a.jpg", "b.jpg")
    put(tmp_path / "train" / "alpha", "a.jpg", "b.jpg")
    put(tmp_path / "test" / "merged", "a_0.jpg", "c.png")
    put(tmp_path / "test" / "trimaps", "a_0.png", "c.png")
    put(tmp_path / "test" / "alpha", "a_0.jpg", "c.png")
    trained = training_set(tmp_path / ("train" if part else ""), layout="uhr-395")
    assert [row.name for row in trained] == ["a", "b"]
    tested = benchmark(tmp_path / part, layout="uhr-395")
    assert [row.image.name for row in tested] == ["a_0.jpg", "c.png"]
    (tmp_path / "test" / "alpha" / "a_0.jpg").unlink()
    with pytest.raises(DataError, match="must have an alpha of the same name in .* 1: a_0.jpg;"):
        benchmark(tmp_path, layout="uhr-395")


def test_aim_500_is_read_as_published(tmp_path):
    put(tmp_path / "original", "o_1.jpg")
    put(tmp_path / "trimap", "o_1.png")
    put(tmp_path / "mask", "o_1.png")
    (row,) = benchmark(tmp_path, layout="aim-500")
    assert (row.image.suffix, row.trimap.parent.name, row.alpha.parent.name) == (
        *(".jpg", "trimap", "mask"),
    )


def test_ppm_100_has_no_trimaps_unless_somebody_made_them(tmp_path):
    put(tmp_path / "image", "a.jpg", "b.jpg")
    put(tmp_path / "matte", "a.jpg", "b.jpg")
    assert [row.trimap for row in benchmark(tmp_path, layout="ppm-100")] == [None, None]
    put(tmp_path / "trimap", "a.png", "b.png")
    rows = benchmark(tmp_path, layout="ppm-100")
    assert [row.trimap.name for row in rows] == ["a.png", "b.png"]
    put(tmp_path / "matte", "c.jpg")
    with pytest.raises(DataError, match="an alpha must have an image .* not so for 1: c.jpg;"):
        benchmark(tmp_path, layout="ppm-100")


def test_sizes_are_compared_where_there_is_no_trimap(tmp_path):
    put(tmp_path / "image", "a.jpg")
    put(tmp_path / "matte", "a.jpg", size=(3, 11))
    with pytest.raises(DataError, match=r"one size.*\(image/a.jpg 7 x 5, matte/a.jpg 11 x 3\)"):
        benchmark(tmp_path, layout="ppm-100")


def test_distinctions_646_has_folders_of_its_parts_or_not(tmp_path):
    put(tmp_path / "Train" / "FG", "a.png")
    put(tmp_path / "Train" / "GT", "a.png")
    for part in (tmp_path, tmp_path / "Train"):
        assert [row.name for row in training_set(part, layout="distinctions-646")] == ["a"]


def test_transparent_460_is_tested_on_once_it_is_composited(tmp_path):
    for folder in ("fg", "alpha"):
        put(tmp_path / "Train" / folder, "a.jpg")
        put(tmp_path / "Test" / folder, "b.jpg")
    assert [row.name for row in training_set(tmp_path, layout="transparent-460")] == ["a"]
    expected = "Test must hold composites in merged or image, got foregrounds only; make some with"
    with pytest.raises(DataError, match=expected):
        benchmark(tmp_path, layout="transparent-460")
    put(tmp_path / "Test" / "merged", "b_0.png", "b_1.png")
    put(tmp_path / "Test" / "trimaps", "b_0.png", "b_1.png")
    rows = benchmark(tmp_path, layout="transparent-460")
    assert [row.alpha.name for row in rows] == ["b.jpg", "b.jpg"]
