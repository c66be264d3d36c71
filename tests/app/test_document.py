import json
from dataclasses import replace

import numpy as np
import pytest

from maskwright.app.document import (
    Document,
    Object,
    Refine,
    Stroke,
    change_to_json,
    changed,
)
from maskwright.structures import rle
from maskwright.structures.box import Box
from maskwright.structures.click import Click
from maskwright.structures.scribble import Scribble

SIZE = (5, 7)
MASK = rle.encode(np.eye(5, 7, dtype=bool))
DOG = Object(1, "dog", "#ff0000")
STROKE = Stroke(((1.0, 2.5), (3.0, 4.0)), 2.0, 128)


def through_json(before, after):
    return changed(before, json.loads(json.dumps(change_to_json(before, after))))


def states():
    """Yield documents, each after one action on the one before."""
    now = Document(SIZE)
    yield now
    now = now.with_object(DOG)
    yield now
    for said in (Click(1.5, 2), Box(0, 0, 3, 4.5), Scribble(((1.0, 1.0), (2.0, 2.0)), False)):
        dog = now.find(1)
        now = now.with_object(replace(dog, said=(*dog.said, said), rle=MASK))
        yield now
    now = replace(now.with_object(Object(2, "cat", "#00ff00", rle=MASK)), state="in work")
    yield now
    now = now.with_object(replace(now.find(1), refine=Refine("auto", "small")))
    yield now
    now = now.with_object(replace(now.find(1), refine=Refine(9, "small", (STROKE,))))
    yield now
    now = now.with_object(replace(now.find(1), refine=Refine(9, "small", (STROKE, STROKE))))
    yield now
    yield replace(now, objects=now.objects[::-1])
    now = now.with_object(replace(now.find(1), said=(), given=MASK, refine=None))
    yield now
    now = replace(now, objects=now.objects[1:], settings={"decontaminate": 0.5}, state="done")
    yield now
    yield now.with_object(Object(3, "x", "#0000ff", visible=False))


def test_a_change_leads_from_each_state_to_the_next():
    found = list(states())
    for before, after in zip(found, found[1:], strict=False):
        assert through_json(before, after) == after != before


def test_a_change_holds_only_what_is_new():
    found = list(states())
    new_stroke = change_to_json(found[7], found[8])
    assert new_stroke["objects"] == [
        {
            "number": 1,
            "refine": {
                "band": 9,
                "model": "small",
                "kept": 1,
                "new": [{"points": [[1.0, 2.5], [3.0, 4.0]], "radius": 2.0, "value": 128}],
            },
        }
    ]
    assert change_to_json(found[2], found[2]) == {}
    assert change_to_json(found[2], found[3])["objects"][0]["said"]["kept"] == 1


def test_numbers_are_not_given_again_to_other_objects():
    now = Document(SIZE).with_object(DOG).with_object(replace(DOG, number=2))
    assert replace(now, objects=now.objects[:1]).last_number == 2


@pytest.mark.parametrize(
    "change", [{"rle": MASK}, {"refine": Refine("auto", "x")}, {"refine": Refine(3, "x")}]
)
def test_the_state_hash_changes_with_mask_and_edge_only(change):
    assert replace(DOG, **change).state_hash != DOG.state_hash
    assert replace(DOG, name="cat", colour="#000000").state_hash == DOG.state_hash


def test_area_and_box():
    assert DOG.area_and_box() == (0, None)
    assert replace(DOG, rle=MASK).area_and_box() == (5, (0, 0, 5, 5))
    empty = rle.encode(np.zeros(SIZE, bool))
    assert replace(DOG, rle=empty).area_and_box() == (0, None)
