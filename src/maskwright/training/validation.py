"""Validation of matting networks while they train: scores and sheets on fixed samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn
from torch.utils.data import Dataset

from maskwright.evaluation.report import sheet
from maskwright.inference.matte import network_input
from maskwright.metrics.matting import mse, sad

SHEETS = 4


class Case(NamedTuple):
    """A picture with its trimap and its true alpha."""

    image: Float32[np.ndarray, "h w 3"]
    trimap: UInt8[np.ndarray, "h w"]
    alpha: Float32[np.ndarray, "h w"]


@dataclass(frozen=True)
class MattingValidation:
    """Scores a network on the same pictures each time.

    Attributes:
        cases: The pictures.
    """

    cases: Sequence[Case]

    @classmethod
    def of(cls, dataset: Dataset[dict[str, Tensor]], count: int) -> "MattingValidation":
        """Return a validation on the first samples of a dataset of compositions."""
        return cls([_case(dataset[0, index]) for index in range(count)])

    def __call__(self, model: nn.Module) -> tuple[dict[str, float], list[np.ndarray]]:
        """Return SAD and MSE over unknown pixels, and photo | trimap | alpha | truth."""
        device = next(model.parameters()).device
        scores, sheets = [], list[np.ndarray]()
        for image, trimap, truth in self.cases:
            x = torch.from_numpy(network_input(image, trimap)).to(device)
            with torch.inference_mode():
                raw = model(x)[0, 0, : trimap.shape[0], : trimap.shape[1]]
            known = (trimap / 255).astype(np.float32)
            alpha = np.where(trimap == 128, raw.clamp(0, 1).float().cpu().numpy(), known)
            scores.append((sad(alpha, truth, trimap), mse(alpha, truth, trimap)))
            if len(sheets) < SHEETS:
                sheets.append(sheet(image, trimap, alpha, truth=truth))
        means = np.mean(scores, axis=0)
        return {"sad": float(means[0]), "mse": float(means[1])}, sheets


def _case(sample: dict[str, Tensor]) -> Case:
    image = sample["image"].permute(1, 2, 0).contiguous().numpy()
    return Case(image, _levels(sample["trimap"][0]), sample["alpha"][0].numpy())


def _levels(trimap: Tensor) -> UInt8[np.ndarray, "h w"]:
    scale = 255 if trimap.max() <= 1 else 1
    return (trimap * scale).round().byte().numpy()
