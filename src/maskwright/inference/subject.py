"""A photo's subject: which of the things found in it somebody would cut out.

The rules are our own. A thing is prominent if it is surely there, large, and near the middle.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool

from maskwright.errors import SubjectError, UsageError
from maskwright.image.io import PhotoSource
from maskwright.inference.segment import Segmenter, Thresholds
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation

PROMINENT, LARGEST, ALL = "prominent", "largest", "all"
CHOICES = (PROMINENT, LARGEST, ALL)
FOUND = Thresholds(score=0.5, overlap=0.5)
"""What counts as found: less than for `segment`, for the alternative is no cut-out at all."""
LEAST_SHARE = 0.001
"""Of the photo's pixels: what is smaller is no subject."""
COMPARABLE = 0.25
"""Of the greatest prominence: what has more belongs to the foreground too."""
ENCLOSED = 0.5
"""Of a thing's surroundings: if the foreground covers more, the thing lies in front of it."""
HOLE_SHARE = 0.03
"""Of a subject's pixels: enclosed holes up to so large are filled, for they are mostly slips of a
small network, such as a cat's eyes. Of 0, 0.2, 1, 3, 10 and 100 % on 60 held-out photos all did
about as well; larger holes, as between an arm and a body, stay."""
_EDGE_FALL = 2.0  # a pixel at the middle of an edge counts exp(-2) of one at the photo's middle
_RING_SHARE = 0.05  # of a thing's size: how far its surroundings reach


@dataclass(frozen=True)
class Subject:
    """What is cut out together.

    Args:
        segments: One or more of the same photo, the most prominent first.

    Raises:
        UsageError: If there is none, or their sizes differ.
    """

    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        sizes = {segment.size for segment in self.segments}
        if len(sizes) != 1:
            raise UsageError(
                "a subject must be one or more segments of one photo,"
                f" got {len(self.segments)} of the sizes {sorted(sizes)}; take those of one photo"
            )

    @property
    def category(self) -> str:
        """The class of the most prominent segment."""
        return self.segments[0].category

    def mask(self) -> Bool[np.ndarray, "h w"]:
        """Return the mask, True on the subject, without small holes; made anew at each call."""
        return _filled(_together(self.segments))


def find_subjects(
    segmenter: Segmenter,
    image: PhotoSource,
    *,
    choice: str = PROMINENT,
    categories: Sequence[str] = (),
) -> tuple[Subject, ...]:
    """Return the subjects of a photo, one or more, as `subjects_in` chooses them.

    Args:
        segmenter: Finds what is in it.
        image: A path, bytes, PIL image, array (h, w, 3) or `Photo`.
        choice: As for `subjects_in`.
        categories: As for `subjects_in`.

    Raises:
        SubjectError: If nothing is found.
        ImageError: If the photo cannot be read.
        UsageError: If the choice or a class is unknown, or the network finds no things.
    """
    _check(choice)
    wanted = known_categories(segmenter.classes, categories)
    task = "panoptic" if segmenter.config.task == "panoptic" else "instance"
    found = segmenter.segment(image, task, thresholds=FOUND)
    subjects = subjects_in(found, choice=choice, categories=wanted)
    if not subjects:
        kind = f" of the class {' or '.join(wanted)}" if wanted else ""
        others = sorted({segment.category for segment in found.segments})
        seen = f" but {', '.join(others[:5])}" if others and wanted else ""
        raise SubjectError(
            f"expected a subject{kind}, found none{seen}; point at it with --point X,Y"
        )
    return subjects


def subjects_in(
    found: Segmentation, *, choice: str = PROMINENT, categories: Sequence[str] = ()
) -> tuple[Subject, ...]:
    """Return the subjects among segments, the most prominent first; () if there is none.

    Args:
        found: What is in the photo, panoptic or instances.
        choice: "prominent" is the foreground that somebody who edits photos expects, as one
            subject: the most prominent thing, all others of at least a quarter of its prominence,
            and what lies in front of them, such as a bag before a coat. "largest" is the one thing
            of the most pixels. "all" makes each thing a subject of its own.
        categories: Names of classes to choose among, stuff such as sky too; () means all things.

    Raises:
        UsageError: If the choice or a class is unknown.
    """
    _check(choice)
    wanted = known_categories(ClassList(found.categories), categories)
    least = LEAST_SHARE * found.size[0] * found.size[1]
    fitting = [
        segment
        for segment in found.segments
        if segment.area >= least and (segment.category in wanted if wanted else segment.is_thing)
    ]
    fitting.sort(key=prominence, reverse=True)
    if not fitting:
        return ()
    if choice == ALL:
        return tuple(Subject((segment,)) for segment in fitting)
    if choice == LARGEST:
        return (Subject((max(fitting, key=lambda segment: segment.area),)),)
    return (Subject(_foreground(fitting)),)


def known_categories(classes: ClassList, names: Sequence[str]) -> tuple[str, ...]:
    """Return the classes' own names for names as somebody types them, whatever their case.

    Raises:
        UsageError: If a class is unknown; the message lists those there are.
    """
    try:
        return tuple(classes.names[classes.find(name)] for name in names)
    except UsageError as error:
        known = ", ".join(classes.names)
        raise UsageError(
            f"a class must be one of this network's, {known}; got {', '.join(names)};"
            " choose among these, or another network"
        ) from error


def prominence(segment: Segment) -> float:
    """Return score x share of the photo, in [0, 1], in which pixels near the middle count more.

    The weight of a pixel is exp(-2 (x² + y²)), x and y from -1 at one edge to 1 at the other.
    """
    height, width = segment.size
    down, across = (_weights(length) for length in (height, width))
    x0, y0, x1, y1 = segment.box
    inside = segment.mask()[y0:y1, x0:x1].astype(np.float32)
    covered = float(down[y0:y1] @ inside @ across[x0:x1])
    return segment.score * covered / float(down.sum() * across.sum())


def _weights(length: int) -> np.ndarray:
    place = (np.arange(length, dtype=np.float32) + 0.5) * 2 / length - 1
    return np.exp(-_EDGE_FALL * place**2)


def _foreground(fitting: Sequence[Segment]) -> tuple[Segment, ...]:
    """Return what is comparable with the first of the segments, and what lies in front of it."""
    enough = COMPARABLE * prominence(fitting[0])
    chosen = [segment for segment in fitting if prominence(segment) >= enough]
    body = _together(chosen)
    others = [segment for segment in fitting if segment not in chosen]
    return (*chosen, *(segment for segment in others if _is_enclosed(segment, body)))


def _is_enclosed(segment: Segment, body: Bool[np.ndarray, "h w"]) -> bool:
    """Say whether the surroundings of a segment belong to the body for the most part."""
    reach = max(2, round(_RING_SHARE * segment.area**0.5))
    x0, y0, x1, y1 = segment.box
    window = slice(max(0, y0 - reach), y1 + reach), slice(max(0, x0 - reach), x1 + reach)
    mask = segment.mask()[window]
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    ring = (cv2.dilate(mask.astype(np.uint8), disc) > 0) & ~mask
    return bool(np.count_nonzero(body[window] & ring) > ENCLOSED * np.count_nonzero(ring))


def _together(segments: Sequence[Segment]) -> Bool[np.ndarray, "h w"]:
    mask = segments[0].mask()
    for segment in segments[1:]:
        mask |= segment.mask()
    return mask


def _filled(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Return a mask whose enclosed holes of at most `HOLE_SHARE` of it belong to it."""
    beside = np.pad(~mask, 1, constant_values=True)  # what reaches the photo's edge is no hole
    count, labels, rows, _ = cv2.connectedComponentsWithStats(beside.view(np.uint8), connectivity=4)
    small = rows[:, cv2.CC_STAT_AREA] <= HOLE_SHARE * np.count_nonzero(mask)
    small[[0, labels[0, 0]]] = False
    return mask | small[labels][1:-1, 1:-1] if count > 2 else mask


def _check(choice: str) -> None:
    if choice not in CHOICES:
        raise UsageError(f"a choice must be one of {', '.join(CHOICES)}, got {choice!r}")
