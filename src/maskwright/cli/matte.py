"""The verbs `matte` and `cutout`: photos and hints in, alpha or cut-outs out."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskwright.cli import flags
from maskwright.cli.items import PIPE, Companions, Item, plan_items
from maskwright.cli.progress import do_items
from maskwright.errors import UsageError
from maskwright.image.publish import check_target
from maskwright.weights.catalog import check_commercial, find_weight

if TYPE_CHECKING:
    from maskwright.image.photo import Photo
    from maskwright.inference.matte import Matter
    from maskwright.structures.cutout import Cutout

DEFAULT_MODEL = "a2u-mini"
_WITH_ALPHA = (".png", ".tif", ".tiff", ".webp")
_OPAQUE = (*_WITH_ALPHA, ".jpg", ".jpeg")


def matte(
    photos: flags.Photos,
    *,
    output: flags.Output,
    trimap: flags.Trimap = None,
    mask: flags.Mask = None,
    band: flags.Band = "auto",
    bit_depth: flags.BitDepth = None,
    model: flags.Model = DEFAULT_MODEL,
    device: flags.Device = "auto",
    dtype: flags.Dtype = "auto",
    max_memory: flags.MaxMemory = None,
    max_pixels: flags.MaxPixels = None,
    recursive: flags.Recursive = False,
    overwrite: flags.Overwrite = False,
    json: flags.Json = False,
    offline: flags.Offline = False,
    commercial: flags.Commercial = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Write the soft alpha of each photo.

    It is a grey picture: black is background, white the object.
    """
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    hints = parse_hints(trimap, mask, band)
    items = plan_items(photos, output, recursive=recursive)
    _check_formats(items, _OPAQUE)
    matter = open_matter(
        model, device, dtype, max_memory=max_memory, commercial=commercial, offline=offline
    )

    def work(item: Item) -> None:
        photo = _prepare(item, max_pixels, overwrite=overwrite)
        trimap = hints.trimap(item, photo)
        result = matter().matte(photo, trimap)
        _write(item, _at_depth(result.alpha, photo, bit_depth), like=photo, overwrite=overwrite)

    return do_items(items, work, quiet=quiet, as_json=json)


def cutout(
    photos: flags.Photos,
    *,
    output: flags.Output,
    trimap: flags.Trimap = None,
    mask: flags.Mask = None,
    band: flags.Band = "auto",
    background: Annotated[
        str | None,
        typer.Option(
            metavar="white|#rrggbb|PHOTO",
            help="Put the object on a colour or photo instead of transparency.",
        ),
    ] = None,
    decontaminate: Annotated[
        bool,
        typer.Option(
            "--decontaminate/--no-decontaminate",
            help="Remove the old background's colour from soft edges.",
        ),
    ] = True,
    bit_depth: flags.BitDepth = None,
    model: flags.Model = DEFAULT_MODEL,
    device: flags.Device = "auto",
    dtype: flags.Dtype = "auto",
    max_memory: flags.MaxMemory = None,
    max_pixels: flags.MaxPixels = None,
    recursive: flags.Recursive = False,
    overwrite: flags.Overwrite = False,
    json: flags.Json = False,
    offline: flags.Offline = False,
    commercial: flags.Commercial = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Cut the object out of each photo.

    Edges are soft and of the object's own colour; alpha is straight, metadata are kept.
    """
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    hints = parse_hints(trimap, mask, band)
    items = plan_items(photos, output, recursive=recursive)
    if background:
        _check_formats(items, _OPAQUE)
    else:
        _check_formats(items, _WITH_ALPHA, hint="; --background white fills what is transparent")
    matter = open_matter(
        model, device, dtype, max_memory=max_memory, commercial=commercial, offline=offline
    )
    on_backdrop = _composer(background) if background else None

    def work(item: Item) -> None:
        photo = _prepare(item, max_pixels, overwrite=overwrite)
        trimap = hints.trimap(item, photo)
        result = matter().matte(photo, trimap)
        from maskwright.inference.cutout import cut_out

        cut = cut_out(photo, result, decontaminate=decontaminate)
        pixels = on_backdrop(cut) if on_backdrop else cut.rgba
        _write(item, _at_depth(pixels, photo, bit_depth), like=cut, overwrite=overwrite)

    return do_items(items, work, quiet=quiet, as_json=json)


@dataclass(frozen=True)
class Hints:
    """Where the object is: a trimap per photo, or a mask that becomes one.

    Attributes:
        files: The trimaps or masks.
        band: Width of the unknown band around a mask's edge.
    """

    files: Companions
    band: str | int = "auto"

    def trimap(self, item: Item, photo: "Photo") -> Any:
        """Return the trimap of a photo, uint8 (h, w).

        Raises:
            TrimapError: If the file is absent, of another size, or says nothing.
        """
        from maskwright.image.io import read_mask
        from maskwright.image.trimap import read_trimap, trimap_from_mask

        source = _source(self.files.of(item))
        if self.files.kind == "trimap":
            return read_trimap(source, photo.size)
        return trimap_from_mask(read_mask(source, photo.size), self.band, image=photo)


def parse_hints(trimap: str | None, mask: str | None, band: str) -> Hints:
    """Return where the object is, by --trimap or by --mask and --band.

    Raises:
        UsageError: If neither or both are given, or --band without --mask.
    """
    if trimap and mask:
        raise UsageError("--trimap and --mask exclude each other; keep one")
    if mask:
        return Hints(Companions(mask, "mask"), flags.band_width(band))
    if not trimap:
        raise UsageError(
            "this version does not find the subject by itself; say where it is with "
            "--trimap (0, 128, 255) or --mask"
        )
    if band != "auto":
        raise UsageError("--band belongs to --mask; a trimap has its band drawn in")
    return Hints(Companions(trimap, "trimap"))


def open_matter(
    model: str,
    device: str,
    dtype: str,
    *,
    max_memory: str | None,
    commercial: bool,
    offline: bool,
) -> Callable[[], "Matter"]:
    """Return what loads the model when first called; name and terms are checked at once."""
    if not model.endswith(".safetensors") and not Path(model).is_file():
        row = find_weight(model)
        if commercial:
            check_commercial(row)
    elif not Path(model).is_file():
        raise UsageError(f"expected weights, there is no file {model}; check the path")

    @cache
    def load() -> "Matter":
        from maskwright.inference.matte import Matter

        return Matter.load(
            model,
            device=device,
            dtype=dtype,
            max_memory=max_memory,
            commercial=commercial,
            offline=offline,
        )

    return load


def _composer(background: str) -> "Callable[[Cutout], Any]":
    """Return what puts a cut-out before a colour or photo."""
    from maskwright.cli.backdrop import compose_on, parse_backdrop

    backdrop = parse_backdrop(background)
    return lambda cut: compose_on(cut, backdrop)


def _prepare(item: Item, max_pixels: str | None, *, overwrite: bool) -> "Photo":
    """Return the photo, read after it is clear that its result may be written."""
    if item.target != PIPE:
        check_target(item.target, overwrite=overwrite)
    return _read(item.source, max_pixels)


def _read(source: str, max_pixels: str | None) -> "Photo":
    from maskwright.image.io import read_photo
    from maskwright.image.photo import DEFAULT_MAX_PIXELS

    limit = flags.pixel_count(max_pixels) if max_pixels else DEFAULT_MAX_PIXELS
    return read_photo(_source(source), max_pixels=limit)


def _source(path: str) -> Path | bytes:
    return sys.stdin.buffer.read() if path == PIPE else Path(path)


def _at_depth(pixels: Any, photo: "Photo", bit_depth: str | None) -> Any:
    """Return pixels with the bits per channel asked for, else those of the photo."""
    import numpy as np

    from maskwright.image.colour import from_float, to_float

    wanted = np.dtype(f"uint{bit_depth}") if bit_depth else photo.pixels.dtype
    return pixels if pixels.dtype == wanted else from_float(to_float(pixels), wanted)


def _write(item: Item, pixels: Any, *, like: "Photo | Cutout", overwrite: bool) -> None:
    from maskwright.image.io import write_image

    if item.target == PIPE:
        write_image(sys.stdout.buffer, pixels, like=like, format="PNG")
    else:
        write_image(item.target, pixels, like=like, overwrite=overwrite)


def _check_formats(items: list[Item], written: tuple[str, ...], *, hint: str = "") -> None:
    """Refuse outputs that could not be written, before any work is done."""
    for item in items:
        if item.target != PIPE and not item.target.lower().endswith(written):
            raise UsageError(f"-o must end with {', '.join(written)}, got {item.target}{hint}")
