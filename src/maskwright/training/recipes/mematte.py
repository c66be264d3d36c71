"""MEMatte as in the paper: ViT-S or ViT-B, losses, schedule and augmentation of the official code.

Commands: accelerate launch --num_processes 2 -m maskwright train mematte
              --set teacher=FILE --set data=DIR --set layout=composition-1k
          … train mematte --set stage=teacher --set start=FILE --set data=DIR   (ViTMatte itself)
Data: 431 Adobe foregrounds (`docs/datasets.md` has the layouts) and scenes in DIR/bg or
`backgrounds`, in the paper COCO train2014. Without DIR: procedural.
Start: a ViTMatte (`maskwright convert`), which is the teacher too. A ViTMatte starts from the
ImageNet weights of DINO (S) or MAE (B).
Validation: some of what is learned from; a run's result is told by `evaluate matting`.
Published for this recipe: SAD 21.90, MSE 3.37e-3 (S), 21.06, 3.11e-3 (B) on Composition-1k;
not run here, for want of the data.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from torch import optim

from maskwright.data.augmentation import MEMATTE
from maskwright.data.papers import paper_compositions
from maskwright.errors import UsageError
from maskwright.models.mematte.config import BASE, SMALL, Config
from maskwright.models.mematte.convert import convert_imagenet
from maskwright.models.mematte.model import MemoryEfficientMatting, build
from maskwright.training.distillation import (
    Losses,
    Trained,
    network_of,
    read_teacher,
    student_of,
)
from maskwright.training.layerwise import Layers, norm_parameters, parameter_groups
from maskwright.training.recipe import Batch, Job, Precision
from maskwright.training.validation import MattingValidation
from maskwright.weights.convert import load_official
from maskwright.weights.load import load_strictly

EPOCH = 43_100  # samples that count as an epoch: 431 foregrounds, 100 backgrounds each
LEARNING_RATE, LAYER_DECAY, WEIGHT_DECAY = 5e-4, 0.65, 0.1
WARMUP_STEPS, WARMUP_FACTOR = 250, 0.001
FACTORS = (1.0, 0.1, 0.05)


@dataclass(frozen=True)
class Course:
    """How long a stage is trained.

    Attributes:
        batch: Samples of a step, over all processes.
        epochs: Of `EPOCH` samples.
        milestones: Epochs after which the rate falls to the next of `FACTORS`.
    """

    batch: int
    epochs: int
    milestones: tuple[int, int]

    def stairs(self, steps: int) -> list[int]:
        """Return the milestones as steps, of a run of so many."""
        return [steps * epoch // self.epochs for epoch in self.milestones]


CONFIGS = {"s": SMALL, "b": BASE}
COURSES = {
    ("student", "s"): Course(batch=32, epochs=30, milestones=(6, 26)),
    ("student", "b"): Course(batch=40, epochs=60, milestones=(30, 52)),
    ("teacher", "s"): Course(batch=32, epochs=100, milestones=(30, 90)),
    ("teacher", "b"): Course(batch=20, epochs=100, milestones=(30, 90)),
}


@dataclass(frozen=True)
class Settings:
    """What `--set` may change.

    Attributes:
        size: Of the vision transformer.
        stage: "student" is MEMatte, "teacher" a ViTMatte.
        teacher: The student's start and example: a ViTMatte in our format; empty: what the other
            stage has written.
        start: What a teacher starts from: a ViTMatte in our format, or the official ImageNet
            checkpoint of a vision transformer; empty starts from noise.
        gathered: Train routers by the cheaper of the two gradients (`models/mematte/attention.py`).
        data: The data set; empty for procedural data.
        layout: How the data set's folders are named.
        backgrounds: Folder of scenes; empty: `bg` in the data set.
        steps: Steps of the whole run; 0: as many as the published epochs have at this batch.
        batch: Samples of a step, over all processes; 0: as published.
        side_px: Side of a crop. The losses of alpha count per 512 x 512 pixels whatever it is.
        validated: How many samples are scored.
        precision: "no" computes in fp32, "bf16" mixed; the official code, in fp16 mixed.
        workers: Processes that make samples.
        seed: Of everything random.
    """

    size: Literal["s", "b"] = "s"
    stage: Literal["student", "teacher"] = "student"
    teacher: str = ""
    start: str = ""
    gathered: bool = False
    data: str = ""
    layout: str = "plain"
    backgrounds: str = ""
    steps: int = 0
    batch: int = 0
    side_px: int = 512
    validated: int = 8
    precision: Precision = "bf16"
    workers: int = 4
    seed: int = 0


def job(settings: Settings) -> Job:
    """Return the training job of a stage."""
    course = COURSES[settings.stage, settings.size]
    batch = settings.batch or course.batch
    steps = settings.steps or EPOCH * course.epochs // batch
    network, config, losses = (
        _student(settings) if settings.stage == "student" else _teacher(settings)
    )
    dataset = paper_compositions(
        settings.data,
        layout=settings.layout,
        backgrounds=settings.backgrounds,
        plan=replace(MEMATTE, crop_px=settings.side_px),
        seed=settings.seed,
    )
    return Job(
        model=Trained(network),
        dataset=dataset,
        losses=lambda model, samples: losses(model, with_levels(samples)),
        optimizer=optim.AdamW(groups(network)),
        rate=schedule(course.stairs(steps)),
        steps=steps,
        batch=batch,
        paper="mematte",
        config=config,
        source=f"maskwright recipe mematte, {settings.stage} {settings.size}",
        validate=MattingValidation.of(dataset, settings.validated),
        validate_every=2000,
        precision=settings.precision,
        workers=settings.workers,
        seed=settings.seed,
        name=f"mematte-{settings.stage}-{settings.size}",
        finish=network_of,
    )


def with_levels(batch: Batch) -> Batch:
    """Return a batch whose trimap is 0, a half and 1 instead of 0, 128 and 255.

    Not in the paper, but in the official code: unknown is exactly a half in training, 128/255 else.
    """
    trimap = batch["trimap"]
    return {**batch, "trimap": ((trimap >= 85).to(trimap) + (trimap >= 170).to(trimap)) / 2}


def schedule(milestones: Sequence[int]) -> Callable[[int], float]:
    """Return the factor on all rates: a linear rise, then stairs down.

    Args:
        milestones: Steps, counted from 0, at which the factor becomes the next of `FACTORS`.
    """

    def rate(step: int) -> float:
        if step < WARMUP_STEPS:
            return WARMUP_FACTOR + (1 - WARMUP_FACTOR) * step / WARMUP_STEPS
        return FACTORS[sum(step >= milestone for milestone in milestones)]

    return rate


def groups(network: MemoryEfficientMatting) -> list[dict[str, Any]]:
    """Return all parameters with their learning rates and weight decay.

    Bottlenecks and routers learn like the decoder; LTRMs, though fresh, like the blocks that they
    are in. Positions and norms have no weight decay; those of the bottlenecks, in the official code
    norms of another class, have.
    """
    layers = Layers(
        depth=len(network.encoder.blocks),
        first=("encoder.patches.", "encoder.position"),
        block=r"encoder\.blocks\.(\d+)\.",
        fresh=(".bottleneck.", ".router."),
    )
    norms = {name for name in norm_parameters(network) if ".bottleneck." not in name}
    return parameter_groups(
        network,
        layers,
        learning_rate=LEARNING_RATE,
        layer_decay=LAYER_DECAY,
        weight_decay=WEIGHT_DECAY,
        spared=norms | {"encoder.position"},
    )


def _student(settings: Settings) -> tuple[MemoryEfficientMatting, Config, Losses]:
    size = settings.size
    path = settings.teacher or f"runs/mematte-teacher-{size}/mematte-teacher-{size}.safetensors"
    teacher, given = _vitmatte(path, size)
    config = replace(given, routed=True, gathered_training=settings.gathered)
    return student_of(teacher, config), config, Losses(teacher)


def _teacher(settings: Settings) -> tuple[MemoryEfficientMatting, Config, Losses]:
    config = replace(CONFIGS[settings.size], routed=False)
    if settings.start.endswith(".safetensors"):
        network, config = _vitmatte(settings.start, settings.size)
        return network.requires_grad_(True), config, Losses(None)
    network = build(config)
    if settings.start:
        start = convert_imagenet(load_official(settings.start))
        load_strictly(network, network.state_dict() | start, name=Path(settings.start).name)
    return network, config, Losses(None)


def _vitmatte(path: str, size: str) -> tuple[MemoryEfficientMatting, Config]:
    network, config = read_teacher(path)
    if config.channels != CONFIGS[size].channels:
        raise UsageError(
            f"expected a teacher of {CONFIGS[size].channels} channels for size={size}, {path} has"
            f" {config.channels}; change --set size or the file"
        )
    return network, config
