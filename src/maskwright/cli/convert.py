"""The verb `convert`: official checkpoints into our weight files."""

from pathlib import Path
from typing import Annotated

import typer

from maskwright.cli import flags
from maskwright.cli.progress import DONE
from maskwright.errors import UsageError
from maskwright.image.publish import check_target


def convert(
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT", help="An official file.")],
    *,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="OUT.safetensors", help="The file to write.")
    ],
    dtype: Annotated[
        str, typer.Option(metavar="fp32|fp16", help="How filters and matrices are stored.")
    ] = "fp32",
    overwrite: flags.Overwrite = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Turn an official checkpoint into our format.

    Paper and size are read off its keys. Of a pickle, only tensors are read and nothing is run.
    The terms of the checkpoint stay what they were.
    """
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    if dtype not in ("fp32", "fp16"):
        raise UsageError(f"--dtype must be fp32 or fp16, got {dtype!r}")
    if Path(output).suffix != ".safetensors":
        raise UsageError(f"-o must end with .safetensors, got {output!r}")
    if not Path(checkpoint).is_file():
        raise UsageError(f"expected a checkpoint, there is no file {checkpoint}; check the path")
    check_target(output, overwrite=overwrite)
    from maskwright.weights.convert import convert_checkpoint

    paper, _ = convert_checkpoint(
        checkpoint,
        output,
        dtype="fp16" if dtype == "fp16" else "fp32",
        overwrite=overwrite,
    )
    if not quiet:
        print(f"{output}: weights for {paper}")
    return DONE
