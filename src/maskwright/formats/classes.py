"""Lists of classes: those of published data sets, and those of one's own in a file.

The published names, numbers and colours are those of COCO (Lin et al., ECCV 2014) with the
panoptic classes of Kirillov et al., CVPR 2019, of ADE20K (Zhou et al., CVPR 2017) and of
Cityscapes (Cordts et al., CVPR 2016), in the order of the outputs of published checkpoints.
"""

import os
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from maskwright.errors import DataError, UsageError
from maskwright.formats.text import read_json, read_text
from maskwright.image.source import display_name
from maskwright.structures.class_list import ClassList, Colour
from maskwright.structures.segmentation import VOID

PUBLISHED = ("coco-panoptic", "coco-instance", "ade20k", "cityscapes")
_VOID_NAMES = {"void", "unlabelled", "unlabeled", "ignore", "ignored"}
_NOTHING = {  # numbers in the label pictures of a set that stand for no class
    "ade20k": (0, VOID),
    "cityscapes": (*range(7), 9, 10, 14, 15, 16, 18, 29, 30, VOID),
}
_KIND = "a list of classes (a name a line, or JSON)"


@cache
def published_classes(name: str) -> ClassList:
    """Return the classes of a published data set, one of `PUBLISHED`.

    Raises:
        UsageError: If the name is another one.
    """
    if name not in PUBLISHED:
        raise UsageError(f"published classes are {', '.join(PUBLISHED)}, got {name!r}")
    table = "coco-panoptic" if name == "coco-instance" else name
    text = (files("maskwright.formats") / "published" / f"{table}.tsv").read_text("utf-8")
    rows = [line.split("\t") for line in text.splitlines()]
    if name == "coco-instance":
        rows = [row for row in rows if row[1] == "thing"]
    return ClassList(
        names=tuple(row[3] for row in rows),
        is_thing=tuple(row[1] == "thing" for row in rows),
        colours=tuple(_as_colour(row[2].split(" ")) for row in rows),
        numbers=tuple(int(row[0]) for row in rows),
        void=_NOTHING.get(name, (VOID,)),
    )


def read_classes(file: str | os.PathLike[str]) -> ClassList:
    """Return the classes a file lists, or those of a published set if its name is given.

    A text file has a name a line, for the labels 0, 1, …; a line "void" (or unlabelled, ignore)
    makes its label void, as 255 always is. In JSON it is a list of names; or of objects with
    `name` and, if wanted, `isthing`, `color` ([r, g, b] or "#rrggbb") and `id` (the number in
    label files); or an object that holds such a list under classes, categories or names, with
    `void`, a list of numbers, beside it; or names under their indices. YOLO's `data.yaml` is read
    for its names.

    Args:
        file: Its path, or one of `PUBLISHED` where no such file is.

    Raises:
        DataError: If it cannot be read, lists nothing, or a name twice.
    """
    if str(file) in PUBLISHED and not Path(file).exists():
        return published_classes(str(file))
    name = display_name(file)
    suffix = Path(file).suffix.lower()
    try:
        if suffix == ".json":
            return _from_json(read_json(file, _KIND))
        text = read_text(file, _KIND)
        if suffix in {".yaml", ".yml"}:
            return ClassList(tuple(yaml_names(text)))  # YOLO's numbers are indices: none is void
        return classes_from_rows(_lines(text))
    except DataError:
        raise
    except (UsageError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{name}: expected {_KIND}, got one that is none ({error})") from error


def _lines(text: str) -> list[str]:
    """Return the names of a text file; empty lines at the end do not count."""
    lines = [line.strip() for line in text.rstrip().splitlines()]
    for number, line in enumerate(lines, start=1):
        if not line:
            raise ValueError(f"line {number} is empty")
    return lines


def yaml_names(text: str) -> list[str]:
    """Return the names of YOLO's data.yaml, a list or under their indices.

    Raises:
        ValueError: If there are none.
        KeyError: If an index is missing.
    """
    try:
        content = yaml.load(text, Loader=yaml.BaseLoader)  # which makes text of all, nothing else
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict):
        indexed = {int(index): name for index, name in names.items()}
        names = [indexed[index] for index in range(len(indexed))]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("it has no list of names")
    return [name.strip() for name in names]


def _from_json(content: Any) -> ClassList:
    void: Iterable[Any] = ()
    if isinstance(content, Mapping):
        void = content.get("void", ())
        found = [content[key] for key in ("classes", "categories", "names") if key in content]
        content = found[0] if found else content
    if isinstance(content, Mapping):  # {"0": "road", "1": "sky"}
        named = {int(index): str(name) for index, name in content.items()}
        content = [named[index] for index in range(len(named))]
    return classes_from_rows(list(content), void=void)


def classes_from_rows(
    rows: list[Any], *, void: Iterable[Any] = (), names_void: bool = True
) -> ClassList:
    """Return the classes of names, or of objects as JSON lists them (see `read_classes`).

    Args:
        rows: Of the list.
        void: More numbers that stand for no class.
        names_void: Whether a name such as "void" stands for no class; else it is a class's.

    Raises:
        ValueError: If one is no name or colour; or another of Python's errors if it is no object.
        UsageError: If a name or number is there twice, or there is none.
    """
    objects = [row if isinstance(row, Mapping) else {"name": row} for row in rows]
    for index, row in enumerate(objects):
        if not isinstance(row["name"], str) or not row["name"].strip():
            raise ValueError(f"entry {index} must be a name, got {row['name']!r}")
    if any("id" in row for row in objects):
        objects.sort(key=lambda row: int(row["id"]))
    numbers = [int(row.get("id", index)) for index, row in enumerate(objects)]
    is_void = [names_void and row["name"].strip().casefold() in _VOID_NAMES for row in objects]
    kept = [index for index, flag in enumerate(is_void) if not flag]
    nothing = {number for number, flag in zip(numbers, is_void, strict=True) if flag}
    nothing |= {int(number) for number in void}
    if VOID not in {numbers[index] for index in kept}:
        nothing.add(VOID)
    coloured = bool(kept) and all(objects[index].get("color") is not None for index in kept)
    return ClassList(
        names=tuple(objects[index]["name"].strip() for index in kept),
        is_thing=tuple(bool(objects[index].get("isthing", True)) for index in kept),
        colours=tuple(_as_colour(objects[i]["color"]) for i in kept) if coloured else (),
        numbers=tuple(numbers[index] for index in kept),
        void=tuple(sorted(nothing)),
    )


def _as_colour(parts: Iterable[Any]) -> Colour:
    """Return a colour of three numbers, or of "#rrggbb"."""
    if isinstance(parts, str):
        parts = bytes.fromhex(parts.removeprefix("#"))
    red, green, blue = (int(part) for part in parts)
    if not all(0 <= part <= 255 for part in (red, green, blue)):
        raise ValueError(f"a colour has parts from 0 to 255, got {(red, green, blue)}")
    return red, green, blue
