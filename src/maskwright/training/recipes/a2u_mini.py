"""The compact A2U network that ships with the package.

Command: maskwright train a2u_mini --set data=DIR
Hardware, time: two shared CPU cores, about 1.6 hours (the first 100 steps had 12 crops, and the
schedule was shortened twice on the way). Score: SAD 4.28, MSE 26.8e-3 on 64 held-out composites,
`benchmarks/results/matting_quality.md`.
Data: DIR/matting_fg_real, DIR/backgrounds (`data/splits.py` names what is held out), DIR/weights
for the MobileNetV2 start; procedural foregrounds beside them. Without DIR: procedural data only.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn, optim

from maskwright.data.crops import CompositeCrops, CropPlan
from maskwright.data.foreground import Foreground
from maskwright.data.matting import TrainingRow
from maskwright.data.sources import (
    FolderBackgrounds,
    FolderForegrounds,
    ProceduralBackgrounds,
    ProceduralForegrounds,
    Source,
)
from maskwright.data.splits import split_backgrounds, split_foregrounds
from maskwright.layers.mobilenet import MobileNetV2, convert_imagenet
from maskwright.models.a2u.compact import CompactEncoder
from maskwright.models.a2u.config import MINI
from maskwright.models.a2u.loss import Composition, alpha_loss, composition_loss, laplacian_loss
from maskwright.models.a2u.model import AffinityMatting, build
from maskwright.training.recipe import Job, warmup_cosine
from maskwright.training.validation import MattingValidation

MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
DEVIATION = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


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
    steps: int = 2700
    batch: int = 8
    side_px: int = 192
    procedural: int = 160
    learning_rate: float = 2e-3
    precision: str = "no"
    workers: int = 1
    seed: int = 0


def job(settings: Settings) -> Job:
    """Return the training job."""
    model = build(MINI)
    if settings.data:
        start = Path(settings.data) / "weights" / "mobilenetv2_imagenet.safetensors"
        load_backbone(_backbone(model), load_file(start))
    return Job(
        model=model,
        dataset=crops(settings),
        validate=MattingValidation.of(crops(settings, held_out=True), 24),
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


def crops(settings: Settings, *, held_out: bool = False) -> CompositeCrops:
    """Return the training crops, or larger ones of the held-out files."""
    count, seed = (8, settings.seed + 1) if held_out else (settings.procedural, settings.seed)
    drawn = ProceduralForegrounds(count, (640, 640), seed=seed)
    foregrounds: list[tuple[float, Source[Foreground]]] = [(0.3, drawn)]
    backgrounds: Source[np.ndarray] = ProceduralBackgrounds(60, (480, 640), seed=seed)
    if settings.data:
        folder = Path(settings.data)
        things = split_foregrounds(folder / "matting_fg_real" / "fg")
        scenes = split_backgrounds(folder / "backgrounds")
        alphas = folder / "matting_fg_real" / "alpha"
        files = things.held_out if held_out else things.training
        rows = [TrainingRow(file.stem, file, alphas / file.name) for file in files]
        foregrounds.append((0.7, FolderForegrounds(rows)))
        backgrounds = FolderBackgrounds(scenes.held_out if held_out else scenes.training)
    plan = CropPlan(side_px=384 if held_out else settings.side_px)
    return CompositeCrops(foregrounds, backgrounds, plan=plan, seed=seed)


def losses(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the paper's two losses, halved, and the Laplacian loss."""
    trimap, alpha = batch["trimap"], batch["alpha"]
    unknown = ((trimap > 0.25) & (trimap < 0.75)).float()
    image = (batch["image"] - MEAN.to(trimap)) / DEVIATION.to(trimap)
    prediction = model(torch.cat([image, trimap], 1)).float()
    made_of = Composition(batch["foreground"], batch["background"], batch["clean"])
    return {
        "alpha": 0.5 * alpha_loss(prediction, alpha, unknown),
        "composition": 0.25 * composition_loss(prediction, made_of, unknown),
        "laplacian": 0.1 * laplacian_loss(prediction, alpha, unknown),
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


def _backbone(model: AffinityMatting) -> MobileNetV2:
    assert isinstance(model.encoder, CompactEncoder)
    return model.encoder.backbone


def _optimizer(model: AffinityMatting, learning_rate: float) -> optim.Optimizer:
    pretrained = list(_backbone(model).parameters())
    known = {id(parameter) for parameter in pretrained}
    fresh = [parameter for parameter in model.parameters() if id(parameter) not in known]
    return optim.AdamW(
        [
            {"params": fresh, "lr": learning_rate},
            {"params": pretrained, "lr": learning_rate / 5},
        ],
        weight_decay=1e-4,
    )
