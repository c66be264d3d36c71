"""The verb `click`: a photo and points in, the mask of an object out; once, or in a dialogue."""

import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskwright.cli import flags
from maskwright.cli.dialogue import hold_dialogue
from maskwright.cli.items import PIPE, Item, plan_items
from maskwright.cli.loading import open_clicker
from maskwright.cli.pictures import (
    OPAQUE,
    check_formats,
    read_item,
    write_item,
)
from maskwright.cli.pointing import (
    NOTHING_SELECTED,
    OBJECT,
    BoxText,
    Pointing,
    Points,
    parse_pointing,
)
from maskwright.cli.progress import DONE, FAILED, do_items
from maskwright.errors import UsageError

if TYPE_CHECKING:
    from maskwright.image.photo import Photo
    from maskwright.inference.click import Clicker
    from maskwright.inference.session import Session

DEFAULT_MODEL = "interformer-mini"


def click(
    photo: Annotated[str, typer.Argument(metavar="PHOTO", help="The photo; - is standard input.")],
    *,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="OUT", help="The mask: white on the object, black beside it."
        ),
    ] = None,
    point: Points = None,
    box: BoxText = None,
    mask: Annotated[
        str | None, typer.Option(metavar="M", help="A mask of the object to start from.")
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The encoded photo: read if it exists, else written."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(metavar="STORE", help="Encoded photos, as `embed` makes them."),
    ] = None,
    interactive: Annotated[
        bool,
        typer.Option(
            "--interactive", help="Answer JSON objects from standard input, one on each line."
        ),
    ] = False,
    model: flags.Model = DEFAULT_MODEL,
    device: flags.Device = "auto",
    dtype: flags.Dtype = "auto",
    max_pixels: flags.MaxPixels = None,
    overwrite: flags.Overwrite = False,
    json: flags.Json = False,
    offline: flags.Offline = False,
    commercial: flags.Commercial = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Select an object by clicks.

    Points are pixels of the upright photo, from its top left corner.
    """
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    hints = parse_pointing(point, box, mask)
    _check(photo, output, hints, is_dialogue=interactive, as_json=json)
    if store is not None and features is not None:
        raise UsageError("--features is one encoded photo, --store many; keep one of the two")
    items = plan_items([photo], PIPE if output is None else output)
    if output is not None:
        check_formats(items, OPAQUE)
    clicker = open_clicker(model, device, dtype, commercial=commercial, offline=offline)

    def begin(item: Item) -> tuple["Photo", "Session"]:
        from maskwright.inference.session import Session

        picture = read_item(item, max_pixels, overwrite=overwrite)
        if store is None:
            encoded = _features(clicker(), picture, features)
        else:
            encoded = _stored(clicker(), picture, store)
        session = Session(clicker(), encoded)
        hints.tell(session, max_pixels)
        return picture, session

    def write(item: Item, picture: "Photo", pixels: Any) -> None:
        write_item(item, pixels, like=picture, overwrite=overwrite)

    def work(item: Item) -> str:
        picture, session = begin(item)
        selected = session.answer(OBJECT).mask
        write(item, picture, as_picture(selected))
        if not selected.any() and not quiet:
            print(f"{photo}: {NOTHING_SELECTED}", file=sys.stderr)
        return str(clicker().device)

    if not interactive:
        return do_items(items, work, quiet=quiet, as_json=json)
    started = time.perf_counter()
    picture, session = begin(items[0])
    if not quiet:
        seconds = time.perf_counter() - started
        print(f"{photo}: ready after {seconds:.1f} s on {clicker().device}", file=sys.stderr)
    last = hold_dialogue(session, picture, source=items[0].source, overwrite=overwrite)
    if output is None:
        return DONE
    if session.is_untouched(last):
        print(f"{output}: nothing was selected as object {last}; not written", file=sys.stderr)
        return FAILED
    write(items[0], picture, as_picture(session.answer(last).mask))
    return DONE


def as_picture(mask: Any) -> Any:
    """Return a mask as a grey picture of 8 bit, 0 and 255."""
    return mask.astype("uint8") * 255


def _check(
    photo: str, output: str | None, hints: Pointing, *, is_dialogue: bool, as_json: bool
) -> None:
    if Path(photo).is_dir():
        raise UsageError(f"expected one photo to click on, {photo} is a folder; name a photo in it")
    if is_dialogue:
        if PIPE in (photo, output, hints.mask) or as_json:
            raise UsageError(
                "--interactive needs standard input and output for itself; name files instead of"
                " -, and leave --json out"
            )
        return
    if output is None:
        raise UsageError("the mask needs a place to go; name a file with -o")
    if not hints.clicks and hints.box is None:
        given = "" if hints.mask is None else "--mask is only where a selection starts from; "
        raise UsageError(
            f"{given}nothing says where the object is; point at it with --point X,Y or --box"
            " X0,Y0,X1,Y1"
        )
    if photo == PIPE and hints.mask == PIPE:
        raise UsageError("standard input (-) can be given once only")


def _features(clicker: "Clicker", photo: "Photo", path: str | None) -> Any:
    """Return the encoded photo, from its file if there is one."""
    from maskwright.inference.features import ImageFeatures

    if path is not None and Path(path).exists():
        features = ImageFeatures.open(path)
        features.check_image(photo)
        return features
    features = clicker.encode(photo)
    if path is not None:
        features.save(path)
    return features


def _stored(clicker: "Clicker", photo: "Photo", root: str) -> Any:
    """Return the encoded photo from a store; what was not there is told, made and kept."""
    from maskwright.batch.store import FeatureStore, remembered

    found = remembered(FeatureStore(root), clicker, photo)
    if found.note is not None:
        logging.getLogger(__name__).warning(found.note)
    return found.features
