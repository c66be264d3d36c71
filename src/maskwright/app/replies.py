"""Documents as the page gets them: JSON, whole masks when a photo is opened, then what changed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int

from maskwright.app.document import Document, Json, Object
from maskwright.app.gallery import Found, shown_name
from maskwright.app.journal import Line
from maskwright.app.networks import Subjects
from maskwright.structures import rle as runs

Rle = Mapping[str, Any]
Box = tuple[int, int, int, int]


def card(found: Found, *, state: str, objects: int) -> Json:
    """Return a photo as the gallery shows it."""
    height, width = found.size
    return {
        "id": found.id,
        "name": shown_name(found),
        "width": width,
        "height": height,
        "state": state,
        "objects": objects,
        "megapixels": round(height * width / 1e6, 1),
    }


def document_reply(found: Found, line: Line, revision: int) -> Json:
    """Return all of a photo, with whole masks."""
    now = line.now
    return {
        "photo": card(found, state=now.state, objects=len(now.objects)),
        "revision": revision,
        "objects": [
            _described(one, order) | {"rle": _plain(one.rle)}
            for order, one in enumerate(now.objects)
        ],
        "can_undo": len(line.past) > 1,
        "can_redo": bool(line.undone),
        "settings": dict(now.settings),
    }


def change_reply(
    found: Found, before: Document, line: Line, *, revision: int, milliseconds: float
) -> Json:
    """Return what is new in a photo: of each mask the box that changed.

    Args:
        found: The photo.
        before: The document before.
        line: The states up to now.
        revision: After the change.
        milliseconds: That it took.
    """
    now = line.now
    patches = []
    for order, one in enumerate(now.objects):
        old = before.find(one.number)
        if one != old:
            rle = None if old is None else old.rle
            patches.append(_described(one, order) | {"mask": mask_patch(rle, one.rle, now.size)})
    numbers = [one.number for one in now.objects]
    return {
        "revision": revision,
        "can_undo": len(line.past) > 1,
        "can_redo": bool(line.undone),
        "objects": numbers,
        "changed": patches,
        "removed": [one.number for one in before.objects if one.number not in numbers],
        "settings": dict(now.settings),
        "milliseconds": round(milliseconds, 1),
        "photo": card(found, state=now.state, objects=len(now.objects)),
    }


def mask_patch(before: Rle | None, after: Rle | None, size: tuple[int, int]) -> Json | None:
    """Return the box in which two masks differ, and the newer one's pixels in it; None if nowhere.

    No mask is decoded: where runs of the one begin or end and those of the other do not, there
    the difference begins or ends.

    Args:
        before: The older mask; None is empty.
        after: The newer one.
        size: Height and width of both.
    """
    if before is after:
        return None
    old, new = _spans(before), _spans(after)
    edges = np.setxor1d(old.ravel(), new.ravel(), assume_unique=True)
    if not len(edges):
        return None
    box = runs.box_of_spans(edges.reshape(-1, 2), size[0])
    return {"box": list(box), "rle": cropped(new, box, size[0])}


def cropped(spans: Int[np.ndarray, "span 2"], box: Box, height: int) -> Json:
    """Return the RLE of what lies in a box.

    Args:
        spans: Of the mask, as `rle.spans` gives them.
        box: Edges x0, y0, x1, y1.
        height: Of the mask.
    """
    x0, y0, x1, y1 = box
    first, last = spans[:, 0] // height, (spans[:, 1] - 1) // height
    times = last - first + 1  # a span may reach over several columns
    before = np.repeat(np.cumsum(times) - times, times)
    column = np.repeat(first, times) + np.arange(len(before)) - before
    top = column * height + y0
    start = np.maximum(np.repeat(spans[:, 0], times) - top, 0)
    end = np.minimum(np.repeat(spans[:, 1], times) - top, y1 - y0)
    is_inside = (start < end) & (x0 <= column) & (column < x1)
    found = np.stack([start, end], axis=1) + ((column - x0) * (y1 - y0))[:, None]
    edges = found[is_inside].ravel()
    meets = edges[1:] == edges[:-1]  # the bottom of a column and the top of the next
    is_double = np.zeros(len(edges), np.bool_)
    is_double[1:] |= meets
    is_double[:-1] |= meets
    return runs.from_spans(edges[~is_double].reshape(-1, 2), (y1 - y0, x1 - x0))


def subjects_reply(subjects: Subjects) -> Json:
    """Return what was found in a photo; the note says why nothing can be found."""
    segments = [] if subjects.found is None else subjects.found.segments
    listed = [
        {
            "number": segment.id,
            "category": segment.category,
            "score": round(float(segment.score), 4),
            "area": segment.area,
            "box": list(segment.box),
            "rle": _plain(segment.rle),
        }
        for segment in segments
    ]
    return {
        "subjects": listed,
        "milliseconds": round(subjects.milliseconds, 1),
        "note": subjects.note,
    }


def _described(one: Object, order: int) -> Json:
    area, box = one.area_and_box()
    refine = one.refine
    return {
        "number": one.number,
        "name": one.name,
        "colour": one.colour,
        "visible": one.visible,
        "order": order,
        "area": area,
        "box": None if box is None else list(box),
        "clicks": [{"x": c.x, "y": c.y, "positive": c.positive} for c in one.clicks],
        "refine": None if refine is None else {"band": refine.band, "model": refine.model},
        "state_hash": one.state_hash,
    }


def _plain(rle: Rle | None) -> Json | None:
    return None if rle is None else {"size": list(rle["size"]), "counts": rle["counts"]}


def _spans(rle: Rle | None) -> Int[np.ndarray, "span 2"]:
    return np.zeros((0, 2), np.int64) if rle is None else runs.spans(rle)
