"""Restoring small grey pictures: what a sampling operator keeps of them.

Command: maskwright train reconstruction --set operator=a2u_dynamic_shared
All operators in one table: python -m benchmarks.reconstruction
Data: pictures drawn from the seed, or --set images=FOLDER with any small ones, such as those of
Fashion-MNIST. Every seventh, in the order of their names, is only scored.
Protocol: that of public code for the toy task of Dai, Lu, Shen, CVPR 2021, arXiv:2011.14288: L1,
SGD with momentum, batches of 100, 100 epochs, a tenth of the rate after 50, 70 and 85 % of them.
The default, 6000 steps on 6000 drawn pictures, takes one to four hours on one core.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor, nn, optim
from torch.utils.data import Dataset

from maskwright.data.loader import Key
from maskwright.data.shapes import draw_pictures, read_pictures
from maskwright.metrics.reconstruction import psnr, ssim
from maskwright.models.a2u.reconstruction import build_reconstruction
from maskwright.training.recipe import Job, staircase

MILESTONES = (0.5, 0.7, 0.85)
HELD_OUT_EVERY = 7
AT_ONCE = 100
SHOWN = 16


@dataclass(frozen=True)
class Settings:
    """What `--set` may change.

    Attributes:
        operator: How to sample down and up, a key of `models.a2u.samplers.SAMPLERS`.
        images: A folder of pictures; empty draws some.
        drawn: How many are drawn, the held-out ones included.
        side_px: Side to which pictures are resized, a multiple of 8.
        steps: Steps of the whole run.
        batch: Pictures of a step.
        learning_rate: At the beginning.
        seed: Of everything random.
    """

    operator: str = "a2u_dynamic_shared"
    images: str = ""
    drawn: int = 7000
    side_px: int = 32
    steps: int = 6000
    batch: int = 100
    learning_rate: float = 0.01
    seed: int = 0


class Pictures(Dataset[dict[str, Tensor]]):
    """Grey pictures as training samples, {"image": (1, side, side) in [0, 1]}."""

    def __init__(self, greys: UInt8[np.ndarray, "n side side"]) -> None:
        self.greys = greys

    def __len__(self) -> int:
        return len(self.greys)

    def __getitem__(self, key: Key) -> dict[str, Tensor]:
        return {"image": torch.from_numpy(self.greys[key[1]])[None].float() / 255}


@dataclass(frozen=True, eq=False)
class Restoration:
    """The scores of a network on pictures it was not trained on: means over pictures."""

    greys: UInt8[np.ndarray, "n side side"]

    @torch.no_grad()
    def __call__(self, model: nn.Module) -> tuple[dict[str, float], list[np.ndarray]]:
        """Return L1, PSNR and SSIM, and a sheet: originals above what was restored of them."""
        device = next(model.parameters()).device
        images = self.greys.astype(np.float32) / 255
        batches = torch.from_numpy(images)[:, None].split(AT_ONCE)
        parts = [model(batch.to(device)).clamp(0, 1).cpu() for batch in batches]
        restored = torch.cat(parts)[:, 0].numpy()
        pairs = list(zip(restored, images, strict=True))
        scores = {
            "l1": float(np.abs(restored - images).mean()),
            "psnr": float(np.mean([psnr(*pair) for pair in pairs])),
            "ssim": float(np.mean([ssim(*pair) for pair in pairs])),
        }
        rows = [np.concatenate(list(row[:SHOWN]), axis=1) for row in (images, restored)]
        sheet = np.rint(255 * np.concatenate(rows)).astype(np.uint8)
        return scores, [np.repeat(sheet[..., None], 3, axis=2)]


def job(settings: Settings) -> Job:
    """Return the training job."""
    model = build_reconstruction(settings.operator)
    training, held_out = pictures(settings)
    milestones = [round(share * settings.steps) for share in MILESTONES]
    return Job(
        model=model,
        dataset=Pictures(training),
        validate=Restoration(held_out),
        losses=losses,
        optimizer=optim.SGD(model.parameters(), lr=settings.learning_rate, momentum=0.9),
        rate=staircase(milestones=milestones),
        steps=settings.steps,
        batch=settings.batch,
        paper=None,
        config=None,
        source="",
        workers=0,
        seed=settings.seed,
        name=f"reconstruction-{settings.operator}",
    )


def pictures(
    settings: Settings,
) -> tuple[UInt8[np.ndarray, "training side side"], UInt8[np.ndarray, "held_out side side"]]:
    """Return the pictures to train on and those to score."""
    side_px = settings.side_px
    if settings.images:
        greys = read_pictures(Path(settings.images), side_px)
    else:
        greys = draw_pictures(settings.drawn, side_px, seed=settings.seed)
    is_held_out = np.arange(len(greys)) % HELD_OUT_EVERY == 0
    return greys[~is_held_out], greys[is_held_out]


def losses(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the mean absolute difference of what is restored to what was there."""
    return {"l1": (model(batch["image"]) - batch["image"]).abs().mean()}
