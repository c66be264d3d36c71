"""A2U matting as in the paper: ResNet-34, Composition-1k, losses and schedule of the official code.

Command: accelerate launch --num_processes 2 -m maskwright train a2u --set data=DIR --set start=FILE
Data: DIR/fg, DIR/alpha (431 Adobe foregrounds), DIR/bg (COCO train2014). Without DIR: procedural.
Start: the in-place activated batch norm ResNet-34 of Rota Bulò et al. (ImageNet), or none.
Validation: some of what is learned from; a run's result is told by `evaluate matting`.
Published for this recipe: SAD 32.10, MSE 7.8e-3 (shared), 31.87, 7.5e-3 (unshared) on 1000 images;
not run here, for want of the data.
"""

from dataclasses import dataclass

from torch import Tensor, nn, optim

from maskwright.data.augmentation import A2U
from maskwright.data.loader import Compositions
from maskwright.data.papers import paper_compositions
from maskwright.models.a2u.config import Config, KernelConfig
from maskwright.models.a2u.convert import convert_imagenet
from maskwright.models.a2u.loss import Composition, matting_loss
from maskwright.models.a2u.model import AffinityMatting, build
from maskwright.training.inputs import matting_input
from maskwright.training.recipe import Job, Precision, staircase
from maskwright.training.validation import MattingValidation
from maskwright.weights.convert import load_official

PRETRAINED_RATE, FRESH_RATE = 1e-4, 1e-2


@dataclass(frozen=True)
class Settings:
    """What `--set` may change.

    Attributes:
        data: The folder with fg, alpha and bg; empty for procedural data.
        start: The ImageNet checkpoint of the encoder; empty to start from noise.
        shared: One filter for all channels, or one per channel.
        epochs: The rate falls to a tenth after two thirds, and again after 26 of 30.
        steps_per_epoch: Steps that count as an epoch.
        batch: Samples of a step, over all processes.
        precision: "no" computes in fp32, "bf16" mixed.
        workers: Processes that make samples.
        seed: Of everything random.
    """

    data: str = ""
    start: str = ""
    shared: bool = True
    epochs: int = 30
    steps_per_epoch: int = 6000
    batch: int = 16
    precision: Precision = "no"
    workers: int = 4
    seed: int = 6


def job(settings: Settings) -> Job:
    """Return the training job."""
    config = Config(kernels=KernelConfig(shared=settings.shared))
    model = build(config)
    assert isinstance(model, AffinityMatting)
    if settings.start:
        model.load_state_dict(convert_imagenet(load_official(settings.start)), strict=False)
    dataset = compositions(settings)
    steps = settings.epochs * settings.steps_per_epoch
    return Job(
        model=model,
        dataset=dataset,
        losses=losses,
        optimizer=optim.Adam(parameter_groups(model)),
        rate=staircase(milestones=(steps * 20 // 30, steps * 26 // 30)),
        steps=steps,
        batch=settings.batch,
        paper="a2u",
        config=config,
        source="maskwright recipe a2u",
        validate=MattingValidation.of(dataset, 8),
        validate_every=settings.steps_per_epoch,
        precision=settings.precision,
        workers=settings.workers,
        seed=settings.seed,
    )


def compositions(settings: Settings) -> Compositions:
    """Return the augmented samples."""
    return paper_compositions(settings.data, plan=A2U, seed=settings.seed)


def losses(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the paper's loss."""
    prediction = model(matting_input(batch["image"], batch["trimap"] / 255)).float()
    made_of = Composition(batch["foreground"], batch["background"], batch["image"])
    loss = matting_loss(prediction, batch["alpha"], batch["unknown"], composition=made_of)
    return {"matting": loss}


def parameter_groups(model: AffinityMatting) -> list[dict[str, object]]:
    """Return the pretrained encoder at a rate of 1e-4, and all the rest at 1e-2.

    The kernel generators inside the encoder are fresh: they learn at the higher rate.
    """
    pretrained, fresh = list[nn.Parameter](), list[nn.Parameter]()
    for name, parameter in model.named_parameters():
        is_pretrained = name.startswith("encoder.") and ".kernels." not in name
        (pretrained if is_pretrained else fresh).append(parameter)
    return [{"params": fresh, "lr": FRESH_RATE}, {"params": pretrained, "lr": PRETRAINED_RATE}]
