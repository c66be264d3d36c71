"""Small jobs, one for each kind of loss, norm and random draw, to be run by several processes.

torchrun --nproc_per_node 2 tests/training/shared_jobs.py FOLDER STEPS JOB…
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn, optim
from torch.utils.data import Dataset

from maskwright.layers.dropout import Dropout
from maskwright.layers.norm import AbsoluteBatchNorm
from maskwright.layers.swin import Swin
from maskwright.models import interformer, mask2former, mematte
from maskwright.models.a2u.loss import laplacian_loss, squared_loss
from maskwright.models.interformer.loss import overlap_losses
from maskwright.training import loop
from maskwright.training.clicking import ClickLosses, ClickTraining
from maskwright.training.distillation import Losses, Trained
from maskwright.training.recipe import Job, Sharing
from maskwright.training.segmenting import SegmentLosses, SegmentTraining, count_targets

STEPS, BATCH, SIDE = 4, 4, 64
ROUTED = mematte.Config(
    channels=24,
    depth=4,
    heads=3,
    window_blocks=(0, 2),
    window=3,
    position_side=5,
    table_side=4,
    detail_widths=(5, 6, 7),
    fusion_widths=(11, 10, 9, 8),
    head_width=4,
)
QUERIED = mask2former.Config(
    backbone="resnet",
    depths=(1, 1, 1, 1),
    classes=3,
    queries=5,
    width=32,
    heads=2,
    pixel_layers=1,
    pixel_hidden=24,
    layers=2,
    hidden=40,
)
CLICKED = interformer.Config(
    channels=24,
    depth=2,
    heads=2,
    position_side=4,
    widths=(8, 8, 16, 16),
    neck_heads=(1, 1, 2, 2),
    expansions=(2, 2, 2, 2),
    head_width=8,
)


class Scenes(Dataset):
    """A bright rectangle in noise: what all the networks can learn from, in double precision."""

    def __init__(self, dtype=torch.float32):
        self.dtype = dtype

    def __len__(self):
        return 6

    def __getitem__(self, key):
        rng = np.random.default_rng(key)
        image = rng.random((3, SIDE, SIDE))
        top, left = rng.integers(4, SIDE // 2, 2)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[top : top + rng.integers(9, 30), left : left + rng.integers(9, 30)] = 1
        image[0] += mask
        trimap = np.full((1, SIDE, SIDE), 0.0)
        trimap[0, top - 4 : top + 5] = 0.5
        # Of two things or one: processes have different numbers of targets.
        two = key[1] % 2
        masks = np.stack([np.packbits(mask, axis=1), np.packbits(1 - mask, axis=1)])
        numbers = {"image": image / 2, "trimap": trimap, "alpha": mask[None].astype(float)}
        return {
            **{name: torch.from_numpy(x).to(self.dtype) for name, x in numbers.items()},
            "label": torch.from_numpy(mask),
            "masks": torch.from_numpy(masks),
            "classes": torch.tensor([1, 2 if two else -1]),
        }


class Mixed(nn.Module):
    """Both batch norms and dropout."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(4, 7, 3, 2, 1, bias=False), nn.BatchNorm2d(7), nn.GELU()),
            *(nn.Conv2d(7, 5, 3, 1, 1), AbsoluteBatchNorm(5), nn.LeakyReLU(0.1)),
            *(Dropout(0.3), Dropout(0.3, channels=True), nn.Conv2d(5, 4, 1), nn.PixelShuffle(2)),
        )

    def forward(self, x):
        return self.layers(x)


def _job(model, losses, *, dtype=torch.float32, rate=1e-3, **changes):
    return Job(
        model=model.to(dtype),
        dataset=Scenes(dtype),
        losses=losses,
        optimizer=optim.AdamW(model.parameters(), lr=rate),
        rate=lambda step: 1.0,
        steps=STEPS,
        batch=BATCH,
        paper=None,
        config=None,
        source="",
        save_every=2,
        average=0.9,
        clip=1.0,
        workers=0,
        **changes,
    )


def matting():
    def losses(model, batch):
        unknown = (batch["trimap"] == 0.5).to(batch["alpha"])
        found = model(torch.cat([batch["image"], batch["trimap"]], 1))
        truth = batch["alpha"], unknown
        return {"squared": squared_loss(found, *truth), "bands": laplacian_loss(found, *truth)}

    return _job(Mixed(), losses, dtype=torch.float64)


def routing():
    teacher = mematte.build(replace(ROUTED, routed=False)).double().eval().requires_grad_(False)
    return _job(Trained(mematte.build(ROUTED)), Losses(teacher), dtype=torch.float64)


def clicks():
    return _job(ClickTraining(interformer.build(CLICKED)), ClickLosses(overlap_losses))


def segments():
    model = SegmentTraining(mask2former.build(QUERIED))
    return _job(model, SegmentLosses(64), rate=1e-4, sums=count_targets)


def depth():
    """A transformer with stochastic depth; its loss is a mean over samples."""

    def losses(model, batch):
        return {"mean": torch.stack([x.square().mean() for x in model(batch["image"])]).sum()}

    model = Swin(8, (1, 2, 1, 1), heads=(1, 2, 2, 4), window=3)
    return _job(model, losses, dtype=torch.float64)


JOBS = {job.__name__: job for job in (matting, routing, clicks, segments, depth)}
SHARED = {
    "depth-accumulate": ("depth", Sharing(accumulate=2)),
    "depth-shard": ("depth", Sharing(shard=True)),
    "depth-all": ("depth", Sharing(accumulate=2, checkpointing=True, shard=True)),
    "segments-accumulate": ("segments", Sharing(accumulate=2)),
    "routing-all": ("routing", Sharing(checkpointing=True, shard=True)),
}


def run(name, folder, *, steps=STEPS, sharing=None):
    """Train and return the losses of each step; the run's state lies in the folder."""
    wanted, shared = SHARED.get(name, (name, Sharing()))
    torch.manual_seed(0)
    job = replace(JOBS[wanted](), steps=steps, sharing=shared if sharing is None else sharing)
    seen, finite = [], loop._check_finite

    def note(losses, step):
        finite(losses, step)
        seen.append(losses)

    loop._check_finite = note
    try:
        loop.train(job, folder=folder / name)
    finally:
        loop._check_finite = finite
    return seen


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    found = {name: run(name, folder, steps=int(sys.argv[2])) for name in sys.argv[3:]}
    if torch.distributed.get_rank() == 0:
        (folder / "losses.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()
