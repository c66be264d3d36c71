import json
import zlib
from pathlib import Path

import pytest

from maskwright.data.splits import (
    BENCHMARK_PHOTOS,
    HELD_OUT_FOREGROUNDS,
    sequence_of,
    split_backgrounds,
    split_foregrounds,
    split_photos,
)
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


@pytest.fixture
def frames(tmp_path):
    for film in range(31):
        for frame in range(0, 30, 10):
            (tmp_path / f"film-{film}_{frame:05d}.jpg").touch()
    return tmp_path


def test_photos_are_split_by_name_and_films_are_not_torn_apart(frames):
    files = list(frames.glob("*.jpg"))
    by_film, by_file = split_photos(files, group=sequence_of), split_photos(files)
    for split, group in ((by_film, sequence_of), (by_file, lambda file: file.name)):
        assert len(split.training) + len(split.held_out) == 93
        for file in files:
            assert (file in split.held_out) == (zlib.crc32(group(file).encode()) % 6 == 0)
    films = [{sequence_of(file) for file in part} for part in (by_film.training, by_film.held_out)]
    assert films[0] and films[1] and not films[0] & films[1]


def test_photos_of_benchmarks_are_in_neither_part(frames):
    for name in BENCHMARK_PHOTOS:
        (frames / f"{name}.jpg").touch()
    split = split_photos(frames.glob("*.jpg"))
    assert len(split.training) + len(split.held_out) == 93 and len(BENCHMARK_PHOTOS) == 20


def test_too_few_photos_are_refused(tmp_path):
    with pytest.raises(DataError, match="to train and to test on, got 0 and 0; add photos or"):
        split_photos([])


def test_the_film_of_a_frame_is_what_stands_before_its_number():
    assert sequence_of(Path("a/bmx-bumps_00030.jpg")) == "bmx-bumps"
    assert sequence_of(Path("alone.jpg")) == "alone"


@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data beside the checkout")
def test_the_real_photos_hold_no_benchmark_photo_in_either_part():
    listed = DATA / "bsds500/EXCLUDE_overlap_with_grabcut50_iseg151.json"
    assert sorted(BENCHMARK_PHOTOS) == sorted(json.loads(listed.read_text()))
    frames = split_photos((DATA / "davis2016_train/images").glob("*.jpg"), group=sequence_of)
    assert sorted({sequence_of(file) for file in frames.held_out}) == [
        *("boat", "car-turn", "dog-agility", "hockey")
    ]
