"""The verb `serve`: a folder of photos as an app in the browser."""

import logging
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskwright.cli import flags
from maskwright.cli.click import DEFAULT_MODEL as CLICK_MODEL
from maskwright.cli.loading import check_model, open_clicker, open_matter, open_segmenter
from maskwright.cli.progress import DONE
from maskwright.cli.segment import DEFAULT_MODEL as SEGMENT_MODEL
from maskwright.errors import UsageError
from maskwright.weights.catalog import list_weights

if TYPE_CHECKING:
    from maskwright.app.networks import Loaders, Store
    from maskwright.app.workplace import Workplace
    from maskwright.inference.matte import Matter

DEFAULT_PORT = 8765
LOOPBACK = ("127.0.0.1", "localhost", "::1")

log = logging.getLogger("maskwright")


def serve(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="The photos.")],
    *,
    host: Annotated[
        str,
        typer.Option(metavar="H", help="Address to bind; others than this machine's are a risk."),
    ] = LOOPBACK[0],
    port: Annotated[
        int, typer.Option(metavar="P", min=0, max=65535, help="Port to bind; 0 is any free one.")
    ] = DEFAULT_PORT,
    store: Annotated[
        str | None,
        typer.Option(metavar="STORE", help="Encoded photos: used, and what is missing put there."),
    ] = None,
    imports: Annotated[
        list[str] | None,
        typer.Option(
            "--import",
            metavar="FILE|FOLDER",
            help="Begin with these annotations (COCO, labelme, masks) where nothing is done yet;"
            " may be repeated.",
        ),
    ] = None,
    uploads: Annotated[
        bool, typer.Option("--uploads", help="Let the page add photos to the folder.")
    ] = False,
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser.")
    ] = False,
    model: flags.Model = CLICK_MODEL,
    matte_model: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Weights that refine edges, offered first."),
    ] = None,
    segment_model: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="Weights that find subjects.")
    ] = SEGMENT_MODEL,
    device: flags.Device = "auto",
    dtype: flags.Dtype = "auto",
    max_memory: flags.MaxMemory = None,
    max_pixels: flags.MaxPixels = None,
    offline: flags.Offline = False,
    commercial: flags.Commercial = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Select objects, refine their edges and cut them out in the browser.

    Prints the page's address. Everything done is kept in FOLDER/.maskwright.
    """
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    if not Path(folder).is_dir():
        raise UsageError(f"expected a folder of photos, there is no {folder}; check the path")
    for place in imports or ():
        if not Path(place).exists():
            raise UsageError(f"expected annotations, there is no {place}; check the path")
    loaders = _loaders(
        model,
        segment_model,
        matte_model,
        device=device,
        dtype=dtype,
        max_memory=max_memory,
        commercial=commercial,
        offline=offline,
    )
    if host not in LOOPBACK:
        log.warning(
            "warning: %s lets other machines reach this server; whoever has the link can see and"
            " change everything in %s, and nothing is encrypted",
            host,
            folder,
        )
    from maskwright.app.gallery import MAX_PIXELS
    from maskwright.app.run import run_server
    from maskwright.app.workplace import Workplace

    limit = MAX_PIXELS if max_pixels is None else flags.pixel_count(max_pixels)
    workplace = Workplace(
        Path(folder), loaders, store=_store(store), uploads=uploads, max_pixels=limit
    )
    if imports:
        told = _imported(workplace, [Path(place) for place in imports])
        if not quiet:
            print(told, file=sys.stderr)
    if not run_server(workplace, host=host, port=port, say=_say, open_page=open_page):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(DONE)  # threads that still load or compute would make the interpreter abort
    return DONE


def _imported(workplace: "Workplace", places: list[Path]) -> str:
    """Return, in a line, what annotations have become.

    Raises:
        MaskwrightError: As `app.starts.begin`; the workplace is closed then.
    """
    from maskwright.app.starts import begin

    try:
        begun = begin(places, workplace.gallery, workplace.journal)
    except BaseException:
        workplace.close()
        raise
    told = f"objects imported: {begun.objects}, into photos: {begun.photos}"
    if begun.left_alone:
        told += f"; photos left alone, worked on already: {begun.left_alone}"
    return told


def _say(url: str) -> None:
    print(url, flush=True)
    if sys.stdout.isatty():
        print("Press Ctrl+C to stop; nothing is lost.", file=sys.stderr)


def _loaders(
    click: str,
    segment: str,
    matte: str | None,
    *,
    device: str,
    dtype: str,
    max_memory: str | None,
    commercial: bool,
    offline: bool,
) -> "Loaders":
    """Return what loads the networks when they are first needed.

    Raises:
        UsageError: If a name is unknown.
        LicenceError: If `commercial` and the terms of one forbid it.
    """
    from maskwright.app.networks import Loaders

    for name in (click, *([matte] if matte else [])):
        check_model(name, commercial=commercial)
    # The default may be absent from a page that must be commercial: it is told when asked for.
    check_model(segment, commercial=commercial and segment != SEGMENT_MODEL)
    embedded = [row.name for row in list_weights() if row.task == "matting" and row.embedded]
    names = dict.fromkeys([*([matte] if matte else []), *([] if commercial else embedded)])
    terms = {"commercial": commercial, "offline": offline}

    # Each call loads anew: exports have networks of their own.
    def matter(name: str) -> "Matter":
        return open_matter(name, device, dtype, max_memory=max_memory, **terms)()

    return Loaders(
        clicker=lambda: open_clicker(click, device, dtype, **terms)(),
        segmenter=lambda: open_segmenter(segment, device, dtype, **terms)(),
        matters={name: partial(matter, name) for name in names},
        click=click,
        segment=segment,
    )


def _store(root: str | None) -> "Store | None":
    if root is None:
        return None
    from maskwright.batch.store import FeatureStore

    return FeatureStore(root)
