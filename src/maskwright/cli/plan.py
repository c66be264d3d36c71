"""The verb `plan`: what matting a photo is going to take, without doing it."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from maskwright.cli import flags
from maskwright.cli.items import PIPE
from maskwright.cli.loading import open_matter
from maskwright.cli.matte import DEFAULT_MODEL
from maskwright.cli.pictures import open_source, pixel_limit
from maskwright.errors import UsageError

READING_BYTES = 2  # copies of a photo's pixels that exist while it is decoded


def plan(
    photo: Annotated[
        str, typer.Argument(metavar="PHOTO", help="The photo; only its size is read.")
    ],
    *,
    model: flags.Model = DEFAULT_MODEL,
    device: flags.Device = "auto",
    dtype: flags.Dtype = "auto",
    max_memory: flags.MaxMemory = None,
    max_pixels: flags.MaxPixels = None,
    json: flags.Json = False,
    offline: flags.Offline = False,
    commercial: flags.Commercial = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Predict memory and time of matting a photo; runs nothing.

    The time is that of a photo whose every pixel is unknown; known parts cost less.
    """
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    if photo != PIPE and not Path(photo).is_file():
        raise UsageError(f"expected a photo, there is no file {photo}; check the path")
    matter = open_matter(
        model, device, dtype, max_memory=max_memory, commercial=commercial, offline=offline
    )
    from maskwright.image.io import read_header
    from maskwright.image.photo import check_pixel_count
    from maskwright.inference.memory import in_gibibytes, resident_bytes
    from maskwright.inference.speed import multiply_adds_per_second

    header = read_header(open_source(photo))
    check_pixel_count(photo, header.size, pixel_limit(max_pixels))
    pixels = header.size[0] * header.size[1]
    unread = READING_BYTES * 3 * pixels * header.bit_depth // 8
    loaded = matter()
    chosen = loaded.plan(header.size, unread_bytes=unread)
    report: dict[str, Any] = {
        "photo": photo,
        "size": list(header.size),
        "megapixels": round(pixels / 1e6, 2),
        "model": model,
        "device": str(loaded.device),
        "peak_bytes": resident_bytes() + unread + chosen.bytes,
        "seconds": round(chosen.multiply_adds / multiply_adds_per_second(loaded.device), 1),
    }
    if chosen.limits is None:
        report["tile_px"] = chosen.grid.core_px
    else:
        report |= {
            "max_tokens": chosen.limits.max_tokens,
            "token_rows": chosen.limits.token_rows,
            "window_rows": chosen.limits.window_rows,
            "tile_px": chosen.limits.tile_px,
        }
    print(_as_json(report) if json else _as_text(report, in_gibibytes(report["peak_bytes"])))
    return 0


def _as_json(report: dict[str, Any]) -> str:
    return json.dumps(report, indent=2)


def _as_text(report: dict[str, Any], peak: str) -> str:
    height, width = report["size"]
    lines = [
        f"{report['photo']}: {width} x {height}, {report['megapixels']} megapixels",
        f"model    {report['model']} on {report['device']}",
        f"memory   {peak} at the peak, with what is in use now",
        f"time     up to about {report['seconds']} s",
        f"tiles    {report['tile_px']} px",
    ]
    if "token_rows" in report:
        cap = report["max_tokens"]
        lines.append(
            f"tokens   {report['token_rows']} rows at once, {report['window_rows']} of windows; "
            + ("no cap on global attention" if cap is None else f"at most {cap} attend globally")
        )
    return "\n".join(lines)
