"""Small segmentations for the tests of formats: any masks, any holes, any number of parts."""

import json

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from maskwright.formats.annotated import Annotated
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import VOID, Segmentation, semantic_segmentation

CLASSES = ClassList(
    ("person", "road, route", "größe"), is_thing=(True, False, True), numbers=(7, 11, 12)
)
SIZE = (11, 13)


def instance_of(masks, *, scores=None, crowds=None, size=None):
    segments = []
    for number, mask in enumerate(masks, start=1):
        category = (number * 2) % 3
        segments.append(
            Segment(
                number,
                category,
                CLASSES.names[category],
                rle.encode(mask),
                is_thing=CLASSES.is_thing[category],
                score=1.0 if scores is None else scores[number - 1],
                is_crowd=bool(crowds and crowds[number - 1]),
            )
        )
    shape = size or (masks[0].shape if masks else SIZE)
    return Segmentation(shape, "instance", CLASSES.names, tuple(segments))


# Strategies draw plain arrays; what is made of them, and checked, is made in the test.
@st.composite
def drawn_instances(draw, *, crowds=False):
    size = draw(st.tuples(st.integers(1, 7), st.integers(1, 11)))
    masks = draw(st.lists(arrays.arrays(bool, size).filter(np.any), max_size=3))
    scores = [draw(st.floats(0, 1)) for _ in masks]
    flags = [draw(st.booleans()) for _ in masks] if crowds else None
    return {"masks": masks, "scores": scores, "crowds": flags, "size": size}


drawn_labels = arrays.arrays(
    np.int32, st.tuples(st.integers(1, 7), st.integers(1, 11)), elements=st.integers(0, 4)
)


def panoptic_of(labels):
    """Return a panoptic segmentation with a segment for each label but 0."""
    segments = []
    for number, value in enumerate([v for v in np.unique(labels) if v], start=1):
        category = int(value + labels[0, 0]) % 3
        segments.append(
            Segment(
                number,
                category,
                CLASSES.names[category],
                rle.encode(labels == value),
                is_thing=CLASSES.is_thing[category],
                score=1 / number,
                is_crowd=bool(value == 3),
            )
        )
    return Segmentation(labels.shape, "panoptic", CLASSES.names, tuple(segments))


def semantic_of(labels):
    """Return a semantic segmentation; labels beyond the classes are void."""
    labels = np.where(labels < 3, labels, VOID).astype(np.int32)
    return semantic_segmentation(labels, CLASSES.names, is_thing=CLASSES.is_thing)


def named(found):
    return [Annotated(f"below/{i}.jpg", one) for i, one in enumerate(found)]


def ring_and_island():
    """Return a mask with a hole, and an island in it, and a part of its own."""
    mask = np.zeros((41, 53), bool)
    mask[3:35, 5:40] = True
    mask[9:29, 11:33] = False
    mask[15:22, 17:25] = True
    mask[30:39, 45:51] = True
    return mask


def saved(file, content):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file
