"""The verb `evaluate matting`: scores against the truth."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskwright.cli import flags
from maskwright.cli.items import PIPE
from maskwright.cli.matte import open_matter
from maskwright.cli.progress import DONE, FAILED, progress_bar
from maskwright.errors import UsageError
from maskwright.image.publish import check_target

if TYPE_CHECKING:
    from maskwright.evaluation.run import Row


def matting(
    *,
    alpha: Annotated[str, typer.Option(metavar="DIR", help="True alphas.")],
    trimap: Annotated[
        str | None, typer.Option(metavar="DIR", help="Trimaps, whose unknown part is scored.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Weights to score, with --images.")
    ] = None,
    images: Annotated[
        str | None, typer.Option(metavar="DIR", help="Photos for the model to matte.")
    ] = None,
    predictions: Annotated[
        str | None, typer.Option(metavar="DIR", help="Alphas to score, made by anything.")
    ] = None,
    json: Annotated[
        str | None, typer.Option(metavar="OUT", help="Write all scores here; - prints them.")
    ] = None,
    whole_image: Annotated[
        bool, typer.Option("--whole-image", help="Score every pixel, not the unknown ones only.")
    ] = False,
    device: flags.Device = "auto",
    dtype: flags.Dtype = "auto",
    max_memory: flags.MaxMemory = None,
    overwrite: flags.Overwrite = False,
    offline: flags.Offline = False,
    commercial: flags.Commercial = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Score alphas against the truth.

    A model's, or alphas made before: SAD, MSE, MAD, Grad and Conn, as matting benchmarks define
    them. Files belong together by their stems; MSE is printed as it is, not times 1000.
    """
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    by_model = model is not None and images is not None and predictions is None
    if not by_model and (model or images or predictions is None):
        raise UsageError("give --model and --images to score a model, or --predictions alone")
    if json and json != PIPE:
        check_target(json, overwrite=overwrite)
    source = predictions or images or ""
    for flag, folder in {"alpha": alpha, "trimap": trimap, "images": source}.items():
        if folder is not None and not Path(folder).is_dir():
            raise UsageError(f"--{flag} must be a folder, there is none at {folder}")
    matter = model and open_matter(
        model, device, dtype, max_memory=max_memory, commercial=commercial, offline=offline
    )

    from maskwright.evaluation.run import pair_files, score_items

    items = pair_files(Path(source), Path(alpha), Path(trimap) if trimap else None)
    rows = []
    with progress_bar("scoring", quiet=quiet) as progress:
        matte = matter().matte if matter else None
        for row in score_items(items, matte=matte, whole_image=whole_image):
            rows.append(row)
            progress(len(rows), len(items))
    return _tell(rows, json=json, whole_image=whole_image, overwrite=overwrite)


def _tell(rows: "Sequence[Row]", *, json: str | None, whole_image: bool, overwrite: bool) -> int:
    """Print the averages, write the scores, name what could not be scored."""
    from json import dumps

    from maskwright.evaluation.report import as_json, averages, write_json

    failed = [row for row in rows if row.scores is None]
    for row in failed:
        print(f"{row.name}: {' '.join(row.error.split())}", file=sys.stderr)
    if json == PIPE:
        print(dumps(as_json(rows, whole_image=whole_image), indent=1))
    else:
        for name, value in averages(rows).items():
            print(f"{name:<6} {'-' if value is None else format(value, '.6g')}")
        print(f"images {len(rows) - len(failed)}")
    if json and json != PIPE:
        write_json(Path(json), rows, whole_image=whole_image, overwrite=overwrite)
    return FAILED if failed else DONE
