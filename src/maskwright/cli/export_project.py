"""The verb `export-project`: a folder that was worked on in the app; cut-outs and the like out."""

import sys
from functools import cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskwright.cli import flags
from maskwright.cli.items import PIPE, Item
from maskwright.cli.loading import open_matter
from maskwright.cli.pictures import pixel_limit
from maskwright.cli.progress import do_items
from maskwright.errors import UsageError

if TYPE_CHECKING:
    from maskwright.app.export import Options
    from maskwright.inference.matte import Matter

FORMATS = (
    *("png", "tiff", "webp", "alpha", "masks"),
    *("coco", "labelme", "yolo", "panoptic", "psd", "layered-tiff"),
)


def export_project(
    folder: Annotated[
        str, typer.Argument(metavar="FOLDER", help="The photos, worked on with `serve`.")
    ],
    *,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="DIR", help="The folder that files go to.")
    ],
    format: Annotated[
        str,
        typer.Option(
            metavar="|".join(FORMATS),
            callback=flags.one_of("--format", "|".join(FORMATS), ", ".join(FORMATS)),
            help="Cut-outs (png, tiff, webp), alpha, masks, annotations, or layers with masks.",
        ),
    ] = "png",
    background: Annotated[
        str | None,
        typer.Option(
            metavar="white|#rrggbb|PHOTO",
            help="Put what is cut out on a colour or photo instead of transparency.",
        ),
    ] = None,
    decontaminate: Annotated[
        float,
        typer.Option(
            metavar="0-1", help="How much of the old background's colour soft edges lose."
        ),
    ] = 1.0,
    bit_depth: flags.BitDepth = None,
    device: flags.Device = "auto",
    dtype: flags.Dtype = "auto",
    max_memory: flags.MaxMemory = None,
    max_pixels: flags.MaxPixels = None,
    overwrite: flags.Overwrite = False,
    json: flags.Json = False,
    offline: flags.Offline = False,
    commercial: flags.Commercial = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Export all photos of a folder that have objects, as they stand.

    What was exported already, and is as it was, is not done again.
    """
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    if not Path(folder).is_dir():
        raise UsageError(f"expected a folder of photos, there is no {folder}; check the path")
    if output == PIPE or Path(output).is_file():
        raise UsageError(f"an export needs a folder to go to, got {output}; name one with -o")
    options = _options(format, bit_depth, background, decontaminate)

    used = ["cpu"]

    @cache
    def matter(name: str) -> "Matter":
        load = open_matter(
            name, device, dtype, max_memory=max_memory, commercial=commercial, offline=offline
        )
        used.append(str(load().device))
        return load()

    from maskwright.app.journal import open_journal
    from maskwright.app.project_export import ALL, ProjectExport

    journal = open_journal(folder)
    try:
        export = ProjectExport(
            folder,
            output,
            options,
            journal=journal,
            matter=matter,
            overwrite=overwrite,
            max_pixels=pixel_limit(max_pixels),
        )
    finally:
        journal.close()
    with export:
        if not quiet:
            print(_beginning(export.total, export.done), file=sys.stderr)
        jobs = {job.name: job for job in export.waiting()}
        items = [
            Item(
                folder if name == ALL else str(Path(folder) / name),
                PurePath(name),
                str(export.first_file(job)),
            )
            for name, job in jobs.items()
        ]

        def work(item: Item) -> str:
            export.do(jobs[item.name.as_posix()])
            return used[-1]

        return do_items(items, work, quiet=quiet, as_json=json)


def _options(
    format: str, bit_depth: str | None, background: str | None, decontaminate: float
) -> "Options":
    from maskwright.app.export import Options
    from maskwright.image.backdrop import parse_backdrop

    behind: Any = None if background is None else parse_backdrop(background)
    return Options(format, int(bit_depth) if bit_depth else None, behind, decontaminate)


def _beginning(total: int, done: int) -> str:
    if not total:
        return "nothing to export: no photo has an object yet"
    return f"{done} of {total} exported already" if done else f"{total} to export"
