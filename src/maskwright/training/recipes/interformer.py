"""InterFormer as in the paper: Light or Tiny, augmentation, losses and schedule of section 4.

Command: accelerate launch --num_processes 4 -m maskwright train interformer
             --set start=mae_pretrain_vit_base.pth --set coco=DIR --set lvis=DIR
Data: COCO panoptic train2017 and LVIS v1 train together, each photo once; `docs/datasets.md` says
how their folders look. Instead, or with them: `folder`, photos and masks of one's own.
Start: a masked autoencoder (MAE, ViT-B for Light, ViT-L for Tiny), or an InterFormer.
Published for this recipe: NoC@90 on Berkeley 3.14 (Light), 2.53 (Tiny); not run here, for want of
the data.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import optim

from maskwright.data.labelled import LabelledPhotos
from maskwright.data.object_samples import ObjectPlan, ObjectSamples
from maskwright.data.papers import coco_panoptic_photos, lvis_photos, masked_photos
from maskwright.errors import UsageError, WeightsError
from maskwright.models.interformer.config import LIGHT, TINY, Config
from maskwright.models.interformer.convert import convert
from maskwright.models.interformer.model import InterFormer, build
from maskwright.training.click_groups import LAYER_DECAY, groups
from maskwright.training.clicking import ClickLosses, ClickTraining, network_of
from maskwright.training.recipe import Job, Precision
from maskwright.weights.convert import load_official
from maskwright.weights.load import load_model

CONFIGS = {"light": LIGHT, "tiny": TINY}
WARMUP_STEPS, WARMUP_FACTOR = 1500, 1e-6


@dataclass(frozen=True)
class Settings:
    """What `--set` may change.

    Attributes:
        size: "light" has ViT-B, "tiny" ViT-L.
        start: An InterFormer in our format, or the official checkpoint of a masked autoencoder or
            an InterFormer; empty starts from noise.
        coco: COCO's folder, with `train2017` and `annotations`; empty goes without.
        lvis: The folder with LVIS's annotations; photos as in `coco`, or below it.
        folder: Photos and masks, see `docs/datasets.md`; empty goes without.
        layout: How that folder is laid out, such as "plain" or "sbd".
        steps: Steps of the whole run.
        batch: Samples of a step, over all processes.
        side_px: Side of a crop.
        precision: "no" computes in fp32, as published; "bf16" mixed.
        workers: Processes that make samples.
        seed: Of everything random.
    """

    size: Literal["light", "tiny"] = "light"
    start: str = ""
    coco: str = ""
    lvis: str = ""
    folder: str = ""
    layout: str = "plain"
    steps: int = 320_000
    batch: int = 16
    side_px: int = 512
    precision: Precision = "no"
    workers: int = 4
    seed: int = 42


def job(settings: Settings) -> Job:
    """Return the training job."""
    network, config = started(settings.start, CONFIGS[settings.size])
    decay = LAYER_DECAY[CONFIGS[settings.size]]
    return Job(
        model=ClickTraining(network),
        dataset=ObjectSamples(
            sources(settings), plan=ObjectPlan(side_px=settings.side_px), seed=settings.seed
        ),
        losses=ClickLosses(),
        optimizer=optim.AdamW(groups(network, config, layer_decay=decay)),
        rate=schedule(settings.steps),
        steps=settings.steps,
        batch=settings.batch,
        paper="interformer",
        config=config,
        source=f"maskwright recipe interformer, {settings.size}",
        save_every=1000,
        precision=settings.precision,
        workers=settings.workers,
        seed=settings.seed,
        name=f"interformer-{settings.size}",
        finish=network_of,
    )


def sources(settings: Settings) -> Sequence[LabelledPhotos]:
    """Return the photos to learn from, set after set.

    Raises:
        UsageError: If there is none.
        DataError: If a folder is not as expected.
    """
    found = list[LabelledPhotos]()
    if settings.coco:
        found.append(coco_panoptic_photos(Path(settings.coco)))
    if settings.lvis:
        found.append(lvis_photos(Path(settings.lvis), images=Path(settings.coco or settings.lvis)))
    if settings.folder:
        found.append(masked_photos(Path(settings.folder), layout=settings.layout))
    if not found:
        raise UsageError(
            "expected photos to learn from, got none; use --set coco=DIR, lvis=DIR or folder=DIR"
        )
    return found


def started(start: str, config: Config) -> tuple[InterFormer, Config]:
    """Return the network with what it starts from, and its configuration.

    Args:
        start: As in `Settings`.
        config: Of the network.

    Raises:
        WeightsError: If the file is missing, damaged or of a network of another size.
    """
    if start.endswith(".safetensors"):
        model, _, given = load_model(start)
        if not isinstance(model, InterFormer) or given != config:
            raise WeightsError(
                f"expected an InterFormer of this size to start from, {start} holds another"
                " network; change --set size or the file"
            )
        return model, config
    network = build(config)
    if start:
        given_state, own = convert(load_official(start)), network.state_dict()
        wrong = [n for n, x in given_state.items() if n not in own or own[n].shape != x.shape]
        if wrong:
            raise WeightsError(
                f"expected a start for {config.channels} channels and {config.depth} blocks,"
                f" {Path(start).name} does not fit at {wrong[0]}; change --set size or the file"
            )
        network.load_state_dict(given_state, strict=False)
    return network, config


def schedule(steps: int) -> Callable[[int], float]:
    """Return the factor on all rates: falling to 0 in a line, after a slow start.

    Args:
        steps: Of the whole run.
    """

    def rate(step: int) -> float:
        left = 1 - step / steps
        begun = min(1.0, step / WARMUP_STEPS)
        return left * (1 - (1 - begun) * (1 - WARMUP_FACTOR))

    return rate
