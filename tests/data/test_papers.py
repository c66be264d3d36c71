import json

import numpy as np
import pytest

from maskwright.data.augmentation import A2U, MEMATTE
from maskwright.data.papers import paper_compositions
from maskwright.errors import DataError, UsageError
from maskwright.image.io import write_image

HEIGHT, WIDTH = 29, 31


def picture(file, value, *, channels=3):
    shape = (HEIGHT, WIDTH, 3)[: 2 if channels == 1 else 3]
    write_image(file, np.full(shape, value, np.uint8))


@pytest.fixture
def data(tmp_path):
    """Two foregrounds and three scenes, as UHR-395 and as Composition-1k name their folders."""
    for name, value in (("a", 10), ("b", 20)):
        for part in ("", "train"):
            picture(tmp_path / part / "fg" / f"{name}.png", value)
            picture(tmp_path / part / "alpha" / f"{name}.png", 255, channels=1)
    for name, value in (("s", 100), ("t", 110), ("u", 120)):
        picture(tmp_path / "bg" / f"{name}.png", value)
    return tmp_path


def values(samples):
    """Return foreground and scene of each sample."""
    things, scenes = samples.foregrounds, samples.backgrounds
    return [
        (int(things[i % len(things)].colour[0, 0, 0]), int(scenes[i % len(scenes)][0, 0, 0]))
        for i in range(len(samples))
    ]


def test_foregrounds_take_turns_on_the_scenes_beside_them_or_elsewhere(data):
    samples = paper_compositions(str(data), layout="composition-1k", plan=MEMATTE, seed=0)
    expected = [(10, 100), (20, 110), (10, 120)]
    assert values(samples) == expected
    (data / "bg").rename(data / "coco")
    settings = {"backgrounds": str(data / "coco"), "plan": A2U, "seed": 5}
    elsewhere = paper_compositions(str(data), **settings)
    assert values(elsewhere) == expected
    assert (elsewhere.plan, elsewhere.seed) == (A2U, 5)


def test_a_set_with_pairs_is_composited_by_them(data):
    listed = {
        "backgrounds": str(data / "bg"),
        "seed": 0,
        "pairs": {"a": ["u.png"], "b": ["s.png", "u.png"]},
    }
    wanted = {"layout": "uhr-395", "plan": MEMATTE, "seed": 0}
    without = paper_compositions(str(data), backgrounds=str(data / "bg"), **wanted)
    assert values(without) == [(10, 100), (20, 110), (10, 120)]
    (data / "train" / "pairs.json").write_text(json.dumps(listed))
    assert values(paper_compositions(str(data), **wanted)) == [(10, 120), (20, 100), (20, 120)]


def test_without_a_folder_all_is_drawn_from_the_seed():
    samples = paper_compositions("", plan=MEMATTE, seed=7)
    assert (len(samples.foregrounds), len(samples)) == (400, 2000)
    assert (samples.foregrounds.seed, samples.backgrounds.seed) == (7, 7)


def test_what_cannot_be_trained_on_is_named(data):
    with pytest.raises(UsageError, match="aim-500 has no foregrounds"):
        paper_compositions(str(data), layout="aim-500", plan=MEMATTE, seed=0)
    (data / "bg").rename(data / "coco")
    with pytest.raises(DataError, match="bg must be a folder of pictures"):
        paper_compositions(str(data), plan=MEMATTE, seed=0)
