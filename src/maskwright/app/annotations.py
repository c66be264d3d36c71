"""The objects of documents as segmentations with classes, which is what formats write."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from maskwright.app.document import Document, Object
from maskwright.formats.annotated import Annotated
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList, Colour
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation


def class_of(one: Object) -> str:
    """Return the class that an object is exported as: its name."""
    return one.name.strip() or f"Object {one.number}"


def classes_of(documents: Sequence[Document]) -> ClassList:
    """Return the names of all objects with masks, in the order in which they are met.

    Args:
        documents: Of which one object at least has a mask.
    """
    colours: dict[str, Colour] = {}
    for document in documents:
        for one in document.objects:
            if one.rle is not None:
                colours.setdefault(class_of(one), _rgb(one.colour))
    numbers = tuple(range(1, len(colours) + 1))  # COCO's 0 is nothing
    return ClassList(tuple(colours), colours=tuple(colours.values()), numbers=numbers)


def annotated_of(name: str, document: Document, classes: ClassList) -> Annotated:
    """Return the objects of a document, each with its whole mask.

    Args:
        name: Of the photo.
        document: What was done to it.
        classes: In which the objects' names are.
    """
    codes = [(one, one.rle) for one in document.objects if one.rle is not None]
    found = [(one, code) for one, code in codes if rle.area(code)]
    segments = _segments([class_of(one) for one, _ in found], [code for _, code in found], classes)
    return Annotated(name, Segmentation(document.size, "instance", classes.names, segments))


def panoptic_of(name: str, document: Document, classes: ClassList) -> Annotated:
    """Return the objects of a document without overlap: the later one lies on top.

    Args:
        name: Of the photo.
        document: What was done to it.
        classes: In which the objects' names are.
    """
    labels = np.zeros(document.size, np.int32)
    for place, one in enumerate(document.objects, start=1):
        if one.rle is not None:
            labels[rle.decode(one.rle)] = place
    codes = rle.encode_labels(labels)
    codes.pop(0, None)
    names = [class_of(document.objects[place - 1]) for place in codes]
    segments = _segments(names, list(codes.values()), classes)
    return Annotated(name, Segmentation(document.size, "panoptic", classes.names, segments))


def _segments(
    names: Sequence[str], codes: Sequence[Any], classes: ClassList
) -> tuple[Segment, ...]:
    ids = [classes.names.index(name) for name in names]
    return tuple(
        Segment(number, category, classes.names[category], code)
        for number, (category, code) in enumerate(zip(ids, codes, strict=True), start=1)
    )


def _rgb(colour: str) -> Colour:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue
