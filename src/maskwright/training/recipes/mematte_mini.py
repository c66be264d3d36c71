"""The small MEMatte that ships with the package: a teacher first, then its routed student.

Commands: maskwright train mematte_mini --set data=DIR
          maskwright train mematte_mini --set stage=student --set data=DIR
The student starts from the teacher and learns to make its features with a quarter of the tokens.
Hardware, time: one of two shared CPU cores, about two hours. Score: SAD 4.44, MSE 30.6e-3 on 64
held-out composites, `benchmarks/results/routing.md` for larger ones.
Data: as of `a2u_mini`.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn, optim

from maskwright.data.embedded import Sources
from maskwright.errors import UsageError
from maskwright.models.a2u.compact import CompactMatting
from maskwright.models.a2u.loss import squared_loss
from maskwright.models.mematte.config import MINI
from maskwright.models.mematte.decoder import DetailMobileNet
from maskwright.models.mematte.loss import alpha_losses
from maskwright.models.mematte.model import MemoryEfficientMatting, build
from maskwright.training.distillation import (
    Losses,
    Trained,
    network_of,
    read_teacher,
    shift_routers,
    student_of,
)
from maskwright.training.inputs import matting_input
from maskwright.training.recipe import Job, Precision, warmup_cosine
from maskwright.training.validation import MattingValidation
from maskwright.weights.load import load_model

STARTED = ("decoder.detail.", "encoder.trunk.backbone.")  # from `a2u-mini`
SHIFTED_SIDE_PX, SHIFTED_CROPS = 1024, 14
TEACHER = Path("runs/mematte_mini-teacher/mematte_mini-teacher.safetensors")


@dataclass(frozen=True)
class Settings:
    """What `--set` may change.

    Attributes:
        stage: "teacher" attends to all tokens, "student" is routed.
        teacher: The student's start and example: what the first stage has written.
        start: Network whose layers the teacher starts from (`start_from`); empty: fresh.
        data: The folder of real data; empty for procedural data only.
        steps: Steps of the whole run.
        batch: Crops of a step.
        side_px: Side of a crop.
        procedural: How many procedural foregrounds are drawn before the run.
        learning_rate: At its highest, of what starts fresh: all of the teacher but its image
            stream and trunk, routers and LTRMs of the student. The rest learns at a third of it.
        budget: Share of the tokens that routers learn to keep.
        budget_weight: How much a departure from it weighs; in so short a run the paper's 1 would
            leave the routers to keep most.
        kept: Share of the tokens that the finished student keeps of large crops: at the end its
            routers' thresholds are moved (`shift_routers`).
        validated: How many held-out composites are scored.
        precision: "no" computes in fp32, "bf16" mixed.
        workers: Processes that make crops.
        seed: Of everything random.
    """

    stage: Literal["teacher", "student"] = "teacher"
    teacher: str = str(TEACHER)
    start: str = "a2u-mini"
    data: str = ""
    steps: int = 4000
    batch: int = 6
    side_px: int = 256
    procedural: int = 160
    learning_rate: float = 1e-3
    budget: float = 0.25
    budget_weight: float = 20.0
    kept: float = 0.27
    validated: int = 24
    precision: Precision = "no"
    workers: int = 1
    seed: int = 0


def job(settings: Settings) -> Job:
    """Return the training job of a stage."""
    sources = Sources(settings.data, drawn=settings.procedural, seed=settings.seed)
    if settings.stage == "student":
        config, teacher = MINI, read_teacher(settings.teacher)[0]
        network = student_of(teacher, config)
    else:
        config, teacher = replace(MINI, routed=False), None
        network = build(config)
        if settings.start:
            start_from(network, load_model(settings.start)[0])
    return Job(
        model=Trained(network),
        dataset=sources.training(settings.side_px),
        validate=MattingValidation.of(sources.held_out(), settings.validated),
        validate_every=500,
        losses=Losses(
            teacher,
            budget=settings.budget,
            budget_weight=settings.budget_weight,
            terms=unknown_terms,
        ),
        optimizer=_optimizer(network, settings.learning_rate, is_student=teacher is not None),
        rate=warmup_cosine(warmup=300, steps=settings.steps),
        steps=settings.steps,
        batch=settings.batch,
        paper="mematte",
        config=config,
        source=f"maskwright recipe mematte_mini, {settings.stage}",
        save_every=50,
        average=0.998,
        clip=1.0,
        precision=settings.precision,
        workers=settings.workers,
        seed=settings.seed,
        name=f"mematte_mini-{settings.stage}",
        finish=lambda model: _finished(model, sources, share=settings.kept),
    )


def unknown_terms(prediction: Tensor, alpha: Tensor, unknown: Tensor) -> dict[str, Tensor]:
    """Return losses of alpha that ask nothing of known pixels and weigh values over edges.

    Not as in the paper. A small network would learn known pixels first, and what it says of them
    is never used. The gradients' loss would pull four times as hard as all others together: its
    share, and those of the Laplacian and of the squared error, are set so that each pulls about
    as hard as the absolute error.
    """
    prediction = torch.where(unknown, prediction, alpha)
    found = alpha_losses(prediction, alpha, unknown)
    return {
        "unknown": found.unknown,
        "gradient": 0.1 * found.gradient,
        "laplacian": 3 * found.laplacian,
        "squared": 10 * squared_loss(prediction, alpha, unknown.float()),
    }


def start_from(network: MemoryEfficientMatting, start: nn.Module) -> None:
    """Copy what a trained network has in common with a teacher.

    Args:
        network: The teacher.
        start: `a2u-mini`, whose first layers read the same input; or another teacher.

    Raises:
        UsageError: If it is neither.
    """
    trunk, detail = network.encoder.trunk, network.decoder.detail
    if isinstance(start, MemoryEfficientMatting):
        network.load_state_dict(start.state_dict(), strict=False)
    elif isinstance(start, CompactMatting) and trunk and isinstance(detail, DetailMobileNet):
        given = start.backbone.state_dict()
        detail.first.load_state_dict(start.detail.state_dict())
        detail.backbone.load_state_dict({
            name: given[name] for name in detail.backbone.state_dict()
        })
        trunk.backbone.load_state_dict(given)
    else:
        raise UsageError(
            "expected a compact A2U network or a MEMatte to start from, got "
            f"{type(start).__name__}; use --set start= to start fresh"
        )


def _finished(model: nn.Module, sources: Sources, *, share: float) -> nn.Module:
    """Return the network to store; routers keep a share of large crops, as photos are large."""
    network = network_of(model)
    assert isinstance(network, MemoryEfficientMatting)
    if network.routers:
        crops = sources.training(SHIFTED_SIDE_PX)
        samples = [crops[0, index] for index in range(SHIFTED_CROPS)]
        inputs = [matting_input(s["image"][None], s["trimap"][None]) for s in samples]
        shift_routers(network, inputs, share=share)
    return network


def _optimizer(
    network: MemoryEfficientMatting, learning_rate: float, *, is_student: bool
) -> optim.Optimizer:
    """Return AdamW: no decay for vectors, a lower rate for what has been trained before."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        is_fresh = _is_routing(name) if is_student else not name.startswith(STARTED)
        key = (learning_rate if is_fresh else learning_rate / 3, 0.05 if parameter.ndim > 1 else 0)
        groups.setdefault(key, []).append(parameter)
    return optim.AdamW([
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ])


def _is_routing(name: str) -> bool:
    return ".router." in name or ".refine." in name
