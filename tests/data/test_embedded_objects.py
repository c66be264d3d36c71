from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from maskwright.data.embedded_objects import COLLECTIONS, ObjectSources, chosen
from maskwright.data.object_crops import ObjectCropPlan
from maskwright.data.scenes import Scene, parts_of
from maskwright.data.splits import BENCHMARK_PHOTOS, sequence_of
from maskwright.image.io import read_header

DATA = Path(__file__).parents[3] / "shared/data"
needs_data = pytest.mark.skipif(
    not DATA.exists(), reason="needs ../shared/data beside the checkout"
)


def test_the_whole_comes_first_and_all_are_of_one_map():
    labels = np.zeros((20, 20), np.uint8)
    for number in range(1, 5):
        labels[:, 4 * number : 4 * number + 4] = number
    parts = (*parts_of(labels, 0, whole=True), *parts_of(labels.T.copy(), 1, whole=True))
    scene = Scene("", (), (labels, labels.T.copy()), parts)
    for seed in range(10):
        found = chosen(scene, np.random.default_rng(seed), most=3)
        assert [len(part.labels) for part in found] == [4, 1, 1]
        assert len({part.map_index for part in found}) == 1 and len(set(found)) == 3
    assert chosen(Scene("", (), (), ()), np.random.default_rng(0), most=2) == []


@needs_data
def test_at_least_300_objects_of_1_percent_are_held_out_the_same_each_time():
    objects = ObjectSources(str(DATA)).held_out()
    sets = Counter(found.name.partition("/")[0] for found in objects)
    assert len(objects) >= 300 and len(sets) == len(COLLECTIONS) and min(sets.values()) >= 20
    assert len({found.name for found in objects}) == len(objects)
    assert min(found.share for found in objects) >= 0.01
    for found in objects[::37]:
        mask = found.mask()
        assert mask.shape == read_header(found.image).size and mask.mean() == found.share
    assert [found.code for found in ObjectSources(str(DATA), seed=9).held_out()] == [
        found.code for found in objects
    ]


@needs_data
def test_no_photo_or_film_is_both_trained_on_and_held_out():
    objects = ObjectSources(str(DATA)).held_out()
    held_out = {found.image for found in objects}
    assert not {file.stem for file in held_out} & set(BENCHMARK_PHOTOS)
    for collection in COLLECTIONS:
        files = collection.open(DATA / collection.folder).files
        assert not held_out & set(files.training)
        if collection.folder == "davis2016_train":
            films = {sequence_of(file) for file in files.training}
            assert not films & {sequence_of(file) for file in held_out}


@needs_data
@pytest.mark.slow
def test_crops_of_the_real_photos_show_objects_of_every_set():
    crops = ObjectSources(str(DATA)).training(ObjectCropPlan(side_px=64))
    assert len(crops.scenes) == len(COLLECTIONS) and all(crops.scenes)
    for index in range(50):
        assert 0 < crops[0, index]["label"].float().mean() < 0.95
