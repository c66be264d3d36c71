import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "inference"))
from clicking import MOBILE, photo, small_clicker

from maskwright.batch.store import FeatureStore, file_name, remembered
from maskwright.errors import FeaturesError
from maskwright.image.io import read_photo
from maskwright.image.photo import Photo
from maskwright.inference.features import hash_image


@pytest.fixture(scope="module")
def clicker():
    return small_clicker(MOBILE)


@pytest.fixture(scope="module")
def features(clicker):
    return [clicker.encode(photo(seed=seed)) for seed in range(3)]


@pytest.fixture
def store(tmp_path, features):
    """A store of three photos, used last in the order 1, 2, 0."""
    found = FeatureStore(tmp_path / "store")
    for use, number in enumerate((1, 2, 0)):
        name = found.put(features[number])
        os.utime(tmp_path / "store" / name, (use, use))
    return found


def test_what_was_put_is_found_again_from_anywhere(store, features, tmp_path):
    moved = tmp_path / "moved"
    Path(store.root).rename(moved)
    again = FeatureStore(moved).get(features[1].image, features[1].weights)
    assert again.image == features[1].image
    for name, tensor in features[1].tensors.items():
        assert again.tensors[name].equal(tensor)
    found = sorted(path.relative_to(moved).as_posix() for path in moved.rglob("*.*"))
    assert found == sorted(file_name(one.image, one.weights) for one in features)
    assert all(name[:2] == name.split("/")[1][:2] for name in found)


def test_another_photo_or_other_weights_find_nothing(store, features):
    assert store.get("0" * 64, features[0].weights) is None
    assert store.get(features[0].image, "0" * 64) is None


def test_a_store_may_be_a_url(features):
    store = FeatureStore("memory://features")
    assert store.get(features[0].image, features[0].weights) is None
    store.put(features[0])
    assert store.get(features[0].image, features[0].weights).image == features[0].image


def test_what_was_not_used_for_longest_goes_first(store, features):
    each = store.total_bytes() / 3
    store.get(features[1].image, features[1].weights)  # now used last of all
    assert store.evict(int(2.5 * each)) == 1
    there = [store.get(one.image, one.weights) is not None for one in features]
    assert there == [True, True, False]
    store.most_bytes = int(1.5 * each)
    store.put(features[2])
    assert [store.get(one.image, one.weights) is not None for one in features][2]
    assert store.total_bytes() <= 1.5 * each


def test_damaged_and_renamed_files_are_found(store, features):
    assert store.verify() == (3, [])
    paths = [Path(store.root, file_name(one.image, one.weights)) for one in features]
    paths[0].write_bytes(paths[0].read_bytes()[:-9])
    paths[1].write_bytes(paths[2].read_bytes())
    count, problems = store.verify()
    assert count == 3 and len(problems) == 2
    with pytest.raises(FeaturesError, match="got others; delete the file"):
        store.get(features[1].image, features[1].weights)


def test_a_photo_is_encoded_once_and_again_when_it_or_the_weights_change(clicker, tmp_path):
    store, picture = FeatureStore(tmp_path), read_photo(photo(seed=7))
    first = remembered(store, clicker, picture)
    assert "it is new, or one of them has changed; encoded now, and kept" in first.note
    assert remembered(store, clicker, picture).note is None
    changed = Photo(255 - picture.pixels)
    assert remembered(store, clicker, changed).note is not None
    assert remembered(store, clicker, changed).features.image == hash_image(changed)
    other = small_clicker(MOBILE, change=0.5)
    assert remembered(store, other, picture).note is not None
    assert remembered(store, clicker, picture).note is None


def test_a_damaged_file_is_told_and_replaced(clicker, store, features, tmp_path):
    picture = read_photo(photo(seed=0))
    Path(store.root, file_name(features[0].image, features[0].weights)).write_bytes(b"no")
    assert "is damaged there" in remembered(store, clicker, picture).note
    assert store.verify() == (3, [])
