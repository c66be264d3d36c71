"""The decoder as it answers clicks: the same function, rewritten for speed on a CPU.

What no click changes is computed once (`prepare`). The rest is exact algebra, in this file and in
`quick_neck.py` and `quick_head.py`: norms become part of the layers after them, windows become
convolutions, wide maps exist in strips only, and one margin instead of two logits is enlarged.
Maps are (height, width, channel); objects are answered one after the other.
"""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn

from maskwright.models.interformer.attention import KeyValue
from maskwright.models.interformer.head import resize
from maskwright.models.interformer.model import InterFormer, check_regions
from maskwright.models.interformer.neck import Stage, embed
from maskwright.models.interformer.quick_head import QuickHead
from maskwright.models.interformer.quick_neck import QuickStage
from maskwright.structures.box import Box


class Prepared(NamedTuple):
    """What clicks on an encoded image need.

    Attributes:
        largest: The pyramid's largest map.
        read: Keys and values of the first block of each stage.
    """

    largest: Float[Tensor, "height width channel"]
    read: tuple[KeyValue, ...]


class QuickDecoder(nn.Module):
    """A decoder for inference.

    Args:
        network: A network whose weights will not change; its parameters are copied.
    """

    embedding: Tensor

    def __init__(self, network: InterFormer) -> None:
        super().__init__()
        neck = copy.deepcopy(network.neck)
        stages = [stage for stage in neck.stages if isinstance(stage, Stage)]
        self.register_buffer("embedding", neck.embedding.detach())
        self.stages = nn.ModuleList(map(QuickStage, stages))
        self.head = QuickHead(network.head, [stage.norm for stage in stages])
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def prepare(self, maps: Sequence[Float[Tensor, "1 _ _ _"]]) -> Prepared:
        """Return what to keep of the pyramid of one image."""
        read = tuple(
            stage.read_photo(x) for stage, x in zip(self.quick_stages(), maps, strict=True)
        )
        return Prepared(maps[0][0].permute(1, 2, 0).contiguous(), read)

    @torch.no_grad()
    def forward(
        self,
        prepared: Prepared,
        reference: Integer[Tensor, "batch 1 height width"],
        *,
        regions: Sequence[Box] | None = None,
    ) -> Float[Tensor, "batch 1 height width"]:
        """Return by how much the object's logit exceeds the background's.

        Args:
            prepared: Of one image.
            reference: As in `InterFormer.decode`: one map for each object.
            regions: As in `InterFormer.decode`.
        """
        return resize(self.margin(prepared, reference, regions=regions), reference.shape[2:])

    @torch.no_grad()
    def margin(
        self,
        prepared: Prepared,
        reference: Integer[Tensor, "batch 1 height width"],
        *,
        regions: Sequence[Box] | None = None,
    ) -> Float[Tensor, "batch 1 quarter_height quarter_width"]:
        """Return the margin as `forward`, at a quarter of the size."""
        check_regions(regions, reference)
        chosen = [None] * len(reference) if regions is None else regions
        margins = [
            self._answer(prepared, states, region)
            for states, region in zip(reference[:, 0], chosen, strict=True)
        ]
        return torch.stack(margins)[:, None]

    def _answer(self, prepared: Prepared, states: Tensor, region: Box | None) -> Tensor:
        x = prepared.largest + embed(self.embedding, states)
        read = []
        for stage, key_value in zip(self.quick_stages(), prepared.read, strict=True):
            x = stage.read(x, key_value)
            read.append(stage.sharpen(x, region))
            if stage.down is not None:
                x = stage.down(x)
        return self.head(read)

    def quick_stages(self) -> list[QuickStage]:
        """Return the stages, from the largest map to the smallest."""
        return [stage for stage in self.stages if isinstance(stage, QuickStage)]
