"""The small MEMatte that ships with the package: a teacher first, then its routed student.

Commands: maskwright train mematte_mini --set data=DIR
          maskwright train mematte_mini --set stage=student --set data=DIR
The student starts from the teacher and learns to make its features with a quarter of the tokens.
Data: as of `a2u_mini`. Known pixels count as right, as the trimap's word is kept there.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn, optim

from maskwright.data.embedded import Sources
from maskwright.errors import UsageError
from maskwright.models.a2u.compact import CompactMatting
from maskwright.models.mematte.config import MINI, Config
from maskwright.models.mematte.decoder import DetailMobileNet
from maskwright.models.mematte.loss import (
    alpha_losses,
    budget_loss,
    distillation_loss,
)
from maskwright.models.mematte.model import (
    MemoryEfficientMatting,
    Training,
    build,
    start_from_vitmatte,
)
from maskwright.training.recipe import Job, warmup_cosine
from maskwright.training.validation import MattingValidation
from maskwright.weights.load import load_model

MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
DEVIATION = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
TEACHER = Path("runs/mematte_mini-teacher/mematte_mini-teacher.safetensors")


@dataclass(frozen=True)
class Settings:
    """What `--set` may change.

    Attributes:
        stage: "teacher" attends to all tokens, "student" is routed.
        teacher: The student's start and example: what the first stage has written.
        start: Network whose first layers the teacher's image stream starts from; empty: fresh.
        data: The folder of real data; empty for procedural data only.
        steps: Steps of the whole run.
        batch: Crops of a step.
        side_px: Side of a crop.
        procedural: How many procedural foregrounds are drawn before the run.
        learning_rate: At its highest, of what starts fresh: all of the teacher but its image
            stream, routers and LTRMs of the student. The rest learns at a third of it.
        budget: Share of the tokens that routers learn to keep.
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
    validated: int = 24
    precision: str = "no"
    workers: int = 1
    seed: int = 0


class Trained(nn.Module):
    """A network whose `forward` gives, in training, what the losses need.

    Args:
        network: Teacher or student.
    """

    def __init__(self, network: MemoryEfficientMatting) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Training | Tensor:
        """Return a `Training` in training, alpha outside it."""
        return self.network.forward_training(x) if self.training else self.network(x)


class Losses:
    """The losses of a stage.

    Args:
        teacher: What the student's features are compared to, or None in the first stage.
        budget: Share of the tokens to keep.
    """

    def __init__(self, teacher: MemoryEfficientMatting | None, budget: float) -> None:
        self.teacher, self.budget = teacher, budget

    def __call__(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the paper's losses of alpha; for a student also distillation and budget.

        Not as in the paper: nothing is asked of known pixels, which a small network would learn
        first and which are never used.
        """
        trimap, alpha = batch["trimap"], batch["alpha"]
        image = (batch["image"] - MEAN.to(trimap)) / DEVIATION.to(trimap)
        x = torch.cat([image, trimap], 1)
        found: Training = model(x)
        unknown = (trimap > 0.25) & (trimap < 0.75)
        seen = torch.where(unknown, found.alpha.float(), alpha)
        terms = alpha_losses(seen, alpha, unknown)._asdict()
        del terms["known"]
        if self.teacher is None:
            return terms
        with torch.no_grad():
            wanted = self.teacher.to(x.device).features(x)
        terms["distillation"] = distillation_loss(found.features, wanted)
        terms["budget"] = budget_loss(found.keep, self.budget)
        return terms


def job(settings: Settings) -> Job:
    """Return the training job of a stage."""
    sources = Sources(settings.data, drawn=settings.procedural, seed=settings.seed)
    if settings.stage == "student":
        config, teacher = MINI, _teacher(settings.teacher)
        network = build(config)
        network.load_state_dict(start_from_vitmatte(teacher.state_dict()), strict=False)
    else:
        config, teacher = replace(MINI, routed=False), None
        network = build(config)
        if settings.start:
            start_detail(network.decoder.detail, load_model(settings.start)[0])
    return Job(
        model=Trained(network),
        dataset=sources.training(settings.side_px),
        validate=MattingValidation.of(sources.held_out(), settings.validated),
        validate_every=500,
        losses=Losses(teacher, settings.budget),
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
        finish=_network,
    )


def start_detail(detail: nn.Module, start: nn.Module) -> None:
    """Copy the first layers of `a2u-mini`, which read the same input, into an image stream.

    Raises:
        UsageError: If one of the two is of another kind.
    """
    if not isinstance(detail, DetailMobileNet) or not isinstance(start, CompactMatting):
        raise UsageError(
            "expected an image stream of MobileNetV2 and a compact A2U network to start it from,"
            f" got {type(detail).__name__} and {type(start).__name__}; use --set start= to start"
            " fresh"
        )
    detail.first.load_state_dict(start.detail.state_dict())
    wanted = detail.backbone.state_dict().keys()
    given = start.backbone.state_dict()
    detail.backbone.load_state_dict({name: given[name] for name in wanted})


def _network(model: nn.Module) -> nn.Module:
    assert isinstance(model, Trained)
    return model.network


def _teacher(path: str) -> MemoryEfficientMatting:
    if not Path(path).is_file():
        raise UsageError(
            f"expected the teacher's weights, there is no {path}; train it first with "
            "--set stage=teacher, or name it with --set teacher=FILE"
        )
    model, _, config = load_model(path)
    if (
        not isinstance(config, Config)
        or config.routed
        or not isinstance(model, MemoryEfficientMatting)
    ):
        raise UsageError(f"expected a teacher without routers, {path} holds another network")
    return model.requires_grad_(False)


def _optimizer(
    network: MemoryEfficientMatting, learning_rate: float, *, is_student: bool
) -> optim.Optimizer:
    """Return AdamW: no decay for vectors, a lower rate for what has been trained before."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        is_fresh = _is_routing(name) if is_student else not name.startswith("decoder.detail.")
        key = (learning_rate if is_fresh else learning_rate / 3, 0.05 if parameter.ndim > 1 else 0)
        groups.setdefault(key, []).append(parameter)
    return optim.AdamW([
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ])


def _is_routing(name: str) -> bool:
    return ".router." in name or ".refine." in name
