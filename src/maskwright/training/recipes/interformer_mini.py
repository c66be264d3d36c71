"""The small click network that ships with the package.

Commands: maskwright train interformer_mini --set data=DIR
          … with --set start=FILE --set side_px=384 --set batch=48 --set steps=1350 --set workers=8,
          to go on with larger crops on a GPU
Hardware, time: one of two shared CPU cores, about three hours; the second, one H200, 9 minutes.
Data: photos with objects as listed in `data/embedded_objects.py`, ImageNet weights to start from.
"""

from dataclasses import dataclass

from torch import optim

from maskwright.data.embedded_objects import ObjectSources
from maskwright.data.object_crops import ObjectCropPlan
from maskwright.layers.conv import channels_last
from maskwright.models.interformer.config import MINI
from maskwright.models.interformer.loss import overlap_losses
from maskwright.models.interformer.mobile import start_from_imagenet
from maskwright.models.interformer.model import build
from maskwright.training.click_groups import groups
from maskwright.training.click_validation import ClickValidation
from maskwright.training.clicking import ClickLosses, ClickTraining, network_of
from maskwright.training.recipe import Job, Precision, warmup_cosine
from maskwright.training.starts import small_network


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
        box_probability: How often a dialogue begins with a box.
        layer_decay: Factor from each stage of MobileNetV2 to the one before it.
        validated: How many held-out objects are clicked on.
        precision: "no" computes in fp32, "bf16" mixed.
        workers: Processes that make crops.
        seed: Of everything random.
    """

    data: str = ""
    start: str = ""
    procedural: int = 160
    steps: int = 4000
    batch: int = 8
    side_px: int = 256
    learning_rate: float = 1e-3
    box_probability: float = 0.2
    layer_decay: float = 0.8
    validated: int = 40
    precision: Precision = "no"
    workers: int = 1
    seed: int = 0


def job(settings: Settings) -> Job:
    """Return the training job."""
    sources = ObjectSources(settings.data, seed=settings.seed, drawn=settings.procedural)
    held_out = sources.held_out()
    network = small_network(
        MINI, build, start_from_imagenet, start=settings.start, data=settings.data
    )
    channels_last(network)
    return Job(
        model=ClickTraining(network, encode_once=True, box_probability=settings.box_probability),
        dataset=sources.training(ObjectCropPlan(side_px=settings.side_px)),
        validate=ClickValidation.of(held_out, settings.validated, MINI) if held_out else None,
        validate_every=500,
        losses=ClickLosses(overlap_losses),
        optimizer=optim.AdamW(
            groups(
                network,
                MINI,
                learning_rate=settings.learning_rate,
                layer_decay=settings.layer_decay,
            )
        ),
        rate=warmup_cosine(warmup=200, steps=settings.steps),
        steps=settings.steps,
        batch=settings.batch,
        paper="interformer",
        config=MINI,
        source="maskwright recipe interformer_mini",
        save_every=50,
        average=0.998,
        clip=1.0,
        precision=settings.precision,
        workers=settings.workers,
        seed=settings.seed,
        finish=network_of,
    )
