"""Matting: a photo and a trimap in, alpha out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import nn

from maskwright.errors import MemoryBudgetError, WeightsError
from maskwright.image.colour import network_rgb
from maskwright.image.io import read_photo
from maskwright.image.photo import Photo
from maskwright.image.trimap import read_trimap
from maskwright.inference.device import pick_device, pick_dtype
from maskwright.inference.memory import in_gibibytes, parse_bytes, resident_bytes, reused_memory
from maskwright.inference.tiles import Grid, Tile, largest_window_px, plan_tiles
from maskwright.layers.conv import folded
from maskwright.structures.matte import Matte
from maskwright.structures.trimap import Trimap
from maskwright.weights.load import load_model

MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # of ImageNet, sRGB in [0, 1]
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
STRIDE_PX = 16
CORES_PX = (2048, 1536, 1024, 768, 512, 384, 256, 128)
USUAL_CORE_PX = 1024  # where no budget is given


class Matter:
    """Mattes photos with one network.

    Args:
        model: Takes (1, 4, h, w), normalised RGB and trimap, and returns raw alpha.
        reach_px: How far the network looks from a pixel, or None if it looks at everything.
        align_px: Pixels after which its inner grids repeat.
        bytes_per_pixel: Memory at the peak of the network, per pixel it is given.
        device: What to compute on: "auto", "cpu", "cuda", "cuda:1", "mps".
        dtype: What to compute in: "auto", "fp32", "bf16", "fp16".
        max_memory: Resident memory that the process may use, such as "4G"; None for no limit.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        reach_px: int | None,
        align_px: int,
        bytes_per_pixel: int,
        device: str = "auto",
        dtype: str = "auto",
        max_memory: str | int | None = None,
    ) -> None:
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, self.device)
        self.model = folded(model).requires_grad_(False).to(self.device, self.dtype)
        self.reach_px, self.align_px = reach_px, align_px
        self.bytes_per_pixel = bytes_per_pixel
        self.budget = parse_bytes(max_memory) if max_memory is not None else None
        self.grid: Grid | None = None  # set to cut every photo so; else size and budget decide

    @classmethod
    def load(
        cls,
        name: str | Path,
        *,
        device: str = "auto",
        dtype: str = "auto",
        max_memory: str | int | None = None,
        commercial: bool = False,
        offline: bool = False,
    ) -> "Matter":
        """Return a matter with the weights of the catalogue, or of a file.

        Args:
            name: "a2u-mini", or a safetensors file.
            device: See the class.
            dtype: See the class.
            max_memory: See the class.
            commercial: Refuse weights that may not be used commercially.
            offline: Do not download weights.

        Raises:
            WeightsError: If the file is missing, damaged, or not of a matting network.
            LicenceError: If `commercial` and the terms forbid it.
            UsageError: If the name, the device or an amount is unknown.
        """
        model, paper, config = load_model(name, commercial=commercial, offline=offline)
        if not hasattr(config, "reach_px"):
            raise WeightsError(
                f"expected the weights of a matting network, {name} holds {paper}; "
                "see `maskwright models list`"
            )
        return cls(
            model,
            reach_px=config.reach_px,
            align_px=config.align_px,
            bytes_per_pixel=config.bytes_per_pixel,
            device=device,
            dtype=dtype,
            max_memory=max_memory,
        )

    def matte(self, image: Any, trimap: Any) -> Matte:
        """Return the matte of a photo.

        Only tiles around unknown pixels are computed; their results equal those of the whole.

        Args:
            image: A path, bytes, PIL image, array (h, w, 3) or `Photo`.
            trimap: A path, PIL image, array or `Trimap` of the upright photo's size: 0
                background, 128 unknown, 255 foreground. All three must occur, which catches
                wrong files; a `Trimap` may lack one, as glass lacks sure foreground.

        Returns:
            Alpha in [0, 1], exactly 0 or 1 where the trimap is known.

        Raises:
            ImageError: If the photo cannot be read.
            TrimapError: If the trimap's values, size or content are not as expected.
            MemoryBudgetError: If the budget is too small; the message says what would do.
        """
        photo = read_photo(image)
        is_checked = isinstance(trimap, Trimap)
        values = trimap.values if is_checked else trimap
        known = read_trimap(values, photo.size, complete=not is_checked)
        alpha = (known == 255).astype(np.float32)
        unknown = known == 128
        with reused_memory():
            for tile in plan_tiles(unknown, self.grid or self._grid(photo.size)):
                result = self._predict(photo, known, tile)
                np.copyto(alpha[tile.core], result, where=unknown[tile.core])
        return Matte(alpha)

    def _grid(self, size: tuple[int, int]) -> Grid:
        whole = -(-max(size) // self.align_px) * self.align_px
        if self.reach_px is None:
            grid = Grid(whole, whole, self.align_px)
            self._check_budget(size[0] * size[1])
            return grid
        for core_px in CORES_PX if self.budget is not None else (USUAL_CORE_PX,):
            grid = Grid(core_px, self.reach_px, self.align_px)
            if self.budget is None or core_px == CORES_PX[-1] or self._fits(grid, size):
                break
        self._check_budget(min(largest_window_px(grid), size[0] * size[1]))
        return grid

    def _fits(self, grid: Grid, size: tuple[int, int]) -> bool:
        assert self.budget is not None
        pixels = min(largest_window_px(grid), size[0] * size[1])
        return resident_bytes() + pixels * self.bytes_per_pixel <= self.budget

    def _check_budget(self, window_px: int) -> None:
        needed = resident_bytes() + window_px * self.bytes_per_pixel
        if self.budget is not None and needed > self.budget:
            raise MemoryBudgetError(
                f"expected at least --max-memory {in_gibibytes(needed)} for this photo and network,"
                f" got {in_gibibytes(self.budget)}; allow more, or use a smaller photo"
            )

    def _predict(
        self, photo: Photo, trimap: UInt8[np.ndarray, "h w"], tile: Tile
    ) -> Float32[np.ndarray, "core_h core_w"]:
        window = replace(photo, pixels=photo.pixels[tile.window], alpha=None)
        x = network_input(network_rgb(window), trimap[tile.window])
        with torch.inference_mode():
            raw = self.model(torch.from_numpy(x).to(self.device, self.dtype))
        alpha: Float32[np.ndarray, "padded_h padded_w"] = raw[0, 0].float().cpu().numpy()
        return np.clip(alpha[tile.inner], 0, 1)


def network_input(
    rgb: Float32[np.ndarray, "h w 3"], trimap: UInt8[np.ndarray, "h w"]
) -> Float32[np.ndarray, "1 4 padded_h padded_w"]:
    """Return what the networks take: normalised RGB and trimap / 255, reflected to multiples of 16.

    Args:
        rgb: sRGB in [0, 1].
        trimap: 0, 128 or 255.
    """
    height, width = trimap.shape
    x = np.empty((4, height, width), np.float32)
    for channel in range(3):
        np.subtract(rgb[..., channel], MEAN[channel], out=x[channel])
        x[channel] /= DEVIATION[channel]
    np.divide(trimap, np.float32(255), out=x[3], casting="unsafe")
    padding = ((0, 0), (0, -height % STRIDE_PX), (0, -width % STRIDE_PX))
    return np.pad(x, padding, mode="reflect")[None]
