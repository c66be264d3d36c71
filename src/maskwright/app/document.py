"""What is known about one photo at work: its objects, and what each action changed.

Documents are frozen: an action gives a new one, so that undo is the one before. What an action
changed is kept as JSON of what is new only, for that is what the journal appends.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from maskwright.structures import rle as runs
from maskwright.structures.box import Box
from maskwright.structures.click import Click
from maskwright.structures.scribble import Scribble

UNTOUCHED, IN_WORK, DONE = "untouched", "in work", "done"
Json = dict[str, Any]
Said = Click | Box | Scribble
Points = tuple[tuple[float | int, float | int], ...]


@dataclass(frozen=True)
class Stroke:
    """A round brush drawn along a line into the trimap.

    Attributes:
        points: (x, y) in pixels of the upright photo.
        radius: Of the brush, in pixels.
        value: What it leaves: 0 background, 128 unknown, 255 foreground.
    """

    points: Points
    radius: float | int
    value: int


@dataclass(frozen=True)
class Refine:
    """How the edge of an object is matted.

    Attributes:
        band: Width of the trimap's unknown band: "auto", or pixels on each side of the edge.
        model: Name of the matting network.
        strokes: Painted into the trimap, the newest last.
    """

    band: str | int
    model: str
    strokes: tuple[Stroke, ...] = ()


@dataclass(frozen=True)
class Object:
    """One object of a photo.

    Attributes:
        number: From 1 on; no other object of the document ever has it.
        name: Shown in lists and exported as its class.
        colour: `#rrggbb`.
        visible: Whether it is shown.
        rle: Its mask in COCO's compressed run-length code, or None before the first.
        refine: How its edge is matted; None for the plain mask.
        given: The mask that the dialogue with the click network began with, or None.
        said: What was told to the network since, in this order.
    """

    number: int
    name: str
    colour: str
    visible: bool = True
    rle: Mapping[str, Any] | None = field(default=None, repr=False)
    refine: Refine | None = None
    given: Mapping[str, Any] | None = field(default=None, repr=False)
    said: tuple[Said, ...] = ()

    @property
    def clicks(self) -> tuple[Click, ...]:
        """The clicks among what was said."""
        return tuple(said for said in self.said if isinstance(said, Click))

    @property
    def state_hash(self) -> str:
        """16 hexadecimal digits that change with the mask or the way its edge is matted."""
        refine = None if self.refine is None else refine_to_json(self.refine)
        mask = None if self.rle is None else [list(self.rle["size"]), self.rle["counts"]]
        return hashlib.sha256(json.dumps([mask, refine]).encode()).hexdigest()[:16]

    def area_and_box(self) -> tuple[int, tuple[int, int, int, int] | None]:
        """Return how many pixels the mask has, and the smallest box around them; None if none."""
        if self.rle is None:
            return 0, None
        spans = runs.spans(self.rle)
        box = runs.box_of_spans(spans, self.rle["size"][0]) if len(spans) else None
        return int((spans[:, 1] - spans[:, 0]).sum()), box


@dataclass(frozen=True)
class Document:
    """All that was done to one photo, as it stands.

    Attributes:
        size: Height and width of the upright photo.
        objects: In their order, the lowest first: where two meet, the later one lies on top.
        settings: What the page keeps, such as `decontaminate` in [0, 1].
        state: "untouched", "in work" or "done".
        last_number: The highest number an object ever had.
    """

    size: tuple[int, int]
    objects: tuple[Object, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    state: str = UNTOUCHED
    last_number: int = 0

    def find(self, number: int) -> Object | None:
        """Return the object of a number, or None."""
        return next((one for one in self.objects if one.number == number), None)

    def with_object(self, changed: Object) -> "Document":
        """Return the document with another state of an object, or with one more."""
        if self.find(changed.number) is None:
            last = max(self.last_number, changed.number)
            return replace(self, objects=(*self.objects, changed), last_number=last)
        objects = tuple(changed if one.number == changed.number else one for one in self.objects)
        return replace(self, objects=objects)


def change_to_json(before: Document, after: Document) -> Json:
    """Return what is new in a document, as `changed` takes it."""
    change: Json = {}
    objects = [_object_change(before.find(one.number), one) for one in after.objects]
    if any(objects):
        change["objects"] = [one for one in objects if one]
    order = [one.number for one in after.objects]
    if order != [one.number for one in before.objects]:
        change["order"] = order
    if after.settings != before.settings:
        change["settings"] = dict(after.settings)
    for name in ("state", "last_number"):
        if getattr(after, name) != getattr(before, name):
            change[name] = getattr(after, name)
    return change


def changed(before: Document, change: Mapping[str, Any]) -> Document:
    """Return the document after a change that `change_to_json` has described."""
    objects = {one.number: one for one in before.objects}
    for patch in change.get("objects", ()):
        objects[patch["number"]] = _changed_object(objects.get(patch["number"]), patch)
    order = change.get("order", list(objects))
    return replace(
        before,
        objects=tuple(objects[number] for number in order),
        settings=change.get("settings", before.settings),
        state=change.get("state", before.state),
        last_number=change.get("last_number", before.last_number),
    )


def refine_to_json(refine: Refine) -> Json:
    """Return the settings of an edge as JSON values."""
    strokes = [_stroke_to_json(stroke) for stroke in refine.strokes]
    return {"band": refine.band, "model": refine.model, "strokes": strokes}


def _object_change(before: Object | None, after: Object) -> Json:
    """Return the number and what is new, lists that only grew by their new end; else nothing."""
    if before == after:
        return {}
    base = Object(after.number, "", "") if before is None else before
    change: Json = {"number": after.number}
    for name in ("name", "colour", "visible", "rle", "given"):
        if getattr(after, name) != getattr(base, name):
            change[name] = getattr(after, name)
    kept = len(base.said) if after.said[: len(base.said)] == base.said else 0
    if after.said != base.said:
        change["said"] = {"kept": kept, "new": [_said_to_json(one) for one in after.said[kept:]]}
    if after.refine != base.refine:
        change["refine"] = _refine_change(base.refine, after.refine)
    return change


def _changed_object(before: Object | None, change: Mapping[str, Any]) -> Object:
    base = Object(change["number"], "", "") if before is None else before
    fields = {
        name: change[name]
        for name in ("name", "colour", "visible", "rle", "given")
        if name in change
    }
    if "said" in change:
        kept, new = change["said"]["kept"], change["said"]["new"]
        fields["said"] = (*base.said[:kept], *map(_said_from_json, new))
    if "refine" in change:
        fields["refine"] = _changed_refine(base.refine, change["refine"])
    return replace(base, **fields)


def _refine_change(before: Refine | None, after: Refine | None) -> Json | None:
    if after is None:
        return None
    base = before.strokes if before is not None else ()
    kept = len(base) if after.strokes[: len(base)] == base else 0
    new = [_stroke_to_json(stroke) for stroke in after.strokes[kept:]]
    return {"band": after.band, "model": after.model, "kept": kept, "new": new}


def _changed_refine(before: Refine | None, change: Mapping[str, Any] | None) -> Refine | None:
    if change is None:
        return None
    base = before.strokes if before is not None else ()
    strokes = (*base[: change["kept"]], *map(_stroke_from_json, change["new"]))
    return Refine(change["band"], change["model"], strokes)


def _said_to_json(said: Said) -> Json:
    if isinstance(said, Click):
        return {"click": [said.x, said.y], "positive": bool(said.positive)}
    if isinstance(said, Box):
        return {"box": [said.x0, said.y0, said.x1, said.y1]}
    return {"scribble": [list(point) for point in said.points], "positive": bool(said.positive)}


def _said_from_json(said: Mapping[str, Any]) -> Said:
    if "click" in said:
        x, y = said["click"]
        return Click(x, y, said["positive"])
    if "box" in said:
        return Box(*said["box"])
    return Scribble(as_points(said["scribble"]), said["positive"])


def _stroke_to_json(stroke: Stroke) -> Json:
    points = [list(point) for point in stroke.points]
    return {"points": points, "radius": stroke.radius, "value": stroke.value}


def _stroke_from_json(stroke: Mapping[str, Any]) -> Stroke:
    return Stroke(as_points(stroke["points"]), stroke["radius"], stroke["value"])


def as_points(points: Sequence[Sequence[float | int]]) -> Points:
    """Return points as pairs that cannot change."""
    return tuple((x, y) for x, y in points)
