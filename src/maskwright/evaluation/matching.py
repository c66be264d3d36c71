"""Classes of a network, or of files of predictions, among those of the truth: found by name."""

import logging
from dataclasses import dataclass, replace

import numpy as np

from maskwright.data.ground_truth import Labels, TruthSet
from maskwright.errors import UsageError
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import VOID, Segmentation, semantic_segmentation

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Matching:
    """Which class of the truth each class of a network, or of files, is.

    Attributes:
        classes: Of the truth.
        index_of: For each class that is found that of the truth, or None.
    """

    classes: ClassList
    index_of: tuple[int | None, ...]

    def renamed(self, found: Segmentation) -> Segmentation:
        """Return what was found in the classes of the truth; what has none is left out."""
        names = self.classes.names
        if found.task == "semantic":
            labels = self.labels(found.label_map())
            return semantic_segmentation(labels, names, is_thing=self.classes.is_thing)
        kept = [
            (segment, other)
            for segment in found.segments
            if (other := self.index_of[segment.category_id]) is not None
        ]
        segments = tuple(
            Segment(
                number,
                other,
                names[other],
                segment.rle,
                is_thing=self.classes.is_thing[other],
                score=segment.score,
                is_crowd=segment.is_crowd,
            )
            for number, (segment, other) in enumerate(kept, start=1)
        )
        return Segmentation(found.size, found.task, names, segments)

    def labels(self, found: Labels) -> Labels:
        """Return the class of the truth of each pixel; what has none is void, 255."""
        table = np.full(VOID + 1, VOID, np.int32)
        for index, other in enumerate(self.index_of[:VOID]):
            table[index] = VOID if other is None else other
        return table[found]


def in_classes(found: TruthSet, truth: ClassList) -> TruthSet:
    """Return predictions in the classes of the truth; what has none there is left out, and told.

    Args:
        found: Predictions in classes of their own.
        truth: The classes of the labels.

    Raises:
        UsageError: If the two have no class in common.
    """
    index_of = tuple(_found(truth, name) for name in found.classes.names)
    if all(index is None for index in index_of):
        raise UsageError(
            f"predictions must name a class of the truth ({_first(truth.names)}), they name"
            f" {_first(found.classes.names)}; rename classes in one of them"
        )
    named = zip(found.classes.names, index_of, strict=True)
    foreign = [name for name, index in named if index is None]
    if foreign:
        _log.warning(
            "the truth does not know %d classes of the predictions, which are left out: %s",
            len(foreign),
            _first(foreign),
        )
    _tell_lacking(truth, index_of, "the predictions do not name")
    matching = Matching(truth, index_of)

    def read(index: int) -> Segmentation | Labels:
        one = found.read(index)
        return matching.labels(one) if isinstance(one, np.ndarray) else matching.renamed(one)

    return replace(found, classes=truth, read=read)


def match_classes(network: ClassList, truth: ClassList, *, unnamed: bool = False) -> Matching:
    """Return which class of the truth each of a network is.

    Args:
        network: Its classes.
        truth: Those of the labels.
        unnamed: The network's names are made up: as many classes are taken in their order.

    Raises:
        UsageError: If none is found, or two of the network are the same of the truth.
    """
    if network.names == truth.names:
        return Matching(truth, tuple(range(len(truth))))
    if unnamed:
        if len(network) != len(truth):
            raise UsageError(
                f"the network has {len(network)} classes without names, the truth {len(truth)};"
                " list the classes that it was trained for"
            )
        _log.warning("the network's classes have no names; taking them in the order of the truth's")
        return Matching(truth, tuple(range(len(truth))))
    found = tuple(_found(truth, name) for name in network.names)
    known = [index for index in found if index is not None]
    if not known:
        raise UsageError(
            f"the network must know a class of the truth ({_first(truth.names)}), it knows"
            f" {_first(network.names)}; choose other weights, or rename classes in the list"
        )
    if len(set(known)) < len(known):
        twice = next(index for index in known if known.count(index) > 1)
        both = [n for n, i in zip(network.names, found, strict=True) if i == twice]
        raise UsageError(
            f"a class of the truth must be one of the network's, {truth.names[twice]!r} is"
            f" {' and '.join(both)}; give it one name"
        )
    _tell_lacking(truth, found, "the network does not know")
    return Matching(truth, found)


def _tell_lacking(truth: ClassList, index_of: tuple[int | None, ...], who: str) -> None:
    lacking = [name for index, name in enumerate(truth.names) if index not in index_of]
    if lacking:
        _log.warning(
            "%s %d classes of the truth, which count as never found: %s",
            who,
            len(lacking),
            _first(lacking),
        )


def _found(classes: ClassList, name: str) -> int | None:
    try:
        return classes.find(name)
    except UsageError:
        return None


def _first(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
