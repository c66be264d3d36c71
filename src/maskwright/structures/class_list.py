"""A list of classes: names, colours, and the numbers a data set writes for them."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Integer, UInt8

from maskwright.errors import UsageError
from maskwright.structures.segmentation import VOID

Colour = tuple[int, int, int]
_GOLDEN_TURN = 0.618034  # of the circle of hues: neighbours in the list look different
_SHADES = ((0.75, 0.95), (0.55, 0.75), (0.95, 0.65))  # saturation and brightness take turns
_COUNTED = 2**16  # values in a wider range are sorted; counting is quicker, but takes room for each


@dataclass(frozen=True)
class ClassList:
    """The classes of a data set or a network; the index is the category id.

    Args:
        names: One or more, each once.
        is_thing: For each: True for what can be counted, False for stuff. All are things if ().
        colours: (r, g, b) from 0 to 255 for each, to show them in; made up if ().
        numbers: What the data set's files write for each: COCO's `category_id`, the values of a
            label picture. The index if ().
        void: Numbers in label pictures that stand for no class; 255 unless it is a class's.

    Raises:
        UsageError: If there is no name, one is empty or there twice, or lengths differ.
    """

    names: tuple[str, ...]
    is_thing: tuple[bool, ...] = ()
    colours: tuple[Colour, ...] = ()
    numbers: tuple[int, ...] = ()
    void: tuple[int, ...] = (VOID,)

    def __post_init__(self) -> None:
        count = len(self.names)
        defaults = {
            "is_thing": (True,) * count,
            "colours": tuple(_colour(index) for index in range(count)),
            "numbers": tuple(range(count)),
        }
        for name, value in defaults.items():
            if not getattr(self, name):
                object.__setattr__(self, name, value)
            if len(getattr(self, name)) != count:
                raise UsageError(
                    f"a class list must have {count} {name}, one for each name,"
                    f" got {len(getattr(self, name))}"
                )
        if self.void == (VOID,) and VOID in self.numbers:
            object.__setattr__(self, "void", ())
        self._check()

    def _check(self) -> None:
        if not self.names or not all(name.strip() for name in self.names):
            raise UsageError(
                f"a class list must have names that are not empty, got {self.names[:5]}"
            )
        for kind, values in (("name", self.names), ("number", self.numbers)):
            twice = sorted({str(value) for value in values if values.count(value) > 1})
            if twice:
                raise UsageError(
                    f"a {kind} may be in a class list once, got {', '.join(twice[:5])} twice;"
                    " rename or remove one"
                )
        taken = set(self.numbers) & set(self.void)
        if taken:
            raise UsageError(
                f"a number stands for a class or for void, got {sorted(taken)} for both"
            )

    def __len__(self) -> int:
        return len(self.names)

    def find(self, name: str) -> int:
        """Return the category id of a name, whatever its case.

        Of names with synonyms, such as "road, route", each part is known where it belongs to one
        class only.

        Raises:
            UsageError: If there is none, or several.
        """
        if name in self.names:
            return self.names.index(name)
        wanted = name.strip().casefold()
        for parts_of in (lambda known: [known], lambda known: known.split(",")):
            found = [
                index
                for index, known in enumerate(self.names)
                if wanted in {part.strip().casefold() for part in parts_of(known)}
            ]
            if len(found) == 1:
                return found[0]
        shown = ", ".join(self.names[:8]) + (", …" if len(self) > 8 else "")
        raise UsageError(f"a class must be one of {shown}, got {name!r}; list it first")

    def index_map(self) -> dict[int, int]:
        """Return the category id of each number."""
        return {number: index for index, number in enumerate(self.numbers)}

    def palette(self) -> UInt8[np.ndarray, "256 3"]:
        """Return a colour for each value of an 8-bit picture: classes by number, void white.

        Raises:
            UsageError: If there are more than 255 classes, or a number has no room.
        """
        table = np.zeros((256, 3), np.uint8)
        table[self.values_of(np.arange(len(self)))] = self.colours
        table[self._void_value()] = 255
        return table

    def values_of(self, classes: Integer[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
        """Return what an 8-bit label picture has for category ids, of which 255 is void.

        It is the inverse of `classes_of`.

        Raises:
            UsageError: As `palette`.
        """
        if len(self) > VOID or not all(0 <= number <= VOID for number in self.numbers):
            raise UsageError(
                f"a palette holds {VOID} classes of the numbers 0 to {VOID}, got {len(self)} of"
                f" {_shown(self.numbers)}; write a 16-bit label map"
            )
        table = np.full(256, self._void_value(), np.uint8)
        table[: len(self)] = self.numbers
        return table[classes]

    def _void_value(self) -> int:
        """Return the number of void in an 8-bit picture: 255, where that may be one."""
        known = [number for number in self.void if 0 <= number <= VOID]
        known = known or [number for number in range(VOID + 1) if number not in self.numbers]
        return VOID if VOID in known else known[0]

    def classes_of(self, labels: Integer[np.ndarray, "h w"]) -> Int32[np.ndarray, "h w"]:
        """Return the category id of each pixel of a label picture; 255 is void.

        Raises:
            UsageError: If a label is neither the number of a class nor void, or there are more than
                255 classes.
        """
        if len(self) > VOID:
            raise UsageError(
                f"a semantic segmentation has {VOID} classes at most, got {len(self)}; leave some"
                " out of the list"
            )
        known = self.index_map() | dict.fromkeys(self.void, VOID)
        values, places = _distinct(labels)
        strange = [value for value in values.tolist() if value not in known]
        if strange:
            raise UsageError(
                f"a label must be the number of one of the {len(self)} classes"
                f" ({_shown(self.numbers)}) or void ({_shown(self.void)}), got {_shown(strange)}"
            )
        return np.array([known[value] for value in values.tolist()], np.int32)[places]


def _distinct(
    labels: Integer[np.ndarray, "h w"],
) -> tuple[Integer[np.ndarray, " value"], Integer[np.ndarray, "h w"]]:
    """Return the values there are, sorted, and for each pixel the index of its own."""
    lowest, highest = int(labels.min(initial=0)), int(labels.max(initial=0))
    if highest - lowest > _COUNTED:
        values, places = np.unique(labels, return_inverse=True)
        return values, places.reshape(labels.shape)
    shifted = labels - lowest if lowest else labels
    values = np.flatnonzero(np.bincount(shifted.ravel()))
    table = np.zeros(highest - lowest + 1, np.int32)
    table[values] = np.arange(len(values))
    return values + lowest, table[shifted]


def _shown(numbers: Sequence[int]) -> str:
    """Return numbers for a message: a range where they are one."""
    ordered = sorted(numbers)
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"{ordered[0]} to {ordered[-1]}"
    return ", ".join(map(str, ordered[:8])) + (", …" if len(ordered) > 8 else "")


def _colour(index: int) -> Colour:
    saturation, brightness = _SHADES[index % len(_SHADES)]
    parts = colorsys.hsv_to_rgb(index * _GOLDEN_TURN % 1, saturation, brightness)
    red, green, blue = (round(255 * part) for part in parts)
    return red, green, blue
