"""The verb `synthesize matting`: composites with their truth."""

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from maskwright.cli import flags
from maskwright.cli.progress import DONE, FAILED, progress_bar
from maskwright.errors import UsageError


def matting(
    *,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="DIR", help="The folder to write.")
    ],
    count: Annotated[int, typer.Option(metavar="N", min=1, help="How many composites.")],
    size: Annotated[
        str, typer.Option(metavar="HxW", help="Height and width of each, in pixels.")
    ] = "640x640",
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Of all random draws.")] = 0,
    foregrounds: Annotated[
        str | None, typer.Option(metavar="DIR", help="Colours of real objects, with --alphas.")
    ] = None,
    alphas: Annotated[
        str | None, typer.Option(metavar="DIR", help="Their alphas: same stems.")
    ] = None,
    backgrounds: Annotated[
        str | None, typer.Option(metavar="DIR", help="Scenes; drawn unless given.")
    ] = None,
    kinds: Annotated[
        str | None, typer.Option(metavar="hair,fur,…", help="What to draw; all kinds unless given.")
    ] = None,
    workers: flags.Workers = 0,
    overwrite: flags.Overwrite = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Composite objects on scenes, with their truth.

    Writes image/, alpha/, trimap/, fg/ and a manifest; without folders, hair, fur, lace, smoke,
    glass and more are drawn. The same settings give the same files; a stopped run goes on.
    """
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    sides = re.fullmatch(r"(\d+)x(\d+)", size)
    if not sides:
        raise UsageError(f"--size must be like 640x480 (height x width), got {size!r}")
    from maskwright.data.procedural import KINDS
    from maskwright.data.synthesize import synthesize_matting

    with progress_bar("compositing", quiet=quiet) as progress:
        result = synthesize_matting(
            Path(output),
            count=count,
            size=(int(sides[1]), int(sides[2])),
            seed=seed,
            foregrounds=Path(foregrounds) if foregrounds else None,
            alphas=Path(alphas) if alphas else None,
            backgrounds=Path(backgrounds) if backgrounds else None,
            kinds=kinds.split(",") if kinds else tuple(KINDS),
            workers=workers,
            overwrite=overwrite,
            progress=progress,
        )
    for name, reason in result.failed:
        print(f"{name}: {reason}", file=sys.stderr)
    if not quiet:
        print(f"{result.folder}: {result.made} made, {result.skipped} were there already")
    return FAILED if result.failed else DONE
