"""COCO's list of categories, in files of instances and of panoptic segments."""

from dataclasses import dataclass
from typing import Any

from maskwright.errors import DataError, UsageError
from maskwright.formats.classes import classes_from_rows
from maskwright.formats.text import Json, whole_number
from maskwright.structures.class_list import ClassList


@dataclass(frozen=True)
class Categories:
    """The classes of a file, and which number stands for which.

    Attributes:
        classes: The classes.
        index_of: Category id here of each `category_id` in the file; -1 for those unknown here.
        name_of: The file's own names, for messages.
    """

    classes: ClassList
    index_of: dict[int, int]
    name_of: dict[int, str]

    def index(self, row: Json, where: str) -> int:
        """Return the category id of a row's `category_id`.

        Raises:
            DataError: If it is not in the file's list, or not in the list of classes.
        """
        number = whole_number(row, "category_id", where)
        index = self.index_of.get(number)
        if index is None:
            raise DataError(
                f"{where}: category_id must be one of the list of categories, got {number};"
                " add it there"
            )
        if index < 0:
            raise DataError(
                f"{where}: its category must be in the list of classes,"
                f" got {self.name_of[number]!r}; add it there or remove the object"
            )
        return index


def rows_of(classes: ClassList) -> list[Json]:
    """Return COCO's list of categories."""
    return [
        {"id": number, "name": name, "isthing": int(is_thing), "color": list(colour)}
        for number, name, is_thing, colour in zip(
            classes.numbers, classes.names, classes.is_thing, classes.colours, strict=True
        )
    ]


def categories_of(content: Json, classes: ClassList | None, name: str) -> Categories:
    """Return the categories of a file.

    Args:
        content: Of the file; its list `categories` may be absent where classes are given.
        classes: The classes wanted, which the file's names are looked up in; None takes the
            file's, in the order of their ids.
        name: Of the file, for messages.

    Raises:
        DataError: If the list is missing or damaged.
    """
    rows: Any = content.get("categories")
    if rows is None and classes is not None:
        return Categories(classes, classes.index_map(), {})
    try:
        if not isinstance(rows, list) or any(not isinstance(row["id"], int) for row in rows):
            raise ValueError("each has an id and a name")
        own = classes_from_rows(rows, names_void=False)
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise DataError(
            f"{name}: categories must be a list of objects with id and name, got one that is none"
            f" ({error})"
        ) from error
    if classes is None:
        return Categories(own, own.index_map(), {})
    names = dict(zip(own.numbers, own.names, strict=True))
    return Categories(classes, {n: _found(classes, text) for n, text in names.items()}, names)


def _found(classes: ClassList, name: str) -> int:
    try:
        return classes.find(name)
    except UsageError:
        return -1
