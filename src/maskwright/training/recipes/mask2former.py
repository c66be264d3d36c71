"""Mask2Former as in the paper: ResNets and Swin transformers, schedules of section 4.1 and A.

Command: accelerate launch --num_processes 8 -m maskwright train mask2former
             --set data=DIR --set layout=coco-panoptic --set size=r50 --set start=resnet50.pth
Data: COCO, ADE20K or Cityscapes as they are distributed, or `folder`: `train/images` and
`train/labels`, the same in `val` to validate on, and a list of classes.
Start: a classifier of ImageNet (ResNet in torchvision's names, Swin in its authors'), or a
Mask2Former; parts that do not fit, such as those for other classes, start from noise.
Published for this recipe: PQ 51.9 (R50) to 57.8 (Swin-L) on COCO; 79.4 mIoU (R50) on Cityscapes,
47.2 on ADE20K; not run here, for want of the data. Norms that learn (Cityscapes) see the photos of
all processes, as published ones do.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

from torch import Tensor, optim

from maskwright.data.ade20k import ade20k_folder
from maskwright.data.cityscapes import cityscapes_folder
from maskwright.data.coco import coco_folder
from maskwright.data.ground_truth import TruthSet
from maskwright.data.segment_samples import (
    Augmentation,
    Crops,
    Jitter,
    SegmentSamples,
    TruthPhotos,
)
from maskwright.data.truth_finder import open_truth
from maskwright.errors import UsageError, WeightsError
from maskwright.formats.classes import read_classes
from maskwright.models.mask2former.config import (
    R50,
    R101,
    SWIN_B,
    SWIN_L,
    SWIN_S,
    SWIN_T,
    Config,
)
from maskwright.models.mask2former.convert import convert
from maskwright.models.mask2former.model import Mask2Former, build
from maskwright.training.query_groups import CLIP, LEARNING_RATE, groups
from maskwright.training.recipe import Job, Precision, staircase
from maskwright.training.segment_validation import SegmentValidation
from maskwright.training.segmenting import (
    SegmentLosses,
    SegmentTraining,
    count_targets,
    network_of,
)
from maskwright.weights.convert import load_official
from maskwright.weights.load import load_model

CONFIGS = {
    "r50": R50,
    "r101": R101,
    "swin_t": SWIN_T,
    "swin_s": SWIN_S,
    "swin_b": SWIN_B,
    "swin_l": SWIN_L,
}
Task = Literal["panoptic", "instance", "semantic"]
LARGE = ("swin_b", "swin_l")  # see larger photos of ADE20K
NOT_IN_A_CLASSIFIER = r".*num_batches_tracked|backbone\.stages\.\d\.norm\..*"
POWER = 0.9  # of the polynomial decay


@dataclass(frozen=True)
class Course:
    """How a data set is learned from.

    Attributes:
        steps: Of the whole run.
        stairs: Steps at which the rate falls to a tenth; none: it falls to 0 as a power.
        short_side_px: The network sees photos with this shorter side, and varies around it.
        long_side_px: But no longer side than this.
        crop_px: Height and width of what is learned from.
        jitter: Whether sizes are varied by large-scale jitter.
    """

    steps: int
    stairs: tuple[int, ...]
    short_side_px: int
    long_side_px: int
    crop_px: tuple[int, int]
    jitter: bool = False

    def augmentation(self) -> Augmentation:
        """Return how photos are varied."""
        if self.jitter:
            return Jitter(self.crop_px[0])
        return Crops(self.short_side_px, self.crop_px)

    def rate(self, steps: int) -> Callable[[int], float]:
        """Return the factor on all rates, for a run of so many steps.

        Args:
            steps: As planned, or another number, to which the stairs are moved in proportion.
        """
        if self.stairs:
            return staircase(milestones=[round(s * steps / self.steps) for s in self.stairs])
        return lambda step: float(max(0.0, 1 - step / steps) ** POWER)


COCO = Course(368_750, (327_778, 355_092), 800, 1333, (1024, 1024), jitter=True)
COCO_LONG = replace(COCO, steps=737_500, stairs=(655_556, 710_184))
ADE20K = Course(160_000, (), 512, 2048, (512, 512))
ADE20K_LARGE = Course(160_000, (), 640, 2560, (640, 640))
CITYSCAPES = Course(90_000, (), 1024, 2048, (512, 1024))


@dataclass(frozen=True)
class Settings:
    """What `--set` may change.

    Attributes:
        size: Of the backbone.
        start: See above; empty starts from noise.
        data: The folder of the data set.
        layout: How it is laid out.
        task: What of ADE20K, Cityscapes or the folder is learned; COCO's layouts say it.
        classes: For a folder: a file that lists them, or the name of a published list.
        steps: Steps of the whole run; 0 is as published, for a folder as for ADE20K.
        batch: Samples of a step, over all processes.
        learning_rate: Of all but the backbone, which learns at a tenth of it.
        short_side_px: The network sees photos with this shorter side; crops follow it. 0 is as
            published.
        points: At how many points masks are compared; 0 compares whole masks.
        validated: How many photos to validate on.
        precision: "bf16" computes mixed, "no" in fp32.
        workers: Processes that make samples.
        seed: Of everything random.
    """

    size: Literal["r50", "r101", "swin_t", "swin_s", "swin_b", "swin_l"] = "r50"
    start: str = ""
    data: str = ""
    layout: Literal["coco-panoptic", "coco-instance", "ade20k", "cityscapes", "folder"] = (
        "coco-panoptic"
    )
    task: Task = "semantic"
    classes: str = ""
    steps: int = 0
    batch: int = 16
    learning_rate: float = LEARNING_RATE
    short_side_px: int = 0
    points: int = 12_544
    validated: int = 200
    precision: Precision = "bf16"
    workers: int = 4
    seed: int = 0


def job(settings: Settings) -> Job:
    """Return the training job."""
    course = course_of(settings)
    truth, held_out = truths(settings)
    config = config_of(settings, truth, course)
    semantic = truth.task == "semantic"
    steps = settings.steps or course.steps
    network = started(settings.start, config)
    return Job(
        model=SegmentTraining(network),
        dataset=SegmentSamples(
            TruthPhotos(truth),
            plan=course.augmentation(),
            most=min(config.queries, len(truth.classes)) if semantic else config.queries,
            seed=settings.seed,
        ),
        validate=SegmentValidation.of(held_out, settings.validated, config) if held_out else None,
        validate_every=5000,
        losses=SegmentLosses(settings.points),
        sums=count_targets,
        optimizer=optim.AdamW(groups(network, learning_rate=settings.learning_rate)),
        rate=course.rate(steps),
        steps=steps,
        batch=settings.batch,
        paper="mask2former",
        config=config,
        source=f"maskwright recipe mask2former, {settings.size} {settings.layout} {truth.task}",
        save_every=1000,
        precision=settings.precision,
        clip=CLIP,
        workers=settings.workers,
        seed=settings.seed,
        name=f"mask2former-{settings.size}-{settings.layout}-{truth.task}",
        finish=network_of,
    )


def course_of(settings: Settings) -> Course:
    """Return how the data set is learned from: as published, but for the sides of photos."""
    if settings.layout.startswith("coco"):
        course = COCO_LONG if settings.size == "swin_l" else COCO
    elif settings.layout == "cityscapes":
        course = CITYSCAPES
    else:
        is_large = settings.task != "semantic" or settings.size in LARGE
        course = ADE20K_LARGE if is_large else ADE20K
    if not settings.short_side_px:
        return course
    factor = settings.short_side_px / course.short_side_px
    height, width = (max(32, round(side * factor / 32) * 32) for side in course.crop_px)
    return replace(
        course,
        short_side_px=settings.short_side_px,
        long_side_px=round(course.long_side_px * factor),
        crop_px=(height, width),
    )


def truths(settings: Settings) -> tuple[TruthSet, TruthSet | None]:
    """Return what to learn from and what to validate on, None if that is missing.

    Raises:
        UsageError: If no folder is given, or no classes where they are needed.
        DataError: If a folder is not as expected.
    """
    if not settings.data:
        raise UsageError(
            "expected a data set to learn from, got none; use --set data=DIR --set layout=…"
        )
    root = Path(settings.data)
    if settings.layout == "ade20k":
        training = ade20k_folder(root, "training", task=settings.task)
        there = (root / "images" / "validation").is_dir()
        return training, ade20k_folder(root, task=settings.task) if there else None
    if settings.layout == "cityscapes":
        training = cityscapes_folder(root, "train", task=settings.task)
        there = (root / "leftImg8bit" / "val").is_dir()
        return training, cityscapes_folder(root, task=settings.task) if there else None
    if settings.layout == "folder":
        return _own(root, settings)
    task = settings.layout.removeprefix("coco-")
    there = (root / "val2017").is_dir()
    training = coco_folder(root, "train2017", task=task)
    return training, coco_folder(root, "val2017", task=task) if there else None


def _own(root: Path, settings: Settings) -> tuple[TruthSet, TruthSet | None]:
    classes = read_classes(settings.classes) if settings.classes else None
    training, *held_out = (
        open_truth(part / "images", part / "labels", task=settings.task, classes=classes)
        for part in (root / "train", root / "val")
        if part.name == "train" or part.is_dir()
    )
    return training, held_out[0] if held_out else None


def config_of(settings: Settings, truth: TruthSet, course: Course) -> Config:
    """Return the configuration of the network for a data set."""
    config = CONFIGS[settings.size]
    return replace(
        config,
        frozen=settings.layout != "cityscapes",
        queries=100 if truth.task == "semantic" else config.queries,
        classes=len(truth.classes),
        names=truth.classes.names,
        things=truth.classes.is_thing,
        task=cast(Task, truth.task),
        short_side_px=course.short_side_px,
        long_side_px=course.long_side_px,
    )


def started(start: str, config: Config) -> Mask2Former:
    """Return the network with what it starts from.

    Args:
        start: As in `Settings`.
        config: Of the network.

    Raises:
        WeightsError: If the file is missing, damaged, or its backbone is another one.
    """
    network = build(config)
    if not start:
        return network
    state = _state(start)
    own = network.state_dict()
    fitting = {n: x for n, x in state.items() if n in own and own[n].shape == x.shape}
    wrong = sorted(
        name
        for name in set(own) - set(fitting)
        if name.startswith("backbone.") and not re.fullmatch(NOT_IN_A_CLASSIFIER, name)
    )
    if wrong:
        raise WeightsError(
            f"expected a start for this backbone, {Path(start).name} does not fit at {wrong[0]};"
            " change --set size or the file"
        )
    network.load_state_dict(fitting, strict=False)
    return network


def _state(start: str) -> dict[str, Tensor]:
    if start.endswith(".safetensors"):
        model, paper, _ = load_model(start)
        if paper != "mask2former":
            raise WeightsError(
                f"expected a Mask2Former to start from, {start} holds {paper}; change the file"
            )
        return dict(model.state_dict())
    return dict(convert(load_official(start)))
