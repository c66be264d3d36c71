"""The verb `evaluate matting`: scores against the truth."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import maskwright
from maskwright.cli import flags
from maskwright.cli.items import PIPE
from maskwright.cli.loading import open_matter
from maskwright.cli.progress import DONE, FAILED, progress_bar
from maskwright.errors import UsageError
from maskwright.image.publish import check_target
from maskwright.weights.catalog import find_weight

if TYPE_CHECKING:
    from maskwright.evaluation.run import Row


def matting(
    *,
    root: Annotated[
        str | None, typer.Option(metavar="DIR", help="A published test set, for --model.")
    ] = None,
    layout: Annotated[
        str | None, typer.Option(metavar="NAME", help="How its folders are named; else plain.")
    ] = None,
    alpha: Annotated[str | None, typer.Option(metavar="DIR", help="True alphas.")] = None,
    trimap: Annotated[
        str | None, typer.Option(metavar="DIR", help="Trimaps, whose unknown part is scored.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Weights to score, with --root or --images."),
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
    With --json OUT a stopped run goes on where it was.
    """
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    folders = {"root": root, "alpha": alpha, "trimap": trimap, "images": images}
    folders["predictions"] = predictions
    given = {**folders, "model": model, "layout": layout}
    _check_form({flag for flag, value in given.items() if value})
    if json and json != PIPE:
        check_target(json, overwrite=overwrite)
    for flag, folder in folders.items():
        if folder and not Path(folder).is_dir():
            raise UsageError(f"--{flag} must be a folder, there is none at {folder}")
    matter = model and open_matter(
        model, device, dtype, max_memory=max_memory, commercial=commercial, offline=offline
    )

    from maskwright.evaluation.kept import score_kept
    from maskwright.evaluation.run import pair_files, published_items, score_items

    if root:
        items = published_items(Path(root), layout=layout or "plain")
    else:
        source = Path(predictions or images or "")
        items = pair_files(source, Path(alpha or ""), Path(trimap) if trimap else None)
    kept = kept_beside(json)
    rows = []
    with progress_bar("scoring", quiet=quiet) as progress:
        matte = matter().matte if matter else None
        score = partial(score_items, matte=matte, whole_image=whole_image)
        found = score(items)
        if kept:
            settings = {"whole_image": whole_image, "max_memory": max_memory}
            made_by = (str(matter().device), str(matter().dtype)) if matter else ()
            settings |= identity(model, *made_by)
            found = score_kept(items, score, file=kept, settings=settings)
        for row in found:
            rows.append(row)
            progress(len(rows), len(items))
    code = _tell(rows, json=json, whole_image=whole_image, overwrite=overwrite)
    if kept and code == DONE:
        kept.unlink()
    return code


def kept_beside(report: str | None) -> Path | None:
    """Return where scores are kept until a report is complete; None if it is no file."""
    return Path(report).with_suffix(".rows.jsonl") if report and report != PIPE else None


def tell_failed(rows: "Sequence[Row]") -> int:
    """Say on standard error which items have no score and why, and return the exit code."""
    failed = [row for row in rows if row.scores is None]
    for row in failed:
        print(f"{row.name}: {' '.join(row.error.split())}", file=sys.stderr)
    return FAILED if failed else DONE


def _check_form(given: set[str]) -> None:
    """Refuse flags that do not go together."""
    if "root" in given:
        if given - {"layout"} != {"root", "model"}:
            raise UsageError(
                "--root goes with --model; where photos, trimaps and alphas are, --layout says"
            )
    elif "layout" in given:
        raise UsageError("--layout says how the folders of --root are named; give both")
    elif "alpha" not in given:
        raise UsageError("give --alpha, the folder of true alphas, or --root of a published set")
    elif given - {"alpha", "trimap"} not in ({"model", "images"}, {"predictions"}):
        raise UsageError("give --model and --images to score a model, or --predictions alone")


def identity(model: str | None, device: str = "", dtype: str = "") -> dict[str, str]:
    """Return what scores depend on of the program and the weights, as JSON knows it.

    Args:
        model: The weights, loaded before, for loading may fetch them; None for files' scores.
        device: On which they are computed.
        dtype: In which.
    """
    from maskwright.data.manifest import checksum
    from maskwright.weights.download import find_file

    if not model:
        return {"version": maskwright.__version__}
    file = Path(model) if Path(model).is_file() else find_file(find_weight(model))
    assert file is not None, "it has just been read"
    weights = checksum(file)
    told = {"weights": weights, "device": device, "dtype": dtype}
    return {"version": maskwright.__version__, **told}


def _tell(rows: "Sequence[Row]", *, json: str | None, whole_image: bool, overwrite: bool) -> int:
    """Print the averages, write the scores, name what could not be scored."""
    from json import dumps

    from maskwright.evaluation.report import as_json, averages, write_json

    code = tell_failed(rows)
    if json == PIPE:
        print(dumps(as_json(rows, whole_image=whole_image), indent=1))
    else:
        for name, value in averages(rows).items():
            print(f"{name:<6} {'-' if value is None else format(value, '.6g')}")
        print(f"images {sum(row.scores is not None for row in rows)}")
    if json and json != PIPE:
        write_json(Path(json), as_json(rows, whole_image=whole_image), overwrite=overwrite)
    return code
