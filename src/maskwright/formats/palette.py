"""Label pictures of classes: PNG files with a palette, or grey, as semantic data sets use them."""

import os
from io import BytesIO

import numpy as np
from jaxtyping import Int32
from PIL import Image

from maskwright.errors import DataError, UsageError
from maskwright.image.labels import read_labels
from maskwright.image.publish import atomic_write
from maskwright.image.source import display_name
from maskwright.structures.class_list import ClassList
from maskwright.structures.segmentation import (
    VOID,
    Segmentation,
    as_semantic,
    semantic_segmentation,
)


def write_palette(
    file: str | os.PathLike[str],
    segmentation: Segmentation,
    *,
    classes: ClassList | None = None,
    overwrite: bool = False,
) -> None:
    """Write an 8-bit PNG whose values are the classes and whose palette shows their colours.

    The objects of a panoptic segmentation are united by class. Values are the numbers of the list
    of classes, those that a data set has in its own label pictures; void is 255, shown white, or
    another number of the list where 255 is not void.

    Args:
        file: Its path.
        segmentation: Panoptic or semantic.
        classes: Numbers and colours; if None, the numbers are 0, 1, … and colours are made up.
        overwrite: Whether the file may be replaced.

    Raises:
        UsageError: For instances, which may overlap, for more than 255 classes, and for numbers
            above 255.
        OutputError: If it exists and may not be replaced, or cannot be written.
    """
    content = palette_png(segmentation, classes)
    with atomic_write(file, overwrite=overwrite) as stream:
        stream.write(content)


def check_task(task: str) -> None:
    """Refuse instances, which may overlap.

    Raises:
        UsageError: If these are the task.
    """
    if task == "instance":
        raise UsageError(
            "a palette picture has one class for each pixel, got instances, which may overlap;"
            " take a panoptic or semantic segmentation, or another format"
        )


def palette_png(segmentation: Segmentation, classes: ClassList | None = None) -> bytes:
    """Return the file that `write_palette` writes.

    Raises:
        UsageError: As `write_palette`.
    """
    check_task(segmentation.task)
    known = classes or ClassList(segmentation.categories)
    image = Image.fromarray(known.values_of(as_semantic(segmentation).label_map()))
    image.putpalette(known.palette().tobytes())
    buffer = BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def read_palette(
    file: str | os.PathLike[str], *, classes: ClassList, size: tuple[int, int] | None = None
) -> Segmentation:
    """Return a label picture as a semantic segmentation. Arguments and errors as `read_class_map`.

    Args:
        file: Its path.
        classes: Which number is which class.
        size: What it must have.

    Raises:
        DataError: As `read_class_map`.
        ImageError: As `read_class_map`.
    """
    labels = read_class_map(file, classes=classes, size=size)
    return semantic_segmentation(labels, classes.names, is_thing=classes.is_thing)


def read_class_map(
    file: str | os.PathLike[str],
    *,
    classes: ClassList,
    size: tuple[int, int] | None = None,
    may_be_void: bool = False,
) -> Int32[np.ndarray, "h w"]:
    """Return the category id of each pixel of a label picture, 255 where it is void.

    Args:
        file: Its path: PNG, BMP or TIFF; with a palette its index counts, not its colour.
        classes: Which number is which class, and which are void.
        size: Height and width it must have, those of the upright photo; None does not check.
        may_be_void: Whether it may be void everywhere, as a prediction may that found nothing.

    Raises:
        DataError: If it has another size, a label that is neither class nor void, or void only
            where it may not.
        ImageError: If it cannot be read, or is a JPEG, which would change labels.
    """
    name, stored = display_name(file), read_labels(file)
    if size is not None and stored.shape != tuple(size):
        raise DataError(
            f"{name}: labels must be as large as their photo, {size[1]} x {size[0]}, got"
            f" {stored.shape[1]} x {stored.shape[0]}; use those made for this photo"
        )
    try:
        labels = classes.classes_of(stored)
    except UsageError as error:
        raise DataError(f"{name}: {error}; check the list of classes") from error
    if not may_be_void and (labels == VOID).all():
        values = ", ".join(map(str, np.unique(stored).tolist()))
        raise DataError(
            f"{name}: labels must have a class somewhere, got void ({values}) everywhere;"
            " label it or remove it"
        )
    return labels
