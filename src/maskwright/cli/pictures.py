"""Photos in and pictures out, between the command line and the image layer."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskwright.cli import flags
from maskwright.cli.items import PIPE, Item
from maskwright.errors import UsageError
from maskwright.image.publish import check_target

if TYPE_CHECKING:
    from maskwright.image.photo import Photo
    from maskwright.structures.cutout import Cutout

WITH_ALPHA = (".png", ".tif", ".tiff", ".webp")
OPAQUE = (*WITH_ALPHA, ".jpg", ".jpeg")
EIGHT_BIT = (".webp", ".jpg", ".jpeg")


def read_item(item: Item, max_pixels: str | None, *, overwrite: bool) -> "Photo":
    """Return the photo, read after it is clear that its result may be written."""
    from maskwright.image.io import read_photo

    if item.target != PIPE:
        check_target(item.target, overwrite=overwrite)
    return read_photo(open_source(item.source), max_pixels=pixel_limit(max_pixels))


def pixel_limit(max_pixels: str | None) -> int:
    """Return how many pixels a picture may have, by --max-pixels or by default."""
    from maskwright.image.photo import DEFAULT_MAX_PIXELS

    return flags.pixel_count(max_pixels) if max_pixels else DEFAULT_MAX_PIXELS


def open_source(path: str) -> Path | bytes:
    """Return a path, or what standard input holds."""
    return sys.stdin.buffer.read() if path == PIPE else Path(path)


def at_depth(pixels: Any, photo: "Photo", bit_depth: str | None) -> Any:
    """Return pixels with the bits per channel asked for, else those of the photo."""
    import numpy as np

    from maskwright.image import colour

    wanted = np.dtype(f"uint{bit_depth}") if bit_depth else photo.pixels.dtype
    return colour.at_depth(pixels, wanted)


def check_depth(items: list[Item], bit_depth: str | None) -> None:
    """Refuse 16 bits per channel where the format of an output has 8.

    Raises:
        UsageError: If it has.
    """
    for item in items:
        if bit_depth == "16" and item.target.lower().endswith(EIGHT_BIT):
            raise UsageError(
                f"{item.target} would have 8 bits per channel, got --bit-depth 16; leave it out, or"
                " write .png or .tiff"
            )


def write_item(item: Item, pixels: Any, *, like: "Photo | Cutout", overwrite: bool) -> None:
    """Write the result of an item with the metadata of its photo; PNG on standard output."""
    from maskwright.image.io import write_image

    if item.target == PIPE:
        write_image(sys.stdout.buffer, pixels, like=like, format="PNG")
    else:
        write_image(item.target, pixels, like=like, overwrite=overwrite)


def check_formats(items: list[Item], written: tuple[str, ...], *, hint: str = "") -> None:
    """Refuse outputs that could not be written, before any work is done.

    Raises:
        UsageError: If the suffix of one is none of `written`, or it is a terminal.
    """
    if items[0].target == PIPE and sys.stdout.isatty():
        raise UsageError("standard output is a terminal; send it to a file or program, or use -o")
    for item in items:
        if item.target != PIPE and not item.target.lower().endswith(written):
            raise UsageError(f"-o must end with {', '.join(written)}, got {item.target}{hint}")
