"""Training of segmenting networks: what a step makes of a batch, and its losses.

Cheng et al., "Masked-attention Mask Transformer for Universal Image Segmentation", CVPR 2022,
arXiv:2112.01527, section 3.3.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from maskwright.models.mask2former.config import Config
from maskwright.models.mask2former.loss import Sampling, Share, Target, segment_losses
from maskwright.models.mask2former.model import Mask2Former, Segments, build
from maskwright.models.mask2former.starts import start_from_imagenet
from maskwright.training.inputs import DEVIATION, MEAN
from maskwright.training.recipe import Batch, Losses
from maskwright.training.starts import small_network

_BITS = torch.arange(7, -1, -1, dtype=torch.uint8)  # the first pixel is the highest bit


class SegmentTraining(nn.Module):
    """A network that sees photos as samples hold them.

    Args:
        network: What learns.
        frozen_norms: Keep the statistics of the backbone's batch norms, as where batches are
            small; what they are multiplied by and shifted by still learns.
    """

    def __init__(self, network: Mask2Former, *, frozen_norms: bool = False) -> None:
        super().__init__()
        self.network, self.frozen_norms = network, frozen_norms

    def train(self, mode: bool = True) -> "SegmentTraining":
        """Set training mode; norms that are frozen stay as in inference."""
        super().train(mode)
        if self.frozen_norms:
            for module in self.network.backbone.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Segments:
        """Return what the network finds.

        Args:
            image: sRGB in [0, 1].
        """
        found: Segments = self.network((image - MEAN.to(image)) / DEVIATION.to(image))
        return found


@dataclass(frozen=True)
class SegmentLosses:
    """The losses of a batch.

    Attributes:
        points: At how many points of a mask it is compared; 0 compares whole masks.
    """

    points: int = Sampling.points

    def __call__(self, model: nn.Module, batch: Batch) -> Losses:
        """Return the losses by name.

        Args:
            model: A `SegmentTraining`, in training.
            batch: Image, masks and classes, as `segment_tensors` makes them; and the share
                of a part of them in what `count_targets` returns.
        """
        found: Segments = model(batch["image"])
        sampling = Sampling(self.points) if self.points else None
        share = Share(batch["targets"], batch["targets"]) if "targets" in batch else None
        return segment_losses(found, targets_of(batch), sampling=sampling, share=share)._asdict()


def count_targets(batch: Batch) -> Batch:
    """Return how many targets a batch has; no image has more than there are queries.

    Args:
        batch: Image, masks and classes, as `segment_tensors` makes them.
    """
    return {"targets": (batch["classes"] >= 0).sum().float()}


def targets_of(batch: Batch) -> list[Target]:
    """Return what there is to find in each image of a batch."""
    width = batch["image"].shape[3]
    return [
        Target(classes[classes >= 0], unpacked(masks[classes >= 0], width))
        for masks, classes in zip(batch["masks"], batch["classes"], strict=True)
    ]


def unpacked(
    masks: UInt8[Tensor, "mask height byte"], width: int
) -> Bool[Tensor, "mask height width"]:
    """Return masks whose pixels were packed into bits, row by row.

    Args:
        masks: Eight pixels a byte, the first the highest bit.
        width: Of the masks; what is left of the last byte stands for nothing.
    """
    bits = (masks[..., None] >> _BITS.to(masks.device)) & 1
    return bits.flatten(2)[..., :width].bool()


def network_of(model: nn.Module) -> nn.Module:
    """Return the network inside a `SegmentTraining`: what is stored at the end of a run."""
    assert isinstance(model, SegmentTraining)
    return model.network


def start_small(config: Config, *, start: str, data: str) -> Mask2Former:
    """Return a network on MobileNetV2 with what it starts from; see `small_network`."""
    return small_network(config, build, start_from_imagenet, start=start, data=data)
