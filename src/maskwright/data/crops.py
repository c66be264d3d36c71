"""Small composite crops, many a second: what the compact network is trained on.

The papers' pipelines deform whole photos and then throw most pixels away. Here one affine map
carries a foreground straight into a crop around an edge pixel; colours, noise and compression are
then varied so that composites differ among each other as photos do. Not from a paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from maskwright.data.foreground import Foreground
from maskwright.data.loader import Key
from maskwright.data.sources import Source
from maskwright.data.trimaps import wavering_trimap

SOFT = (0.04, 0.96)  # alpha between these is an edge that a crop may be centred on
EDGE_PIXELS = 4096  # remembered per foreground


@dataclass(frozen=True)
class CropPlan:
    """How crops are varied.

    Attributes:
        side_px: Side of a crop; a multiple of 16.
        scale: Range of the factor from the pixels of a foreground to those of the crop.
        rotation_degrees: Largest turn to either side.
        band_px: Range of the mean half-width of the unknown band.
        joint_probability: How often a second foreground lies behind the first.
        alike_probability: How often the background takes on the foreground's mean colour.
        blur_probability: How often the background is out of focus.
        noise: Largest standard deviation of the noise on the composite, of 255.
        jpeg_probability: How often the composite is compressed.
    """

    side_px: int = 192
    scale: tuple[float, float] = (0.35, 1.25)
    rotation_degrees: float = 60.0
    band_px: tuple[float, float] = (2.0, 26.0)
    joint_probability: float = 0.2
    alike_probability: float = 0.3
    blur_probability: float = 0.4
    noise: float = 7.0
    jpeg_probability: float = 0.3


class CompositeCrops(Dataset[dict[str, Tensor]]):
    """Crops of foregrounds on backgrounds, all kept in memory at two sizes.

    Args:
        foregrounds: Lists to draw from, each with its share of the samples.
        backgrounds: What to lay them on.
        plan: How crops are varied.
        seed: Of all random draws.
        length: Samples in an epoch; any number.
    """

    def __init__(
        self,
        foregrounds: Sequence[tuple[float, Source[Foreground]]],
        backgrounds: Source[np.ndarray],
        *,
        plan: CropPlan,
        seed: int = 0,
        length: int = 10_000,
    ) -> None:
        self.shares = np.array([share for share, _ in foregrounds], float)
        self.shares /= self.shares.sum()
        self.foregrounds = [
            [_Pyramid(source[i]) for i in range(len(source))] for _, source in foregrounds
        ]
        self.backgrounds = [_halves(backgrounds[i]) for i in range(len(backgrounds))]
        self.plan, self.seed, self.length = plan, seed, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: Key) -> dict[str, Tensor]:
        """Return image, clean, foreground, background (3, h, w), alpha and trimap (1, h, w).

        All are float32 in [0, 1]; `clean` is the composite before noise and compression.
        """
        rng = np.random.default_rng([self.seed, *key])
        foreground, alpha = self._thing(rng)
        background = self._scene(rng, mean=_mean_colour(foreground, alpha))
        share = alpha[..., None]
        clean = share * foreground + (1 - share) * background
        trimap = wavering_trimap(alpha, rng, band_px=float(rng.uniform(*self.plan.band_px)))
        return {
            "image": _planes(_recorded(clean, rng, plan=self.plan)),
            "clean": _planes(clean),
            "foreground": _planes(foreground),
            "background": _planes(background),
            "alpha": torch.from_numpy(alpha)[None],
            "trimap": torch.from_numpy(trimap.astype(np.float32) / 255)[None],
        }

    def _thing(
        self, rng: np.random.Generator
    ) -> tuple[Float32[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
        colour, alpha = self._one(rng)
        if rng.random() < self.plan.joint_probability:
            behind, alpha_behind = self._one(rng)
            hidden = (1 - alpha) * alpha_behind
            both = alpha + hidden
            if both.mean() < 0.97:
                weights = np.stack([alpha, hidden], -1) + np.float32(1e-6)
                weights /= weights.sum(-1, keepdims=True)
                colour = colour * weights[..., :1] + behind * weights[..., 1:]
                alpha = both
        return colour, alpha

    def _one(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        choices = self.foregrounds[rng.choice(len(self.shares), p=self.shares)]
        pyramid = choices[rng.integers(len(choices))]
        scale = float(np.exp(rng.uniform(*np.log(self.plan.scale))))
        colour, alpha = pyramid.cut(rng, scale=scale, plan=self.plan)
        return _tinted(colour, rng), alpha

    def _scene(
        self, rng: np.random.Generator, *, mean: Float32[np.ndarray, " 3"]
    ) -> Float32[np.ndarray, "h w 3"]:
        plan = self.plan
        whole, half = self.backgrounds[rng.integers(len(self.backgrounds))]
        scale = float(np.exp(rng.uniform(np.log(0.3), np.log(1.5))))
        image, scale = (half, scale * 2) if scale < 0.6 else (whole, scale)
        centre = rng.uniform(0.2, 0.8, 2) * image.shape[1::-1]
        matrix = _matrix(rng, centre, scale=scale, turn_degrees=180.0, side_px=plan.side_px)
        scene = _warped(image, matrix, plan.side_px).astype(np.float32) / 255
        if rng.random() < plan.blur_probability:
            blurred = cv2.GaussianBlur(scene, (0, 0), float(rng.uniform(0.5, 6)))
            scene = np.asarray(blurred, np.float32)
        scene = _tinted(scene, rng)
        if rng.random() < plan.alike_probability:
            pull = np.float32(rng.uniform(0.4, 1))
            scene = np.clip(scene + pull * (mean - scene.mean((0, 1))), 0, 1)
        return scene


class _Pyramid:
    """A foreground at its own size and at half, and where its edge is."""

    def __init__(self, foreground: Foreground) -> None:
        colour, alpha = foreground.colour, _bytes(foreground.alpha)
        self.levels = list(zip(_halves(colour), _halves(alpha), strict=True))
        is_soft = (alpha > 255 * SOFT[0]) & (alpha < 255 * SOFT[1])
        edge = np.argwhere(is_soft if is_soft.any() else alpha >= 0)
        chosen = np.random.default_rng(len(edge)).permutation(len(edge))[:EDGE_PIXELS]
        self.edge = edge[chosen].astype(np.float32)

    def cut(
        self, rng: np.random.Generator, *, scale: float, plan: CropPlan
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return colour and alpha, float32 in [0, 1], of a crop around a random edge pixel."""
        level = int(scale < 0.6)
        colour, alpha = self.levels[level]
        centre = self.edge[rng.integers(len(self.edge))][::-1] / (1 + level)
        matrix = _matrix(
            rng,
            centre,
            scale=scale * (1 + level),
            turn_degrees=plan.rotation_degrees,
            side_px=plan.side_px,
        )
        colour = _warped(colour, matrix, plan.side_px).astype(np.float32) / 255
        border = cv2.BORDER_REPLICATE if rng.random() < 0.7 else cv2.BORDER_CONSTANT
        alpha = _warped(alpha, matrix, plan.side_px, border=border).astype(np.float32) / 255
        return colour, alpha


def _halves(image: UInt8[np.ndarray, "..."]) -> tuple[np.ndarray, np.ndarray]:
    return image, cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def _bytes(alpha: Float32[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    return np.rint(alpha * 255).astype(np.uint8)


def _matrix(
    rng: np.random.Generator,
    centre: np.ndarray,
    *,
    scale: float,
    turn_degrees: float,
    side_px: int,
) -> np.ndarray:
    """Return the map that lays `centre` near the middle of the crop, turned, sheared, mirrored."""
    angle = np.deg2rad(rng.uniform(-turn_degrees, turn_degrees))
    shear, stretch = rng.uniform(-0.12, 0.12), np.exp(rng.uniform(-0.12, 0.12))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = scale * turn @ np.array([[stretch, shear], [0, 1 / stretch]])
    if rng.random() < 0.5:
        linear[:, 0] *= -1
    target = side_px * rng.uniform(0.25, 0.75, 2)
    return np.column_stack([linear, target - linear @ centre])


def _warped(
    image: np.ndarray, matrix: np.ndarray, side_px: int, *, border: int = cv2.BORDER_REFLECT_101
) -> np.ndarray:
    size = (side_px, side_px)
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)


def _mean_colour(colour: np.ndarray, alpha: np.ndarray) -> Float32[np.ndarray, " 3"]:
    weight = alpha[..., None] + np.float32(1e-3)
    return np.asarray((colour * weight).sum((0, 1)) / weight.sum(), np.float32)


def _tinted(colour: np.ndarray, rng: np.random.Generator) -> Float32[np.ndarray, "h w 3"]:
    """Return the colours under another exposure, white balance, contrast and saturation."""
    if rng.random() < 0.2:
        return colour
    gamma = np.float32(np.exp(rng.uniform(-0.35, 0.35)))
    gain = np.exp(rng.uniform(-0.2, 0.2) + rng.uniform(-0.12, 0.12, 3)).astype(np.float32)
    colour = cv2.pow(colour, float(gamma)) * gain
    grey = colour.mean(-1, keepdims=True)
    colour = grey + (colour - grey) * np.float32(rng.uniform(0.4, 1.4))
    if rng.random() < 0.15:
        colour = colour[..., rng.permutation(3)]
    return np.clip(colour, 0, 1)


def _recorded(
    clean: np.ndarray, rng: np.random.Generator, *, plan: CropPlan
) -> Float32[np.ndarray, "h w 3"]:
    """Return the composite as a camera would have stored it: softened, noisy, compressed."""
    image = clean
    if rng.random() < 0.15:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 0.8)))
    if rng.random() < 0.6:
        deviation = rng.uniform(0, plan.noise) / 255
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        image = image + noise * np.float32(deviation)
    stored = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    if rng.random() < plan.jpeg_probability:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(65, 97))]
        stored = cv2.imdecode(cv2.imencode(".jpg", stored, quality)[1], cv2.IMREAD_COLOR)
    return stored.astype(np.float32) / 255


def _planes(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
