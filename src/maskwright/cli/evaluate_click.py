"""The verb `evaluate click`: how many clicks of a simulated user objects take."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskwright.cli import flags
from maskwright.cli.evaluate import identity, kept_beside, tell_failed
from maskwright.cli.items import PIPE
from maskwright.cli.loading import open_clicker
from maskwright.cli.progress import DONE, progress_bar
from maskwright.errors import UsageError
from maskwright.image.publish import check_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskwright.data.interactive import ObjectRow
    from maskwright.evaluation.clicking import Setting
    from maskwright.evaluation.run import Row

PLOT_SUFFIX = ".png"


def click(
    *,
    model: flags.Model,
    root: Annotated[str | None, typer.Option(metavar="DIR", help="A published set.")] = None,
    layout: Annotated[
        str | None, typer.Option(metavar="NAME", help="How its folders are named; else plain.")
    ] = None,
    images: Annotated[str | None, typer.Option(metavar="DIR", help="Photos.")] = None,
    masks: Annotated[
        str | None, typer.Option(metavar="DIR", help="Masks of their objects: same stems.")
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(metavar="interformer|ritm", help="How the simulated user clicks and stops."),
    ] = "interformer",
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="The most clicks.")] = 20,
    json: Annotated[
        str | None, typer.Option(metavar="OUT", help="Write all scores here; - prints them.")
    ] = None,
    plot: Annotated[
        str | None, typer.Option(metavar="OUT.png", help="Draw the mean IoU after each click.")
    ] = None,
    native: Annotated[
        bool, typer.Option("--native", help="Never shrink photos for the network.")
    ] = False,
    device: flags.Device = "auto",
    dtype: flags.Dtype = "auto",
    overwrite: flags.Overwrite = False,
    offline: flags.Offline = False,
    commercial: flags.Commercial = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Count the clicks that objects take.

    A simulated user clicks into the middle of the largest error. Told are the mean number of
    clicks to an IoU of 85, 90 and 95 % (NoC), how many objects never get there (NoF), the IoU
    after each click, and the seconds per click. With --json OUT a stopped run goes on where it
    was.
    """
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    _check(root=root, layout=layout, images=images, masks=masks)
    for target in (json, plot):
        if target and target != PIPE:
            check_target(target, overwrite=overwrite)
    if plot and Path(plot).suffix.lower() != PLOT_SUFFIX:
        raise UsageError(f"--plot must be a file {PLOT_SUFFIX}, got {plot}; a plot is a PNG")
    setting = _setting(protocol, limit)
    most_px = sys.maxsize if native else None
    open_model = open_clicker(
        model, device, dtype, most_px=most_px, commercial=commercial, offline=offline
    )
    objects = _objects(root=root, layout=layout, images=images, masks=masks)

    from maskwright.evaluation.clicking import score_objects
    from maskwright.evaluation.kept import score_kept

    clicker, kept = open_model(), kept_beside(json)
    facts = {"protocol": protocol, "layout": layout or "plain", "native": native}
    facts |= identity(model, str(clicker.device), str(clicker.dtype))
    score = partial(score_objects, clicker=clicker, setting=setting)
    rows = []
    with progress_bar("clicking", quiet=quiet) as progress:
        found = score(objects)
        if kept:
            settings = {**facts, "limit": limit, "targets": list(setting.targets)}
            found = score_kept(objects, score, file=kept, settings=settings)
        for row in found:
            rows.append(row)
            progress(len(rows), len(objects))
    _tell(rows, setting, {"model": Path(model).name, **facts}, json=json, overwrite=overwrite)
    if plot:
        _draw(plot, Path(model).name, rows, setting, overwrite=overwrite)
    code = tell_failed(rows)
    if kept and code == DONE:
        kept.unlink()
    return code


def _check(**folders: str | None) -> None:
    """Refuse flags that do not go together, and folders that are not there."""
    given = {flag for flag, value in folders.items() if value}
    if given - {"layout"} not in ({"root"}, {"images", "masks"}):
        raise UsageError("give --root of a published set, or --images and --masks")
    if "layout" in given and "root" not in given:
        raise UsageError("--layout says how the folders of --root are named; give both")
    for flag in sorted(given - {"layout"}):
        if not Path(folders[flag] or "").is_dir():
            raise UsageError(f"--{flag} must be a folder, there is none at {folders[flag]}")


def _setting(protocol: str, limit: int) -> "Setting":
    from maskwright.data.clicks import PROTOCOLS
    from maskwright.evaluation.clicking import Setting

    if protocol not in PROTOCOLS:
        raise UsageError(f"--protocol must be one of {', '.join(PROTOCOLS)}, got {protocol!r}")
    return Setting(PROTOCOLS[protocol], limit=limit)


def _objects(
    *, root: str | None, layout: str | None, images: str | None, masks: str | None
) -> "list[ObjectRow]":
    from maskwright.data.interactive import benchmark_objects, object_rows
    from maskwright.evaluation.clicking import by_photo

    if root:
        return by_photo(benchmark_objects(Path(root), layout=layout or "plain", checked=False))
    return by_photo(object_rows(Path(images or ""), Path(masks or ""), checked=False))


def _tell(
    rows: "Sequence[Row]",
    setting: "Setting",
    facts: dict[str, object],
    *,
    json: str | None,
    overwrite: bool,
) -> None:
    """Print the tables, or everything as JSON, and write the report."""
    from json import dumps

    from maskwright.evaluation.click_report import as_json, as_text
    from maskwright.evaluation.report import write_json

    report = as_json(rows, setting, facts)
    print(dumps(report, indent=1) if json == PIPE else as_text(rows, setting))
    if json and json != PIPE:
        write_json(Path(json), report, overwrite=overwrite)


def _draw(
    target: str, name: str, rows: "Sequence[Row]", setting: "Setting", *, overwrite: bool
) -> None:
    """Draw the mean IoU after each click, if there is any."""
    from maskwright.evaluation.click_report import averages
    from maskwright.evaluation.plot import draw_curves
    from maskwright.image.io import write_image

    curve = averages(rows, setting)["iou_per_click"]
    if curve is not None:
        write_image(target, draw_curves({name: curve}), overwrite=overwrite)
