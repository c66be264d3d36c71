"""The small segmenting network that ships with the package: what a photo's subject is, and where.

Command: maskwright train mask2former_mini --set data=DIR
Hardware, time: one of two shared CPU cores, about 2 hours.
Data: photos with objects as listed in `data/embedded_segments.py`, ImageNet weights to start from.

The schedule is not the paper's, see the recipe `camvid`.
"""

from dataclasses import dataclass, replace

from torch import optim

from maskwright.data.embedded_segments import CLASSES, SegmentSources
from maskwright.data.segment_crops import SegmentCropPlan
from maskwright.layers.conv import channels_last
from maskwright.models.mask2former.config import MINI
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

CONFIG = replace(
    MINI,
    classes=len(CLASSES),
    names=CLASSES.names,
    things=CLASSES.is_thing,
    task="panoptic",
    short_side_px=320,
    long_side_px=512,
)


@dataclass(frozen=True)
class Settings:
    """What `--set` may change.

    Attributes:
        data: The folder of real data; empty for drawn things on drawn scenes.
        start: A network to go on from, a name or a file; empty: MobileNetV2 of ImageNet, which
            lies in the folder of real data, or noise.
        procedural: How many things are drawn where there is no real data.
        steps: Steps of the whole run.
        batch: Crops of a step.
        side_px: Side of a crop.
        learning_rate: Of all but MobileNetV2.
        backbone_factor: On the learning rate of MobileNetV2.
        points: At how many points masks are compared; 0 compares whole masks.
        validated: How many held-out photos are segmented.
        precision: "no" computes in fp32, "bf16" mixed.
        workers: Processes that make crops.
        seed: Of everything random.
    """

    data: str = ""
    start: str = ""
    procedural: int = 160
    steps: int = 4000
    batch: int = 8
    side_px: int = 320
    learning_rate: float = 5e-4
    backbone_factor: float = 0.3
    points: int = 3136
    validated: int = 60
    precision: Precision = "no"
    workers: int = 1
    seed: int = 0


def job(settings: Settings) -> Job:
    """Return the training job."""
    sources = SegmentSources(settings.data, seed=settings.seed, drawn=settings.procedural)
    held_out = sources.held_out(settings.validated)
    network = start_small(CONFIG, start=settings.start, data=settings.data)
    channels_last(network)
    return Job(
        model=SegmentTraining(network, frozen_norms=True),
        dataset=sources.training(SegmentCropPlan(side_px=settings.side_px)),
        validate=SegmentValidation(held_out, CONFIG, subject=True) if held_out else None,
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
        source="maskwright recipe mask2former_mini",
        save_every=50,
        average=0.998,
        clip=1.0,
        precision=settings.precision,
        workers=settings.workers,
        seed=settings.seed,
        finish=network_of,
    )
