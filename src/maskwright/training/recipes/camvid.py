"""A small network for street scenes: CamVid, 11 classes, 480 x 360.

Command: maskwright train camvid --set data=DIR
Hardware, time: two CPU cores, about 3 hours.
Data: a folder with `camvid/train` and `camvid/val`, each with `images` and `labels` in the order
of SegNet's CamVid (Badrinarayanan et al., TPAMI 2017, arXiv:1511.00561; Brostow et al., "Semantic
Object Classes in Video", PRL 2009), and `weights/mobilenetv2_imagenet.safetensors`.

Not the paper's schedule, which is made for hundreds of thousands of steps: gradients are clipped
at 1 instead of 0.01, which AdamW hardly feels but its first steps do; rates are higher; masks, of
80 x 80 cells here, are compared at fewer points.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from torch import optim

from maskwright.data.segment_samples import Crops, SegmentSamples, TruthPhotos
from maskwright.data.semantic import label_folder
from maskwright.errors import UsageError
from maskwright.layers.conv import channels_last
from maskwright.models.mask2former.config import MINI
from maskwright.structures.class_list import ClassList
from maskwright.training.query_groups import groups
from maskwright.training.recipe import Job, Precision, warmup_cosine
from maskwright.training.segment_validation import SegmentValidation
from maskwright.training.segmenting import (
    SegmentLosses,
    SegmentTraining,
    count_targets,
    network_of,
    start_small,
)

CLASSES = ClassList(
    names=(
        *("sky", "building", "pole", "road", "pavement", "tree"),
        *("sign", "fence", "car", "pedestrian", "bicyclist"),
    ),
    is_thing=(*(False,) * 8, *(True,) * 3),
    colours=(
        *((128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222)),
        *((128, 128, 0), (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192)),
    ),
    void=(11, 255),
)
CONFIG = replace(
    MINI,
    classes=len(CLASSES),
    names=CLASSES.names,
    things=CLASSES.is_thing,
    task="semantic",
    short_side_px=360,
    long_side_px=640,
)
SCALES = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 1.7)


@dataclass(frozen=True)
class Settings:
    """What `--set` may change.

    Attributes:
        data: The folder of real data.
        start: A network to go on from, a name or a file; empty: MobileNetV2 of ImageNet.
        steps: Steps of the whole run.
        batch: Crops of a step.
        side_px: Side of a crop.
        learning_rate: Of all but MobileNetV2.
        backbone_factor: On the learning rate of MobileNetV2.
        points: At how many points masks are compared; 0 compares whole masks.
        validated: How many photos to validate on.
        precision: "no" computes in fp32, "bf16" mixed.
        workers: Processes that make crops.
        seed: Of everything random.
    """

    data: str = ""
    start: str = ""
    steps: int = 4000
    batch: int = 8
    side_px: int = 320
    learning_rate: float = 5e-4
    backbone_factor: float = 0.3
    points: int = 3136
    validated: int = 101
    precision: Precision = "no"
    workers: int = 1
    seed: int = 0


def job(settings: Settings) -> Job:
    """Return the training job.

    Raises:
        UsageError: If no folder is given.
        DataError: If it is not as expected.
    """
    if not settings.data:
        raise UsageError("expected the folder that holds camvid, got none; use --set data=DIR")
    training, held_out = (
        label_folder(part / "images", part / "labels", CLASSES)
        for part in (Path(settings.data) / "camvid" / name for name in ("train", "val"))
    )
    network = start_small(CONFIG, start=settings.start, data=settings.data)
    channels_last(network)
    return Job(
        model=SegmentTraining(network, frozen_norms=True),
        dataset=SegmentSamples(
            TruthPhotos(training),
            plan=Crops(CONFIG.short_side_px, (settings.side_px,) * 2, scales=SCALES),
            most=len(CLASSES),
            seed=settings.seed,
        ),
        validate=SegmentValidation.of(held_out, settings.validated, CONFIG),
        validate_every=500,
        losses=SegmentLosses(settings.points),
        sums=count_targets,
        optimizer=optim.AdamW(
            groups(
                network,
                learning_rate=settings.learning_rate,
                backbone_factor=settings.backbone_factor,
            )
        ),
        rate=warmup_cosine(warmup=200, steps=settings.steps),
        steps=settings.steps,
        batch=settings.batch,
        paper="mask2former",
        config=CONFIG,
        source="maskwright recipe camvid",
        save_every=50,
        average=0.998,
        clip=1.0,
        precision=settings.precision,
        workers=settings.workers,
        seed=settings.seed,
        finish=network_of,
    )
