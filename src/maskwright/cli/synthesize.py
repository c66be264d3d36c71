"""The verbs `synthesize matting` and `synthesize uhr`: composites with their truth."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskwright.cli import flags
from maskwright.cli.progress import DONE, FAILED, progress_bar
from maskwright.errors import UsageError

if TYPE_CHECKING:
    from maskwright.data.synthesize import Synthesis


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
    return _tell(result, quiet=quiet)


def uhr(
    *,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="DIR", help="The folder to write.")
    ],
    foregrounds: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Colours of real objects, or a folder of them per category."
        ),
    ] = None,
    alphas: Annotated[
        str | None, typer.Option(metavar="DIR", help="Their alphas, arranged and named alike.")
    ] = None,
    backgrounds: Annotated[
        str | None, typer.Option(metavar="DIR", help="Scenes; drawn unless given.")
    ] = None,
    categories: Annotated[
        str | None, typer.Option(metavar="FILE", help="CSV or JSON of names and categories.")
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(metavar="N", help="How many foregrounds; all, or 395 drawn, unless given."),
    ] = None,
    test_share: Annotated[
        float, typer.Option(metavar="SHARE", help="Of the foregrounds, to test on: 40 of 395.")
    ] = 40 / 395,
    backgrounds_per_foreground: Annotated[
        tuple[int, int], typer.Option(metavar="N M", help="Scenes of each to train, and to test.")
    ] = (100, 25),
    megapixels: Annotated[
        float, typer.Option(metavar="MP", help="Mean size of what is drawn; files keep theirs.")
    ] = 24.0,
    format: Annotated[
        str, typer.Option(metavar="jpg|png", help="Of colour pictures; all others are PNG.")
    ] = "jpg",
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Of all random draws.")] = 0,
    verify: Annotated[
        bool, typer.Option("--verify", help="Make nothing; check what is there by its checksums.")
    ] = False,
    workers: flags.Workers = 0,
    overwrite: flags.Overwrite = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Build a dataset of UHR-395's shape.

    Foregrounds to train on, with lists of their backgrounds, and finished test images, at 20
    megapixels and more. The same settings give the same files; a stopped run goes on. A worker
    needs up to 2 GB at 24 megapixels.
    """
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    if verify:
        return _verify(Path(output), quiet=quiet)
    from maskwright.data.uhr import synthesize_uhr

    with progress_bar("compositing", quiet=quiet) as progress:
        result = synthesize_uhr(
            Path(output),
            count=count,
            test_share=test_share,
            backgrounds_each=backgrounds_per_foreground,
            megapixels=megapixels,
            format=format,
            seed=seed,
            foregrounds=Path(foregrounds) if foregrounds else None,
            alphas=Path(alphas) if alphas else None,
            backgrounds=Path(backgrounds) if backgrounds else None,
            categories=Path(categories) if categories else None,
            workers=workers,
            overwrite=overwrite,
            progress=progress,
        )
    return _tell(result, quiet=quiet)


def _verify(folder: Path, *, quiet: bool) -> int:
    from maskwright.data.manifest import verify

    with progress_bar("checking", quiet=quiet) as progress:
        count, wrong = verify(folder, progress=progress)
    for file, problem in wrong:
        print(f"{folder / file}: {problem}; remove it and make it again", file=sys.stderr)
    if not quiet:
        print(f"{folder}: {count - len(wrong)} files as they were written, {len(wrong)} not")
    return FAILED if wrong else DONE


def _tell(result: "Synthesis", *, quiet: bool) -> int:
    for name, reason in result.failed:
        print(f"{name}: {reason}", file=sys.stderr)
    if not quiet:
        print(f"{result.folder}: {result.made} made, {result.skipped} were there already")
    return FAILED if result.failed else DONE
