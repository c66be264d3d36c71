"""The click network in the package, on a real photo: what people without a network get."""

from pathlib import Path

import numpy as np
import pytest

from maskwright.data.clicks import RITM, hold_dialogue
from maskwright.evaluation.clicking import Answering
from maskwright.image.trimap import read_trimap
from maskwright.inference.click import Clicker
from maskwright.metrics.interactive import iou
from maskwright.structures.box import Box
from maskwright.structures.click import Click

skimage = pytest.importorskip("skimage.data")
TRIMAP = Path(__file__).parents[2] / "examples" / "astronaut_trimap.png"


@pytest.fixture(scope="module")
def clicker():
    return Clicker.load("interformer-mini", device="cpu")


@pytest.fixture(scope="module")
def photo():
    return skimage.astronaut()


@pytest.fixture(scope="module")
def trimap(photo):
    return read_trimap(TRIMAP, photo.shape[:2])


def test_a_person_takes_few_clicks(clicker, photo, trimap):
    answer = Answering(clicker, clicker.encode(photo))
    found = hold_dialogue(
        answer, trimap == 255, ignored=trimap == 128, protocol=RITM, target=0.9, limit=8
    )
    assert found.ious[-1] >= 0.9, found.ious


def test_a_box_says_more_than_a_click(clicker, photo, trimap):
    rows, columns = np.nonzero(trimap == 255)
    edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    box = Box(*(float(edge) for edge in edges))
    features = clicker.encode(photo)
    centre = Click((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
    by_click, by_box = clicker.answer(features, [centre]), clicker.answer(features, box=box)
    scores = [iou(each.mask, trimap == 255, trimap == 128) for each in (by_click, by_box)]
    assert scores[1] > scores[0] + 0.1
