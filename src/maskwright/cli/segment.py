"""The verb `segment`: photos in; label maps, COCO, labelme or YOLO files out."""

from typing import Annotated

import typer

from maskwright.cli import flags
from maskwright.cli.annotations import FORMATS, Annotations
from maskwright.cli.items import Item
from maskwright.cli.loading import open_segmenter
from maskwright.cli.pictures import read_item
from maskwright.cli.progress import do_items
from maskwright.errors import UsageError

DEFAULT_MODEL = "mask2former-mini"
TASKS = ("panoptic", "instance", "semantic")
SHOWN_SCORE = 0.5  # of instances: a hundred guesses are for scoring, not for looking at


Output = Annotated[
    str,
    flags.output(
        "A file for one photo, a folder for several; for all, COCO's file, YOLO's folder."
    ),
]


def _share(value: float | None) -> float | None:
    if value is not None and not 0 <= value <= 1:
        raise UsageError(f"a threshold must lie in [0, 1], got {value}")
    return value


def segment(
    photos: flags.Photos,
    *,
    output: Output,
    task: Annotated[
        str,
        typer.Option(
            metavar="|".join(TASKS),
            callback=flags.one_of("--task", "|".join(TASKS), ", ".join(TASKS)),
            help="Segments that share no pixel, objects that may overlap, or a class per pixel.",
        ),
    ] = "panoptic",
    format: Annotated[
        str,
        typer.Option(
            metavar="|".join(FORMATS),
            callback=flags.one_of("--format", "|".join(FORMATS), ", ".join(FORMATS)),
            help="png is a 16-bit label map with JSON and an overlay; palette shows classes.",
        ),
    ] = "png",
    polygons: Annotated[
        bool,
        typer.Option("--polygons", help="COCO with polygons, for tools that know no run lengths."),
    ] = False,
    score: Annotated[
        float | None,
        typer.Option(
            metavar="0-1",
            callback=_share,
            help="Leave out what is less sure; else 0.8 for panoptic segments, 0.5 for instances.",
        ),
    ] = None,
    overlap: Annotated[
        float,
        typer.Option(
            metavar="0-1",
            callback=_share,
            help="Leave out panoptic segments that keep less of their own mask.",
        ),
    ] = 0.8,
    model: flags.Model = DEFAULT_MODEL,
    device: flags.Device = "auto",
    dtype: flags.Dtype = "auto",
    max_pixels: flags.MaxPixels = None,
    recursive: flags.Recursive = False,
    overwrite: flags.Overwrite = False,
    json: flags.Json = False,
    offline: flags.Offline = False,
    commercial: flags.Commercial = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Find what is in each photo.

    COCO becomes one file for all photos, YOLO one folder, the other formats a file for each photo.
    """
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    if polygons and format != "coco":
        raise UsageError(f"--polygons is for --format coco, got {format}; leave it out")
    if format == "palette":
        from maskwright.formats.palette import check_task

        check_task(task)
    written = Annotations(format, output, as_polygons=polygons, overwrite=overwrite)
    items = written.plan(photos, recursive=recursive)
    segmenter = open_segmenter(model, device, dtype, commercial=commercial, offline=offline)
    least = SHOWN_SCORE if score is None and task == "instance" else score

    def work(item: Item) -> str:
        photo = read_item(item, max_pixels, overwrite=overwrite)
        written.check(item)
        from maskwright.inference.segment import Thresholds

        found = segmenter().segment(photo, task=task, thresholds=Thresholds(least, overlap))
        written.add(item, photo, found, segmenter().classes)
        return str(segmenter().device)

    def finish() -> None:
        written.finish(lambda: segmenter().classes)

    return do_items(items, work, quiet=quiet, as_json=json, finish=finish)
