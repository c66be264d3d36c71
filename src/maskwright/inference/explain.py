"""How MEMatte's routers treated a photo: shares for programs and pages, pictures for eyes.

Each router decides per token, a square of 16 pixels, between global attention and the light LTRM
(section 3.2). A decision is worth seeing beside the trimap: attention should go where pixels are
unknown, and to the few places that tell what the object looks like.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8
from numpy.typing import NDArray

from maskwright.errors import ShapeError
from maskwright.image.colour import from_float, network_rgb
from maskwright.image.photo import Photo
from maskwright.image.resize import resize
from maskwright.models.mematte.limits import TOKEN_PX
from maskwright.structures.trimap import UNKNOWN

LONG_SIDE_PX = 1600  # of a picture
KEPT_RGB, KEPT_TINT = (1.0, 0.5, 0.0), 0.4
DIMMED = 0.4  # what is left of the brightness of the other tokens
OUTLINE_RGB, OUTLINE_PX = (0.0, 0.9, 1.0), 800  # a pixel wide for so many of the long side


class Shares(NamedTuple):
    """Which share of the tokens a router kept, from 0 to 1; None where there are no such tokens.

    Attributes:
        all: Of all tokens of the photo.
        unknown: Of those that hold an unknown pixel.
        known: Of those that hold none.
    """

    all: float | None
    unknown: float | None
    known: float | None


@dataclass(frozen=True, eq=False)
class Routing:
    """Which tokens of a photo each router sent to global attention.

    Args:
        kept: bool (router, rows, columns of tokens) of the photo alone, without those that only
            hold the zeros to which the network fills it up.
        unknown: bool (rows, columns of tokens), which hold an unknown pixel.
        size: Height and width of the photo in pixels.
        max_tokens: The most that a router was allowed to keep, or None.

    Raises:
        ShapeError: If the three do not belong to one photo.
    """

    kept: NDArray[np.bool_]
    unknown: NDArray[np.bool_]
    size: tuple[int, int]
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        tokens = token_size(self.size)
        if self.kept.shape[1:] != tokens or self.unknown.shape != tokens:
            raise ShapeError(
                f"a photo of {self.size} has {tokens} tokens, got kept of {self.kept.shape} and"
                f" unknown of {self.unknown.shape}; cut off what lies beyond the photo"
            )

    @property
    def shares(self) -> list[Shares]:
        """The shares that each router kept."""
        everywhere = np.ones_like(self.unknown)
        return [
            Shares(*(_share(kept, of) for of in (everywhere, self.unknown, ~self.unknown)))
            for kept in self.kept
        ]


def token_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the rows and columns of tokens that hold at least a pixel of a photo."""
    return -(-size[0] // TOKEN_PX), -(-size[1] // TOKEN_PX)


def explain(
    keep: Bool[np.ndarray, "router padded_rows padded_columns"],
    trimap: UInt8[np.ndarray, "h w"],
    *,
    max_tokens: int | None = None,
) -> Routing:
    """Return how a photo was routed.

    Args:
        keep: `Trace.keep` of one photo: the tokens of the photo and of what it is filled up with.
        trimap: 0, 128 or 255.
        max_tokens: The most that a router was allowed to keep, or None.

    Raises:
        ShapeError: If `keep` has fewer tokens than the photo.
    """
    size = trimap.shape[0], trimap.shape[1]
    rows, columns = token_size(size)
    unknown = trimap == UNKNOWN
    for axis in (0, 1):
        starts = np.arange(0, size[axis], TOKEN_PX)
        unknown = np.logical_or.reduceat(unknown, starts, axis=axis)
    return Routing(keep[:, :rows, :columns].copy(), unknown, size, max_tokens)


def pictures(
    photo: Photo,
    trimap: UInt8[np.ndarray, "h w"],
    routing: Routing,
    *,
    long_side_px: int = LONG_SIDE_PX,
) -> Iterator[UInt8[np.ndarray, "small_h small_w 3"]]:
    """Yield a picture per router, in sRGB: kept tokens tinted, others dimmed, the band outlined.

    Args:
        photo: Upright, as it was matted.
        trimap: Of the same size: 0, 128 or 255.
        routing: Of this photo.
        long_side_px: Larger photos are shrunk to it first, so that a picture costs little memory.

    Raises:
        ShapeError: If the sizes differ.
    """
    if not photo.size == trimap.shape == routing.size:
        raise ShapeError(
            "photo, trimap and routing must have one size, got"
            f" {photo.size}, {trimap.shape} and {routing.size}; use what was matted"
        )
    height, width = photo.size
    scale = min(1.0, long_side_px / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small = resize(photo.pixels, size, kind="area")
    rgb = network_rgb(replace(photo, pixels=small, alpha=None))
    outline = _outline(trimap, size)
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new) // TOKEN_PX
        for new, old in zip(size, photo.size, strict=True)
    )
    for kept in routing.kept:
        yield _picture(rgb, kept[np.ix_(rows, columns)], outline)


def as_json(routing: Routing, *, photo: str) -> dict[str, Any]:
    """Return counts and shares as JSON knows them.

    Keys: `photo`; `size`, height and width; `token_px`; `tokens`, of which `with_unknown` hold an
    unknown pixel; `max_tokens`, the cap or null; `routers`, a row each in the order of the network:
    `router` from 1, `kept`, how many, and the shares `all`, `with_unknown` and `without`, null
    where there are no such tokens.
    """
    rows = [
        {
            "router": number,
            "kept": int(kept.sum()),
            "all": shares.all,
            "with_unknown": shares.unknown,
            "without": shares.known,
        }
        for number, (kept, shares) in enumerate(zip(routing.kept, routing.shares, strict=True), 1)
    ]
    return {
        "photo": photo,
        "size": list(routing.size),
        "token_px": TOKEN_PX,
        "tokens": routing.unknown.size,
        "with_unknown": int(routing.unknown.sum()),
        "max_tokens": routing.max_tokens,
        "routers": rows,
    }


def as_markdown(routing: Routing, *, photo: str) -> str:
    """Return a line on the photo and a table with a line per router, in percent."""
    height, width = routing.size
    cap = "" if routing.max_tokens is None else f", at most {routing.max_tokens} per router"
    lines = [
        f"{photo}, {width} x {height}: {routing.unknown.size} tokens of {TOKEN_PX} x {TOKEN_PX}"
        f" pixels, {int(routing.unknown.sum())} with unknown pixels."
        f" Sent to global attention{cap}:",
        "",
        "| router | all tokens | with unknown pixels | without |",
        "|---|--:|--:|--:|",
    ]
    for number, shares in enumerate(routing.shares, 1):
        cells = ("" if share is None else f"{share:.1%}" for share in shares)
        lines.append(f"| {number} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _share(kept: Bool[np.ndarray, "rows columns"], of: Bool[np.ndarray, "rows columns"]) -> Any:
    return float(kept[of].mean()) if of.any() else None


def _outline(
    trimap: UInt8[np.ndarray, "h w"], size: tuple[int, int]
) -> Bool[np.ndarray, "small_h small_w"]:
    """Return the inner edge of the unknown band; a pixel that is partly unknown belongs to it."""
    unknown = (trimap == UNKNOWN).view(np.uint8)
    unknown *= 255
    band = (resize(unknown, size, kind="area") > 0).astype(np.uint8)
    side = 2 * max(1, round(max(size) / OUTLINE_PX)) + 1
    return (band > cv2.erode(band, np.ones((side, side), np.uint8))).astype(np.bool_)


def _picture(
    rgb: Float32[np.ndarray, "h w 3"],
    kept: Bool[np.ndarray, "h w"],
    outline: Bool[np.ndarray, "h w"],
) -> UInt8[np.ndarray, "h w 3"]:
    left = np.where(kept, np.float32(1 - KEPT_TINT), np.float32(DIMMED))
    picture = rgb * left[..., None]
    for channel, value in enumerate(KEPT_RGB):
        picture[..., channel] += np.float32(KEPT_TINT * value) * kept
    picture[outline] = OUTLINE_RGB
    return from_float(picture, np.uint8)
