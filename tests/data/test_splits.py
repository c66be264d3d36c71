import zlib
from pathlib import Path

import pytest

from maskwright.data.splits import HELD_OUT_FOREGROUNDS, split_backgrounds, split_foregrounds
from maskwright.errors import DataError

DATA = Path(__file__).parents[3] / "shared/data"


@pytest.fixture
def foregrounds(tmp_path):
    for name in (*HELD_OUT_FOREGROUNDS, "am2k_sample1", "lemur"):
        (tmp_path / f"{name}.png").touch()
    return tmp_path


@pytest.fixture
def backgrounds(tmp_path):
    for index in range(29):
        folder = tmp_path / f"set{index % 3}"
        folder.mkdir(exist_ok=True)
        (folder / f"{index}.jpg").touch()
    return tmp_path


def test_listed_foregrounds_are_held_out_and_the_test_photo_is_in_neither_part(foregrounds):
    split = split_foregrounds(foregrounds)
    assert [file.stem for file in split.held_out] == sorted(HELD_OUT_FOREGROUNDS)
    assert [file.stem for file in split.training] == ["am2k_sample1"]


def test_a_missing_held_out_foreground_is_named(foregrounds):
    (foregrounds / "aim_s_1.png").unlink()
    with pytest.raises(DataError, match="got none named aim_s_1; check the folder"):
        split_foregrounds(foregrounds)


def test_every_background_is_in_the_part_its_name_says(backgrounds):
    split = split_backgrounds(backgrounds)
    assert len(split.training) + len(split.held_out) == 29
    assert not set(split.training) & set(split.held_out)
    for file in (*split.training, *split.held_out):
        assert (file in split.held_out) == (zlib.crc32(file.name.encode()) % 6 == 0)


def test_a_new_background_moves_no_other(backgrounds):
    before = split_backgrounds(backgrounds)
    (backgrounds / "set0/0a.jpg").touch()
    after = split_backgrounds(backgrounds)
    assert set(before.training) <= set(after.training)
    assert set(before.held_out) <= set(after.held_out)


def test_a_folder_without_backgrounds_is_refused(tmp_path):
    with pytest.raises(DataError, match="to train and to test on, got 0 and 0; add photos"):
        split_backgrounds(tmp_path)


@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data beside the checkout")
def test_the_real_folders_split_into_parts_large_enough_to_train_and_to_test():
    foregrounds = split_foregrounds(DATA / "matting_fg_real/fg")
    backgrounds = split_backgrounds(DATA / "backgrounds")
    assert (len(foregrounds.training), len(foregrounds.held_out)) == (28, 8)
    assert (len(backgrounds.training), len(backgrounds.held_out)) == (191, 40)
