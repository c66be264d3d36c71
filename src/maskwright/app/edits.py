"""What each action makes of a document; no network is asked here but by `Tools`.

One function for each kind of action, found in `EDITS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from maskwright.app import payload
from maskwright.app.document import (
    DONE,
    IN_WORK,
    Document,
    Object,
    Refine,
    Said,
    Stroke,
    as_points,
)
from maskwright.app.refusals import Refusal
from maskwright.errors import DataError, UsageError
from maskwright.image.polygons import Polygon, mask_from_polygons
from maskwright.image.strokes import stroke_mask
from maskwright.structures import rle as runs
from maskwright.structures.box import Box
from maskwright.structures.click import Click
from maskwright.structures.scribble import Scribble

COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#42d4f4", "#f032e6", "#9a6324")
ASK_NETWORK = frozenset({"click", "box", "scribble", "take"})
Rle = Mapping[str, Any]


@dataclass(frozen=True)
class Tools:
    """What edits need of others.

    Attributes:
        answer: Gives the mask of an object after what was said about it.
        subject: Gives the mask of a subject that was found, by its number.
        matters: Names of the matting networks, the default first.
    """

    answer: Callable[[Object], Rle]
    subject: Callable[[int], Rle]
    matters: tuple[str, ...]


def edited(document: Document, action: Any, tools: Tools) -> Document:
    """Return the document after an action.

    Args:
        document: As it stands.
        action: One of `payload.Action`.
        tools: See there.

    Raises:
        Refusal: If there is no such object.
        UsageError: If a value does not fit the photo or the object.
    """
    after = EDITS[action.type](document, action, tools)
    is_work = action.type not in {"mark", "settings"}
    return replace(after, state=IN_WORK) if is_work else after


def _object(document: Document, number: int) -> Object:
    found = document.find(number)
    if found is None:
        known = ", ".join(str(one.number) for one in document.objects) or "none"
        raise Refusal(404, f"expected an object of this photo ({known}), there is no {number}")
    return found


def _add(document: Document, action: payload.Add, tools: Tools) -> Document:
    if len(document.objects) >= payload.MOST_OBJECTS:
        raise UsageError(
            f"a photo may have {payload.MOST_OBJECTS} objects at most; remove one first"
        )
    number = document.last_number + 1
    name = action.name or f"Object {number}"
    colour = action.colour or COLOURS[(number - 1) % len(COLOURS)]
    return document.with_object(Object(number, name, colour.lower()))


def _remove(document: Document, action: payload.Remove, tools: Tools) -> Document:
    gone = _object(document, action.object)
    return replace(document, objects=tuple(one for one in document.objects if one is not gone))


def _rename(document: Document, action: payload.Rename, tools: Tools) -> Document:
    return document.with_object(replace(_object(document, action.object), name=action.name))


def _recolour(document: Document, action: payload.Recolour, tools: Tools) -> Document:
    colour = action.colour.lower()
    return document.with_object(replace(_object(document, action.object), colour=colour))


def _show(document: Document, action: payload.Show, tools: Tools) -> Document:
    shown = replace(_object(document, action.object), visible=action.visible)
    return document.with_object(shown)


def _reorder(document: Document, action: payload.Reorder, tools: Tools) -> Document:
    known = {one.number: one for one in document.objects}
    if sorted(action.objects) != sorted(known):
        raise UsageError(
            f"an order must name each object once, {sorted(known)}, got {action.objects[:70]}"
        )
    return replace(document, objects=tuple(known[number] for number in action.objects))


def _click(document: Document, action: payload.ClickAt, tools: Tools) -> Document:
    click = Click(action.x, action.y, action.positive)
    click.pixel(document.size)
    return _told(document, action.object, click, tools)


def _box(document: Document, action: payload.BoxAround, tools: Tools) -> Document:
    box = Box(*action.box)
    box.slices(document.size)
    return _told(document, action.object, box, tools)


def _scribble(document: Document, action: payload.ScribbleOn, tools: Tools) -> Document:
    scribble = Scribble(_points(action.points, document.size), action.positive)
    return _told(document, action.object, scribble, tools)


def _told(document: Document, number: int, said: Said, tools: Tools) -> Document:
    """Return the document after something was said to the network about an object."""
    before = _object(document, number)
    told = replace(before, said=(*before.said, said))
    return document.with_object(replace(told, rle=tools.answer(told)))


def _lasso(document: Document, action: payload.Lasso, tools: Tools) -> Document:
    points = _points(action.points, document.size)
    if len(points) < 3:
        raise UsageError(f"a lasso needs three points or more, got {len(points)}; draw around")
    drawn = mask_from_polygons([Polygon(np.array(points, np.float64))], document.size)
    return _drawn(document, action.object, drawn, positive=action.positive)


def _brush(document: Document, action: payload.Brush, tools: Tools) -> Document:
    points = _points(action.points, document.size)
    drawn = stroke_mask(points, action.radius, document.size)
    return _drawn(document, action.object, drawn, positive=action.positive)


def _drawn(
    document: Document, number: int, drawn: Bool[np.ndarray, "h w"], *, positive: bool
) -> Document:
    """Return the document after something was added to a mask, or cut from it."""
    one = _object(document, number)
    # Runs go down the columns: turned masks are read and written without going against the grain.
    turned: NDArray[np.bool_] = cv2.transpose(drawn.view(np.uint8)).view(np.bool_)
    if one.rle is not None:
        before = turned_mask(one.rle)
        turned = before | turned if positive else before & ~turned
    elif not positive:
        turned = np.zeros_like(turned)
    return _given(document, one, runs.encode(turned.T))


def turned_mask(rle: Rle) -> Bool[np.ndarray, "w h"]:
    """Return a mask with rows and columns exchanged, which is how its runs go."""
    height, width = rle["size"]
    spans = runs.spans(rle)
    edges = np.concatenate([[0], spans.ravel(), [height * width]])
    inside = np.arange(len(edges) - 1) % 2 == 1
    return np.repeat(inside, np.diff(edges)).reshape(width, height)


def _take(document: Document, action: payload.Take, tools: Tools) -> Document:
    return _given(document, _object(document, action.object), tools.subject(action.subject))


def _mask(document: Document, action: payload.Mask, tools: Tools) -> Document:
    one = _object(document, action.object)
    if tuple(action.rle.size) != document.size:
        raise UsageError(
            f"a mask must be as large as its photo, {list(document.size)}, got {action.rle.size}"
        )
    try:
        spans = runs.spans({"size": action.rle.size, "counts": action.rle.counts})
    except (DataError, ValueError) as error:
        raise UsageError(str(error)) from error
    return _given(document, one, runs.from_spans(spans, document.size))


def _given(document: Document, one: Object, rle: Rle) -> Document:
    """Return the document with a mask that no click made; clicks go on from it."""
    return document.with_object(replace(one, rle=rle, given=rle, said=()))


def _refine(document: Document, action: payload.RefineEdge, tools: Tools) -> Document:
    one = _object(document, action.object)
    default = one.refine.model if one.refine is not None else next(iter(tools.matters), "none")
    model = action.model or default
    if model not in tools.matters:
        known = ", ".join(tools.matters)
        raise UsageError(f"expected a matting network among {known}, got {model[:80]!r}")
    if one.rle is None:
        raise UsageError(f"an edge needs a mask, object {one.number} has none yet; click on it")
    strokes = one.refine.strokes if one.refine is not None else ()
    return document.with_object(replace(one, refine=Refine(action.band, model, strokes)))


def _paint(document: Document, action: payload.PaintTrimap, tools: Tools) -> Document:
    one = _object(document, action.object)
    if one.refine is None:
        raise UsageError(
            f"a trimap can be painted where an edge is refined, that of object {one.number} is"
            " not; refine it first"
        )
    points = _points(action.points, document.size)
    stroke = Stroke(points, action.radius, action.value)
    refine = replace(one.refine, strokes=(*one.refine.strokes, stroke))
    return document.with_object(replace(one, refine=refine))


def _unrefine(document: Document, action: payload.Unrefine, tools: Tools) -> Document:
    return document.with_object(replace(_object(document, action.object), refine=None))


def _reset(document: Document, action: payload.Reset, tools: Tools) -> Document:
    one = _object(document, action.object)
    return document.with_object(Object(one.number, one.name, one.colour, one.visible))


def _settings(document: Document, action: payload.Settings, tools: Tools) -> Document:
    amount = action.values.get("decontaminate", 1.0)
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount <= 1:
        raise UsageError(f"decontaminate must be a number in [0, 1], got {amount!r}")
    settings = {**document.settings, **action.values}
    if len(settings) > payload.MOST_SETTINGS:
        raise UsageError(f"a photo may have {payload.MOST_SETTINGS} settings at most")
    return replace(document, settings=settings)


def _mark(document: Document, action: payload.Mark, tools: Tools) -> Document:
    return replace(document, state=DONE if action.state == "done" else IN_WORK)


def _points(points: list[list[float]], size: tuple[int, int]) -> Any:
    """Return points as pairs.

    Raises:
        UsageError: If one lies outside the photo.
    """
    for x, y in points:
        Click(x, y).pixel(size)
    return as_points(points)


EDITS: dict[str, Callable[[Document, Any, Tools], Document]] = {
    "add": _add,
    "remove": _remove,
    "rename": _rename,
    "recolour": _recolour,
    "show": _show,
    "reorder": _reorder,
    "click": _click,
    "box": _box,
    "scribble": _scribble,
    "lasso": _lasso,
    "brush": _brush,
    "take": _take,
    "mask": _mask,
    "refine": _refine,
    "paint_trimap": _paint,
    "unrefine": _unrefine,
    "reset": _reset,
    "settings": _settings,
    "mark": _mark,
}
