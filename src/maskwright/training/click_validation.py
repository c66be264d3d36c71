"""Validation of click networks while they train: a simulated user on held-out objects."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch import nn

from maskwright.data.clicks import INTERFORMER, hold_dialogue
from maskwright.data.embedded_objects import HeldOutObject
from maskwright.evaluation.clicking import Answering
from maskwright.evaluation.report import sheet
from maskwright.image.io import read_photo
from maskwright.inference.click import Clicker
from maskwright.training.clicking import network_of

CLICKS = 3
SHEETS, SHEET_PX = 6, 240


@dataclass(frozen=True)
class ClickValidation:
    """Clicks on the same objects each time.

    Attributes:
        objects: What is clicked on.
        config: Of the network.
    """

    objects: Sequence[HeldOutObject]
    config: Any

    @classmethod
    def of(cls, objects: Sequence[HeldOutObject], count: int, config: Any) -> "ClickValidation":
        """Return a validation on some of the objects, spread evenly over the list."""
        count = min(count, len(objects))
        chosen = [objects[index * len(objects) // count] for index in range(count)]
        return cls(chosen, config)

    def __call__(self, model: nn.Module) -> tuple[dict[str, float], list[np.ndarray]]:
        """Return what the IoU lacks after three clicks and after one, and sheets.

        A sheet shows photo | mask after one click | after three | truth.
        """
        clicker = Clicker(network_of(model), self.config, dtype="fp32")  # type: ignore[arg-type]
        missed = []
        sheets = list[UInt8[np.ndarray, "h w 3"]]()
        for found in self.objects:
            photo, truth = read_photo(found.image), found.mask()
            answer = Answering(clicker, clicker.encode(photo))
            rng = np.random.default_rng(zlib.crc32(found.name.encode()))
            dialogue = hold_dialogue(
                answer, truth, protocol=INTERFORMER, limit=CLICKS, pick=rng.integers
            )
            missed.append((1 - dialogue.ious[-1], 1 - dialogue.ious[0]))
            if len(sheets) < SHEETS:
                shown = [answer(dialogue.clicks[:count]) for count in (1, CLICKS)]
                panels = [mask.astype(np.uint8) * 255 for mask in (*shown, truth)]
                sheets.append(sheet(photo.pixels, *panels[:2], truth=panels[2], height_px=SHEET_PX))
        after_three, after_one = np.mean(missed, axis=0)
        return {"missed3": float(after_three), "missed1": float(after_one)}, sheets
