"""The verbs `matte` and `cutout`: photos and hints in, alpha or cut-outs out."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskwright.cli import flags
from maskwright.cli.explanations import check_explanations, plan_explanations, write_explanation
from maskwright.cli.hints import parse_hints
from maskwright.cli.items import Item, plan_items
from maskwright.cli.loading import open_clicker, open_matter, open_segmenter
from maskwright.cli.pictures import (
    OPAQUE,
    WITH_ALPHA,
    at_depth,
    check_depth,
    check_formats,
    read_item,
    write_item,
)
from maskwright.cli.pointing import BoxText, Points
from maskwright.cli.progress import Made, do_items
from maskwright.cli.subjects import (
    DEFAULT_SEGMENTER,
    Categories,
    Every,
    Largest,
    SegmentModel,
    SubjectHints,
    chosen,
    plan_subjects,
)

if TYPE_CHECKING:
    from maskwright.image.photo import Photo
    from maskwright.structures.cutout import Cutout

DEFAULT_MODEL = "a2u-mini"
CLICK_MODEL = "interformer-mini"
ClickModel = Annotated[
    str, typer.Option(metavar="NAME|FILE", help="Weights that turn --point and --box into a mask.")
]


def matte(
    photos: flags.Photos,
    *,
    output: flags.Output,
    trimap: flags.Trimap = None,
    mask: flags.Mask = None,
    point: Points = None,
    box: BoxText = None,
    band: flags.Band = "auto",
    explain: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Also write how MEMatte routed each photo: pictures and tables.",
        ),
    ] = None,
    bit_depth: flags.BitDepth = None,
    model: flags.Model = DEFAULT_MODEL,
    click_model: ClickModel = CLICK_MODEL,
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
    hints = parse_hints(
        trimap,
        mask,
        band,
        points=point,
        box=box,
        clicker=lambda: open_clicker(
            click_model, device, "auto", commercial=commercial, offline=offline
        ),
        photos=photos,
        max_pixels=max_pixels,
    )
    beside = [explain] if explain else []
    items = plan_items(photos, output, recursive=recursive, beside=beside)
    check_formats(items, OPAQUE)
    check_depth(items, bit_depth)
    matter = open_matter(
        model, device, dtype, max_memory=max_memory, commercial=commercial, offline=offline
    )
    explained = plan_explanations(explain, items, matter, model=model) if explain else {}

    def work(item: Item) -> str:
        check_explanations(explained, item, overwrite=overwrite)
        photo = read_item(item, max_pixels, overwrite=overwrite)
        trimap = hints.trimap(item, photo)
        if item in explained:
            result, routing = matter().explain(photo, trimap)
            write_explanation(explained[item], photo, trimap, routing, overwrite=overwrite)
        else:
            result = matter().matte(photo, trimap)
        write_item(item, at_depth(result.alpha, photo, bit_depth), like=photo, overwrite=overwrite)
        return str(matter().device)

    return do_items(items, work, quiet=quiet, as_json=json)


def cutout(
    photos: flags.Photos,
    *,
    output: flags.Output,
    trimap: flags.Trimap = None,
    mask: flags.Mask = None,
    point: Points = None,
    box: BoxText = None,
    category: Categories = None,
    largest: Largest = False,
    every: Every = False,
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
    click_model: ClickModel = CLICK_MODEL,
    segment_model: SegmentModel = DEFAULT_SEGMENTER,
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
    """Cut the object out of each photo; without a hint, its subject.

    Edges are soft and of the object's own colour; alpha is straight, metadata are kept.
    """
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    hinted = bool(trimap or mask or point or box)
    choice = chosen(category, largest=largest, every=every, hinted=hinted)

    def subject(band: str | int) -> SubjectHints:
        segmenter = open_segmenter(
            segment_model, device, "auto", commercial=commercial, offline=offline
        )
        return SubjectHints(segmenter, tuple(category or ()), choice, band)

    hints = parse_hints(
        trimap,
        mask,
        band,
        points=point,
        box=box,
        clicker=lambda: open_clicker(
            click_model, device, "auto", commercial=commercial, offline=offline
        ),
        subject=subject,
        photos=photos,
        max_pixels=max_pixels,
    )
    if every:
        items = plan_subjects(photos, output, recursive=recursive)
    else:
        items = plan_items(photos, output, recursive=recursive)
    if background:
        check_formats(items, OPAQUE)
    else:
        check_formats(items, WITH_ALPHA, hint="; --background white fills what is transparent")
    check_depth(items, bit_depth)
    matter = open_matter(
        model, device, dtype, max_memory=max_memory, commercial=commercial, offline=offline
    )
    on_backdrop = _composer(background) if background else None

    def write(item: Item, photo: "Photo", trimap: Any) -> None:
        from maskwright.inference.cutout import cut_out

        cut = cut_out(photo, matter().matte(photo, trimap), decontaminate=decontaminate)
        pixels = on_backdrop(cut) if on_backdrop else cut.rgba
        write_item(item, at_depth(pixels, photo, bit_depth), like=cut, overwrite=overwrite)

    def work(item: Item) -> Made:
        photo = read_item(item, max_pixels, overwrite=overwrite)
        if not every or not isinstance(hints, SubjectHints):
            write(item, photo, hints.trimap(item, photo))
            return Made(str(matter().device))
        targets = []
        for target, trimap in hints.trimaps(item, photo, overwrite=overwrite):
            write(replace(item, target=target), photo, trimap)
            targets.append(target)
        return Made(str(matter().device), tuple(targets))

    return do_items(items, work, quiet=quiet, as_json=json)


def _composer(background: str) -> "Callable[[Cutout], Any]":
    """Return what puts a cut-out before a colour or photo."""
    from maskwright.image.backdrop import compose_on, parse_backdrop

    backdrop = parse_backdrop(background)
    return lambda cut: compose_on(cut, backdrop)
