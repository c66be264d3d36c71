"""A clicking network as two ONNX files of fixed size: what looks at a photo, what answers clicks.

The decoder is also what `exported.py` answers with, once it lies in the cache folder.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from maskwright.inference.features import hash_weights
from maskwright.models.interformer.config import Config
from maskwright.models.interformer.model import InterFormer, padded_size
from maskwright.models.interformer.portable import NAMES, PortableDecoder, PortableEncoder
from maskwright.models.interformer.quick import Prepared, QuickDecoder
from maskwright.weights.onnx import export_onnx

Part = Literal["encoder", "decoder"]
Size = tuple[int, int]


class Exporter:
    """Writes the parts of one network.

    Args:
        model: The network, with its weights.
        config: Its configuration.
    """

    def __init__(self, model: InterFormer, config: Config) -> None:
        self.model, self.config = model.eval().requires_grad_(False), config
        self.weights = hash_weights(model, config)
        self._decoder = QuickDecoder(model)

    def export(self, part: Part, size: Size, path: str | Path, *, overwrite: bool = False) -> float:
        """Write one part; returns by how much its answers differ from PyTorch's.

        That is a share of the largest value, measured on a random image and random states.

        Args:
            part: The encoder takes `image` (1, 3, height, width), normalised RGB, and gives what
                the decoder takes beside `reference` (1, 1, height, width), states 0 to 4; the
                decoder gives `margin` at a quarter of the size.
            size: Height and width, filled up to multiples of 32.
            path: The file.
            overwrite: Whether a file of this name may be replaced.

        Raises:
            MissingExtraError: If the extra `onnx` is not installed.
            WeightsError: If ONNX Runtime answers differently; nothing is written.
            OutputError: If the file cannot be written, or exists already.
        """
        size = padded_size(*size)
        trial = _trial(self.model, self._decoder, size)
        made: nn.Module
        if part == "encoder":
            made, inputs, expected = PortableEncoder(self.model), trial.image, trial.prepared
        else:
            made = PortableDecoder(self.model, size)
            inputs, expected = trial.reference | trial.prepared, trial.margin
        metadata = {
            "maskwright.paper": "interformer",
            "maskwright.config": json.dumps(asdict(self.config)),
            "maskwright.weights": self.weights,
            "maskwright.part": part,
            "maskwright.size": json.dumps(size),
        }
        return export_onnx(
            path, made, inputs, expected=expected, metadata=metadata, overwrite=overwrite
        )


class Trial(NamedTuple):
    """Random input of both parts, and what PyTorch makes of it, by name."""

    image: dict[str, Tensor]
    prepared: dict[str, Tensor]
    reference: dict[str, Tensor]
    margin: dict[str, Tensor]


@torch.no_grad()
def _trial(model: InterFormer, decoder: QuickDecoder, size: Size) -> Trial:
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3, *size, generator=generator)
    states = torch.randint(0, 5, (1, 1, *size), generator=generator, dtype=torch.uint8)
    prepared = decoder.prepare(model.encode(image))
    return Trial(
        {"image": image},
        as_inputs(prepared),
        {"reference": states},
        {"margin": decoder.margin(prepared, states)},
    )


def as_inputs(prepared: Prepared) -> dict[str, Tensor]:
    """Return what is kept of a photo by the names that the decoder's file has for it."""
    largest = prepared.largest.permute(2, 0, 1)[None].contiguous()
    pairs = [x.contiguous() for pair in prepared.read for x in pair]
    return dict(zip(NAMES, [largest, *pairs], strict=True))
