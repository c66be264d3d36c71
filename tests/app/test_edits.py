from typing import get_args

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from maskwright.app import payload
from maskwright.app.document import DONE, IN_WORK, Document, Stroke
from maskwright.app.edits import EDITS, Tools, edited, turned_mask
from maskwright.app.refusals import Refusal
from maskwright.errors import UsageError
from maskwright.structures import rle
from maskwright.structures.box import Box
from maskwright.structures.click import Click
from maskwright.structures.scribble import Scribble

SIZE = (31, 43)
ANSWER = np.zeros(SIZE, bool)
ANSWER[5:20, 7:30] = True
SUBJECT = ~ANSWER
PARTS = get_args(get_args(payload.Action)[0])
PARSE = TypeAdapter(payload.Action).validate_python
TOOLS = Tools(lambda one: rle.encode(ANSWER), lambda number: rle.encode(SUBJECT), ("a", "b"))


def after(*actions, start=None):
    document = start or Document(SIZE)
    for action in actions:
        document = edited(document, PARSE(action), TOOLS)
    return document


def mask(document, number=1):
    return rle.decode(document.find(number).rle)


ADD = {"type": "add"}
CLICK = {"type": "click", "object": 1, "x": 8.5, "y": 6, "positive": True}
REFINE = {"type": "refine", "object": 1, "band": "auto", "model": "b"}
SQUARE = [[10, 10], [20, 10], [20, 14], [10, 14]]


def test_every_action_of_the_contract_is_known():
    kinds = {get_args(kind.model_fields["type"].annotation)[0] for kind in PARTS}
    assert kinds == set(EDITS) and len(kinds) == 19


def test_objects_come_with_names_and_colours_and_go():
    document = after(
        ADD, ADD | {"name": "dog", "colour": "#AbCdEf"}, {"type": "remove", "object": 1}
    )
    assert [(one.number, one.name, one.colour) for one in document.objects] == [
        (2, "dog", "#abcdef")
    ]
    again = after(ADD, start=document)
    assert again.objects[1].number == 3 and again.objects[1].name == "Object 3"
    assert document.state == IN_WORK


def test_names_colours_and_order_change():
    document = after(
        ADD,
        ADD,
        {"type": "rename", "object": 1, "name": "cat"},
        {"type": "recolour", "object": 2, "colour": "#FF0000"},
        {"type": "reorder", "objects": [2, 1]},
    )
    assert [(one.number, one.name) for one in document.objects] == [(2, "Object 2"), (1, "cat")]
    assert document.find(2).colour == "#ff0000"


def test_what_is_said_to_the_network_is_kept_in_order():
    document = after(
        ADD,
        CLICK,
        {"type": "box", "object": 1, "box": [1, 2, 30, 20]},
        {"type": "scribble", "object": 1, "points": [[1, 1], [2, 2]], "positive": False},
    )
    assert document.find(1).said == (
        Click(8.5, 6),
        Box(1, 2, 30, 20),
        Scribble(((1, 1), (2, 2)), False),
    )
    np.testing.assert_array_equal(mask(document), ANSWER)


@pytest.mark.parametrize("kind", ["lasso", "brush"])
def test_what_is_drawn_is_added_to_the_mask_or_cut_from_it(kind):
    action = {"type": kind, "object": 1, "points": SQUARE}
    action |= {"radius": 3.0} if kind == "brush" else {}
    drawn = mask(after(ADD, action))
    assert drawn[12, 12] and drawn[10:14, 10:20].sum() >= 30 and not drawn[25, 30]
    added = after(ADD, CLICK, action)
    np.testing.assert_array_equal(mask(added), ANSWER | drawn)
    cut = after(ADD, CLICK, action | {"positive": False})
    np.testing.assert_array_equal(mask(cut), ANSWER & ~drawn)
    assert cut.find(1).said == () and cut.find(1).given == cut.find(1).rle
    assert not mask(after(ADD, action | {"positive": False})).any()


def test_a_subject_or_a_mask_begins_anew():
    taken = after(ADD, CLICK, {"type": "take", "object": 1, "subject": 1})
    np.testing.assert_array_equal(mask(taken), SUBJECT)
    given = {"type": "mask", "object": 1, "rle": rle.encode(ANSWER)}
    imported = after(given, start=taken)
    np.testing.assert_array_equal(mask(imported), ANSWER)
    for document in (taken, imported):
        assert document.find(1).given == document.find(1).rle and not document.find(1).said


@pytest.mark.parametrize(
    "code",
    [
        rle.encode(ANSWER.T),
        {"size": list(SIZE), "counts": "0"},
        {"size": list(SIZE), "counts": "é"},
    ],
)
def test_a_mask_of_another_size_or_damaged_is_refused(code):
    with pytest.raises(UsageError):
        after(ADD, {"type": "mask", "object": 1, "rle": code})


def test_edges_are_refined_painted_and_left():
    stroke = {"type": "paint_trimap", "object": 1, "points": [[1, 1]], "radius": 2, "value": 128}
    document = after(ADD, CLICK, REFINE, stroke, {"type": "refine", "object": 1, "band": 7})
    refine = document.find(1).refine
    assert (refine.band, refine.model) == (7, "b")
    assert refine.strokes == (Stroke(((1, 1),), 2, 128),)
    assert after({"type": "unrefine", "object": 1}, start=document).find(1).refine is None
    assert after(ADD, CLICK, {"type": "refine", "object": 1}).find(1).refine.model == "a"
    with pytest.raises(UsageError, match="refine it first"):
        after(ADD, CLICK, stroke)
    with pytest.raises(UsageError, match="has none yet"):
        after(ADD, REFINE)
    with pytest.raises(UsageError, match="matting network among a, b, got 'c'"):
        after(ADD, CLICK, REFINE | {"model": "c"})


def test_a_reset_keeps_name_and_colour_only():
    one = after(ADD, CLICK, REFINE, {"type": "reset", "object": 1}).find(1)
    assert (one.rle, one.refine, one.said, one.given, one.name) == (
        None,
        None,
        (),
        None,
        "Object 1",
    )


def test_settings_are_joined_and_marks_set_the_state():
    settings = {"type": "settings", "values": {"decontaminate": 0.5, "shown": "alpha"}}
    document = after(settings, {"type": "settings", "values": {"decontaminate": 1}})
    assert document.settings == {"decontaminate": 1, "shown": "alpha"}
    assert document.state == "untouched"
    done = after({"type": "mark", "state": "done"}, start=document)
    assert done.state == DONE and after(ADD, start=done).state == IN_WORK
    for wrong in (-0.1, 1.5, True, "much"):
        with pytest.raises(UsageError, match="decontaminate must be"):
            after({"type": "settings", "values": {"decontaminate": wrong}})


@pytest.mark.parametrize(
    "action",
    [
        CLICK | {"x": 43},
        CLICK | {"y": -0.1},
        {"type": "box", "object": 1, "box": [50, 2, 60, 20]},
        {"type": "box", "object": 1, "box": [20, 2, 10, 20]},
        {"type": "scribble", "object": 1, "points": [[1, 1], [1, 31]]},
        {"type": "lasso", "object": 1, "points": [[1, 1], [2, 2]]},
        {"type": "brush", "object": 1, "points": [[100, 1]], "radius": 3},
        {"type": "reorder", "objects": [1, 1]},
        {"type": "reorder", "objects": []},
    ],
)
def test_what_does_not_fit_the_photo_is_refused(action):
    with pytest.raises(UsageError):
        after(ADD, action)


def test_an_object_that_is_not_there_is_not_found():
    for action in (CLICK, REFINE, {"type": "remove", "object": 1}, {"type": "reset", "object": 1}):
        with pytest.raises(Refusal, match="there is no 1") as refused:
            after(action)
        assert refused.value.status == 404


def test_there_may_be_so_many_objects():
    full = after(*[ADD] * payload.MOST_OBJECTS)
    with pytest.raises(UsageError, match="64 objects at most"):
        after(ADD, start=full)


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "nix"},
        {"type": "add", "more": 1},
        {"type": "add", "name": "x" * 81},
        {"type": "add", "colour": "red"},
        CLICK | {"x": float("nan")},
        CLICK | {"x": float("inf")},
        CLICK | {"x": "8"},
        CLICK | {"positive": 1},
        CLICK | {"object": True},
        CLICK | {"object": 0},
        {"type": "lasso", "object": 1, "points": [[1, 1]] * 2001},
        {"type": "lasso", "object": 1, "points": [[1, 1, 1]] * 3},
        {"type": "brush", "object": 1, "points": [[1, 1]], "radius": 0},
        {"type": "paint_trimap", "object": 1, "points": [[1, 1]], "radius": 3, "value": 5},
        {"type": "paint_trimap", "object": 1, "points": [[1, 1]], "radius": 3, "value": False},
        {"type": "paint_trimap", "object": 1, "points": [[1, 1]], "radius": 3, "value": 128.0},
        {"type": "refine", "object": 1, "band": 0},
        {"type": "refine", "object": 1, "band": "3%"},
        {"type": "settings", "values": {"x": [1]}},
        {"type": "mark", "state": "untouched"},
    ],
)
def test_what_no_page_would_send_is_malformed(wrong):
    with pytest.raises(ValidationError):
        PARSE(wrong)


def test_masks_are_turned_without_going_against_the_grain():
    turned = turned_mask(rle.encode(ANSWER))
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(turned.T, ANSWER)


def test_objects_are_hidden_and_shown():
    hidden = after(ADD, {"type": "show", "object": 1, "visible": False})
    assert not hidden.find(1).visible
    assert after({"type": "show", "object": 1, "visible": True}, start=hidden).find(1).visible
