"""Validation of segmenting networks while they train: scores and sheets of held-out photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, UInt8
from torch import nn

from maskwright.data.ground_truth import GroundTruth
from maskwright.data.sources import read_colour
from maskwright.evaluation.report import sheet
from maskwright.formats.overlay import overlay
from maskwright.inference.segment import Segmenter, classes_of
from maskwright.metrics.instance import InstancePrecision
from maskwright.metrics.interactive import iou
from maskwright.metrics.panoptic import PanopticQuality
from maskwright.metrics.semantic import Confusion
from maskwright.models.mask2former.config import Config
from maskwright.structures.class_list import ClassList
from maskwright.structures.segmentation import Segmentation
from maskwright.training.segmenting import network_of

SHEETS, SHEET_PX = 6, 320


@runtime_checkable
class Truths(Protocol):
    """What has a length and gives a photo and its segmentation for each index below it."""

    def __len__(self) -> int:
        """Return the number of photos."""

    def __getitem__(self, index: int, /) -> GroundTruth:
        """Return one."""


@runtime_checkable
class Counts(Protocol):
    """What collects photos until their scores are asked for."""

    def add(self, truth: Any, prediction: Any) -> None:
        """Count one photo."""

    def scores(self) -> dict[str, float]:
        """Return the scores by name, each in [0, 1]."""


@dataclass(frozen=True)
class SegmentValidation:
    """Segments the same photos each time.

    Attributes:
        photos: With what is in them, for the task of the network.
        config: Of the network.
        subject: Whether all that is found together is compared with all there is, too. Panoptic
            quality lets pass whatever is found on void, where that is background.
    """

    photos: Sequence[GroundTruth]
    config: Config
    subject: bool = False

    @classmethod
    def of(cls, truths: Truths, count: int, config: Config) -> "SegmentValidation":
        """Return a validation on some of the photos, spread evenly over the list."""
        count = min(count, len(truths))
        return cls([truths[index * len(truths) // count] for index in range(count)], config)

    def __call__(self, model: nn.Module) -> tuple[dict[str, float], list[np.ndarray]]:
        """Return scores, and sheets: photo | what was found | what there is.

        The first score is what the others lack: 1 - mIoU (semantic), PQ (panoptic) or AP
        (instance). The last, if wanted, is `subject`: the mean IoU of all that is found.
        """
        device = str(next(model.parameters()).device)
        network: Any = network_of(model)
        segmenter = Segmenter(network, self.config, device=device, dtype="fp32")
        classes, task = classes_of(self.config), self.config.task
        counts = _counts(task, classes)
        found = segmenter.segment_many((each.photo for each in self.photos), task)
        sheets, subjects = list[UInt8[np.ndarray, "h w 3"]](), list[float]()
        for truth, prediction in zip(self.photos, found, strict=True):
            counts.add(*(_counted(one, task) for one in (truth.segmentation, prediction)))
            if self.subject and truth.segmentation.segments:
                subjects.append(iou(_together(prediction), _together(truth.segmentation)))
            if len(sheets) < SHEETS:
                pixels = read_colour(truth.photo)
                panels = [
                    overlay(pixels, one, classes=classes)
                    for one in (prediction, truth.segmentation)
                ]
                sheets.append(sheet(pixels, *panels, height_px=SHEET_PX))
        scores = counts.scores() | ({"subject": float(np.mean(subjects))} if subjects else {})
        return {"missed": 1 - next(iter(scores.values())), **scores}, sheets


def _counts(task: str, classes: ClassList) -> Counts:
    if task == "semantic":
        return Confusion(classes.names)
    if task == "instance":
        return InstancePrecision(classes.names, with_boundary=False)
    return PanopticQuality(classes.names, classes.is_thing)


def _together(found: Segmentation) -> Bool[np.ndarray, "h w"]:
    """Return where any of the segments is."""
    masks = [segment.mask() for segment in found.segments]
    return np.logical_or.reduce([np.zeros(found.size, np.bool_), *masks])


def _counted(found: Segmentation, task: str) -> Any:
    """Return a segmentation as it is counted: a semantic one as a map of classes."""
    return found.label_map() if task == "semantic" else found
