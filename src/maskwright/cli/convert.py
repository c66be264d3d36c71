"""The verb `convert`: official checkpoints into our weight files."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maskwright.cli import flags
from maskwright.cli.progress import DONE
from maskwright.errors import UsageError
from maskwright.image.publish import check_target
from maskwright.weights.catalog import SIZES_PX

if TYPE_CHECKING:
    from maskwright.structures.class_list import ClassList

SEGMENTER = "mask2former"
TASKS = ("panoptic", "instance", "semantic")


def convert(
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT", help="An official file.")],
    *,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="OUT.safetensors", help="The file to write.")
    ],
    dtype: Annotated[
        str, typer.Option(metavar="fp32|fp16", help="How filters and matrices are stored.")
    ] = "fp32",
    task: Annotated[
        str | None,
        typer.Option(metavar="|".join(TASKS), help="What a segmenting network was trained for."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="Names of its classes: a name a line, or JSON; or a published set's.",
        ),
    ] = None,
    overwrite: flags.Overwrite = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Turn an official checkpoint into our format.

    Paper and size are read off its keys. Of a pickle, only tensors are read and nothing is run.
    The terms of the checkpoint stay what they were. What keys do not tell of a segmenting network,
    its task and the names of its classes, is assumed unless it is said; what was assumed is told.
    """
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    if dtype not in ("fp32", "fp16"):
        raise UsageError(f"--dtype must be fp32 or fp16, got {dtype!r}")
    if Path(output).suffix != ".safetensors":
        raise UsageError(f"-o must end with .safetensors, got {output!r}")
    if not Path(checkpoint).is_file():
        raise UsageError(f"expected a checkpoint, there is no file {checkpoint}; check the path")
    if task is not None and task not in TASKS:
        raise UsageError(f"--task must be {', '.join(TASKS)}, got {task!r}")
    check_target(output, overwrite=overwrite)
    named = _classes(classes)
    assumed: list[str] = []

    def settle(paper: str, config: Any) -> Any:
        if paper == SEGMENTER:
            return _settled(config, task, named, assumed)
        if task or named:
            raise UsageError(
                f"--task and --classes are for segmenting networks, {Path(checkpoint).name} holds"
                f" {paper}; leave them out"
            )
        return config

    from maskwright.weights.convert import convert_checkpoint

    paper, _ = convert_checkpoint(
        checkpoint,
        output,
        settle=settle,
        dtype="fp16" if dtype == "fp16" else "fp32",
        overwrite=overwrite,
    )
    if not quiet:
        print(f"{output}: weights for {paper}")
        for line in assumed:
            print(f"assumed: {line}")
    return DONE


def _classes(file: str | None) -> "ClassList | None":
    """Return the classes of a file or of a published set.

    Raises:
        DataError: If the file is no list of classes.
    """
    from maskwright.formats.classes import read_classes

    return read_classes(file) if file else None


def _settled(config: Any, task: str | None, named: "ClassList | None", assumed: list[str]) -> Any:
    """Return the configuration of a segmenting network with what its keys do not tell.

    Args:
        config: As the keys tell it.
        task: What it was trained for, if that is known.
        named: Its classes, if they are known.
        assumed: Takes a line for each thing that nobody has said.

    Raises:
        UsageError: If there are not as many names as classes.
    """
    from maskwright.inference.segment import PUBLISHED

    if named and len(named) != config.classes:
        raise UsageError(
            f"--classes must list the {config.classes} classes of the checkpoint, in its order, got"
            f" {len(named)}"
        )
    published = PUBLISHED.get(config.classes)
    known = _published(named) if named else published
    if not named:
        names = f"those of {published}" if published else "without names"
        assumed.append(f"its {config.classes} classes are {names} (--classes)")
    if task is None:
        task = "instance" if known == "coco-instance" else "panoptic"
        assumed.append(f"it was trained for the {task} task (--task)")
    short_px, long_px = SIZES_PX[(known or "coco").partition("-")[0]]
    assumed.append(
        f"it sees photos with a shorter side of {short_px} pixels, the longer one at most {long_px}"
    )
    sizes = {"short_side_px": short_px, "long_side_px": long_px}
    own = {"names": named.names, "things": named.is_thing} if named else {}
    return replace(config, task=task, **sizes, **own)


def _published(named: "ClassList") -> str | None:
    """Return which published set has these classes, if any has."""
    from maskwright.formats.classes import PUBLISHED, published_classes

    return next((n for n in PUBLISHED if published_classes(n).names == named.names), None)
