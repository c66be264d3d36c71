"""Matting: a photo and a trimap in, alpha out."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8
from torch import Tensor, nn

from maskwright.errors import MemoryBudgetError, UsageError
from maskwright.image.colour import network_rgb
from maskwright.image.io import read_photo
from maskwright.image.photo import Photo
from maskwright.image.trimap import read_trimap
from maskwright.inference.device import pick_device, pick_dtype
from maskwright.inference.explain import Routing, explain
from maskwright.inference.memory import in_gibibytes, parse_bytes, resident_bytes, reused_memory
from maskwright.inference.planning import LimitPlanner, MattePlan, Planner, TilePlanner
from maskwright.inference.tiles import Grid, Tile, plan_tiles
from maskwright.layers.conv import folded
from maskwright.models.mematte.model import MemoryEfficientMatting
from maskwright.structures.matte import Matte
from maskwright.structures.trimap import Trimap
from maskwright.weights.load import another_network, load_model

MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # of ImageNet, sRGB in [0, 1]
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
STRIDE_PX = 16
STRIP_PX = 512  # rows of a photo that are converted at once
PLANNERS: dict[str, Callable[[Any], Planner]] = {
    "a2u": lambda c: TilePlanner(
        c.reach_px, c.align_px, c.bytes_per_pixel, multiply_adds_per_pixel=c.multiply_adds_per_pixel
    ),
    "mematte": LimitPlanner,
}


class Matter:
    """Mattes photos with one network.

    Args:
        model: Takes (1, 4, h, w), normalised RGB and trimap, and returns alpha, which is clipped.
        planner: Knows what the network costs.
        device: What to compute on: "auto", "cpu", "cuda", "cuda:1", "mps".
        dtype: What to compute in: "auto", "fp32", "bf16", "fp16".
        max_memory: Resident memory that the process may use, such as "4G"; None for no limit.
    """

    def __init__(
        self,
        model: nn.Module,
        planner: Planner,
        *,
        device: str = "auto",
        dtype: str = "auto",
        max_memory: str | int | None = None,
    ) -> None:
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, self.device)
        self.model = folded(model).requires_grad_(False).to(self.device, self.dtype)
        self.planner = planner
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
            name: A name of the catalogue, or a safetensors file.
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
        if paper not in PLANNERS:
            raise another_network(name, paper, wanted="matting")
        return cls(
            model, PLANNERS[paper](config), device=device, dtype=dtype, max_memory=max_memory
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
        photo, known = _read(image, trimap)
        alpha = (known == 255).astype(np.float32)
        unknown = known == 128
        plan = self._follow_plan(photo.size)
        with reused_memory() if plan.limits is None else nullcontext():
            for tile in plan_tiles(unknown, self.grid or plan.grid):
                result = self._predict(photo, known, tile, self.model)
                np.copyto(alpha[tile.core], result, where=unknown[tile.core])
        return Matte(alpha)

    @property
    def routers(self) -> int:
        """How many routers the network has; 0 unless it is a routed MEMatte."""
        return self.model.routers if isinstance(self.model, MemoryEfficientMatting) else 0

    def explain(self, image: Any, trimap: Any) -> tuple[Matte, Routing]:
        """Return the matte of a photo, and how it was routed.

        The whole photo is given to the network, also where the trimap is known everywhere.

        Args:
            image: As for `matte`.
            trimap: As for `matte`.

        Raises:
            UsageError: If the network has no routers.
            ImageError: As for `matte`.
            TrimapError: As for `matte`.
            MemoryBudgetError: As for `matte`.
        """
        network = self.model
        if not isinstance(network, MemoryEfficientMatting) or not network.routers:
            raise UsageError(
                "expected a network with routers to explain, this one has none; use `matte`, or"
                " the weights of a MEMatte"
            )
        photo, known = _read(image, trimap)
        alpha = (known == 255).astype(np.float32)
        self._follow_plan(photo.size)
        kept = list[Tensor]()

        def run(x: Tensor) -> Tensor:
            traced = network.trace(x)
            kept.append(traced.keep[0])
            return traced.alpha

        whole = slice(0, photo.size[0]), slice(0, photo.size[1])
        result = self._predict(photo, known, Tile(whole, whole), run)
        np.copyto(alpha, result, where=known == 128)
        max_tokens = network.limits.max_tokens
        return Matte(alpha), explain(kept[0].cpu().numpy(), known, max_tokens=max_tokens)

    def plan(self, size: tuple[int, int], *, unread_bytes: int = 0) -> MattePlan:
        """Return how a photo will be matted within the budget.

        Args:
            size: Height and width.
            unread_bytes: What reading the photo is still going to take.

        Raises:
            MemoryBudgetError: If the budget is too small; the message says what would do.
        """
        resident = resident_bytes() + unread_bytes
        available = None if self.budget is None else self.budget - resident
        plan = self.planner.plan(size, available)
        if available is not None and plan.bytes > available:
            assert self.budget is not None
            raise MemoryBudgetError(
                f"expected at least --max-memory {in_gibibytes(resident + plan.bytes)} for this "
                f"photo and network, got {in_gibibytes(self.budget)}; allow more, or use a "
                "smaller photo"
            )
        return plan

    def _follow_plan(self, size: tuple[int, int]) -> MattePlan:
        plan = self.plan(size)
        if plan.limits is not None and isinstance(self.model, MemoryEfficientMatting):
            self.model.limits = plan.limits
        return plan

    def _predict(
        self,
        photo: Photo,
        trimap: UInt8[np.ndarray, "h w"],
        tile: Tile,
        run: Callable[[Tensor], Tensor],
    ) -> Float32[np.ndarray, "core_h core_w"]:
        window = replace(photo, pixels=photo.pixels[tile.window], alpha=None)
        x = torch.from_numpy(_input(window, trimap[tile.window], multiple=self.planner.pad_px))
        with torch.inference_mode():
            raw = run(x.to(self.device, self.dtype))
        alpha: Float32[np.ndarray, "padded_h padded_w"] = raw[0, 0].float().cpu().numpy()
        return np.clip(alpha[tile.inner], 0, 1, out=alpha[tile.inner])


def _read(image: Any, trimap: Any) -> tuple[Photo, UInt8[np.ndarray, "h w"]]:
    photo = read_photo(image)
    is_checked = isinstance(trimap, Trimap)
    values = trimap.values if is_checked else trimap
    return photo, read_trimap(values, photo.size, complete=not is_checked)


def network_input(
    rgb: Float32[np.ndarray, "h w 3"], trimap: UInt8[np.ndarray, "h w"]
) -> Float32[np.ndarray, "1 4 padded_h padded_w"]:
    """Return what the networks take: normalised RGB and trimap / 255, reflected to multiples of 16.

    Args:
        rgb: sRGB in [0, 1].
        trimap: 0, 128 or 255.
    """
    x = _empty_input(trimap.shape, STRIDE_PX)
    _fill(x, slice(0, len(rgb)), rgb=rgb, trimap=trimap)
    return _reflected(x, trimap.shape)


def _input(
    photo: Photo, trimap: UInt8[np.ndarray, "h w"], *, multiple: int
) -> Float32[np.ndarray, "1 4 padded_h padded_w"]:
    """Return the input of a photo; its colours exist as floats for a strip at a time only."""
    x = _empty_input(trimap.shape, multiple)
    for start in range(0, len(trimap), STRIP_PX):
        rows = slice(start, min(start + STRIP_PX, len(trimap)))
        rgb = network_rgb(replace(photo, pixels=photo.pixels[rows]))
        _fill(x, rows, rgb=rgb, trimap=trimap[rows])
    return _reflected(x, trimap.shape)


def _empty_input(
    size: tuple[int, ...], multiple: int
) -> Float32[np.ndarray, "1 4 padded_h padded_w"]:
    height, width = (-(-length // multiple) * multiple for length in size)
    return np.empty((1, 4, height, width), np.float32)


def _fill(
    x: Float32[np.ndarray, "1 4 padded_h padded_w"],
    rows: slice,
    *,
    rgb: Float32[np.ndarray, "rows w 3"],
    trimap: UInt8[np.ndarray, "rows w"],
) -> None:
    to = x[0, :, rows, : trimap.shape[1]]
    for channel in range(3):
        np.subtract(rgb[..., channel], MEAN[channel], out=to[channel])
        to[channel] /= DEVIATION[channel]
    np.divide(trimap, np.float32(255), out=to[3], casting="unsafe")


def _reflected(
    x: Float32[np.ndarray, "1 4 padded_h padded_w"], size: tuple[int, ...]
) -> Float32[np.ndarray, "1 4 padded_h padded_w"]:
    (height, width), (below, beside) = size, (x.shape[2] - size[0], x.shape[3] - size[1])
    x[:, :, height:, :width] = x[:, :, _beyond(height, below), :width]
    x[..., width:] = x[..., _beyond(width, beside)]
    return x


def _beyond(length: int, count: int) -> Int[np.ndarray, " count"]:
    return np.pad(np.arange(length), (0, count), mode="reflect")[length:]
