"""The compact A2U network that ships with the package.

Command: maskwright train a2u_mini --set data=DIR
Hardware, time: one of two shared CPU cores, about 1.8 hours. Score: SAD 4.13, MSE 25.0e-3 on 64
held-out composites,
`benchmarks/results/matting_quality.md`.
Data: DIR/matting_fg_real, DIR/backgrounds (`data/splits.py` names what is held out), DIR/weights
for the MobileNetV2 start; procedural foregrounds beside them. Without DIR: procedural data only.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn, optim

from maskwright.data.embedded import Sources
from maskwright.layers.mobilenet import MobileNetV2, convert_imagenet
from maskwright.models.a2u.compact import CompactMatting
from maskwright.models.a2u.config import MINI
from maskwright.models.a2u.loss import (
    Composition,
    alpha_loss,
    composition_loss,
    laplacian_loss,
    squared_loss,
)
from maskwright.training.inputs import DEVIATION, MEAN, matting_input
from maskwright.training.recipe import Job, Precision, warmup_cosine
from maskwright.training.starts import imagenet_of
from maskwright.training.validation import MattingValidation


@dataclass(frozen=True)
class Settings:
    """What `--set` may change.

    Attributes:
        data: The folder of real data; empty for procedural data only.
        steps: Steps of the whole run.
        batch: Crops of a step.
        side_px: Side of a crop.
        procedural: How many procedural foregrounds are drawn before the run.
        learning_rate: Of the new layers; the pretrained ones learn at a fifth of it.
        precision: "no" computes in fp32, "bf16" mixed.
        workers: Processes that make crops.
        seed: Of everything random.
    """

    data: str = ""
    steps: int = 4500
    batch: int = 8
    side_px: int = 192
    procedural: int = 160
    learning_rate: float = 2e-3
    precision: Precision = "no"
    workers: int = 1
    seed: int = 0


def job(settings: Settings) -> Job:
    """Return the training job."""
    model = CompactMatting(MINI)
    sources = Sources(settings.data, drawn=settings.procedural, seed=settings.seed)
    if settings.data:
        load_backbone(model.backbone, imagenet_of(settings.data))
    return Job(
        model=model,
        dataset=sources.training(settings.side_px),
        validate=MattingValidation.of(sources.held_out(), 24),
        validate_every=500,
        losses=losses,
        optimizer=_optimizer(model, settings.learning_rate),
        rate=warmup_cosine(warmup=200, steps=settings.steps),
        steps=settings.steps,
        batch=settings.batch,
        paper="a2u",
        config=MINI,
        source="maskwright recipe a2u_mini",
        save_every=50,
        average=0.998,
        clip=1.0,
        precision=settings.precision,
        workers=settings.workers,
        seed=settings.seed,
    )


def losses(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the paper's two losses, halved, the Laplacian loss and the squared error.

    The squared error, not in the paper, weighs the few large errors more.
    """
    trimap, alpha = batch["trimap"], batch["alpha"]
    unknown = ((trimap > 0.25) & (trimap < 0.75)).float()
    prediction = model(matting_input(batch["image"], trimap)).float()
    made_of = Composition(batch["foreground"], batch["background"], batch["clean"])
    return {
        "alpha": 0.5 * alpha_loss(prediction, alpha, unknown),
        "composition": 0.25 * composition_loss(prediction, made_of, unknown),
        "laplacian": 0.1 * laplacian_loss(prediction, alpha, unknown),
        "squared": squared_loss(prediction, alpha, unknown),
    }


@torch.no_grad()
def load_backbone(backbone: MobileNetV2, official: dict[str, Tensor]) -> None:
    """Copy the ImageNet weights; the first convolution learns the hints from zero.

    The weights expect RGB in [-1, 1] and have their norms folded as scale 1/sqrt(1 + eps).
    """
    state = convert_imagenet(official, stages=5)
    for name, module in backbone.named_modules():
        if not isinstance(module, nn.Conv2d):
            continue
        norm = name.removesuffix(".conv") + ".norm"
        scale = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + 1e-5).sqrt()
        weight = state[f"{name}.weight"] * scale[:, None, None, None]
        bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
        assert module.bias is not None
        if name == "stem.conv":
            # RGB in [-1, 1] is 2 (deviation * normalised + mean) - 1.
            bias = bias + (weight * (2 * MEAN - 1)).sum((1, 2, 3))
            module.weight.zero_()
            module.weight[:, :3] = weight * (2 * DEVIATION)
        else:
            module.weight.copy_(weight)
        module.bias.copy_(bias)


def _optimizer(model: CompactMatting, learning_rate: float) -> optim.Optimizer:
    pretrained = list(model.backbone.parameters())
    known = {id(parameter) for parameter in pretrained}
    fresh = [parameter for parameter in model.parameters() if id(parameter) not in known]
    return optim.AdamW(
        [
            {"params": fresh, "lr": learning_rate},
            {"params": pretrained, "lr": learning_rate / 5},
        ],
        weight_decay=1e-4,
    )
