"""The verb `export`: a network for other runtimes, as ONNX files of fixed size."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from maskwright.cli import flags
from maskwright.cli.loading import check_model
from maskwright.cli.progress import DONE
from maskwright.errors import UsageError
from maskwright.image.publish import check_target

if TYPE_CHECKING:
    from maskwright.inference.export import Exporter

Size = tuple[int, int]
Part = Literal["encoder", "decoder"]
SIZES = ((512, 512), (384, 512))  # the second: a photo of 4:3, as interformer-mini sees it
PARTS: dict[str, tuple[Part, ...]] = {
    "encoder": ("encoder",),
    "decoder": ("decoder",),
    "both": ("encoder", "decoder"),
}


class Job(NamedTuple):
    """A file to write: which part, for what size, where."""

    part: Part
    size: Size
    path: Path


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name, or a safetensors file.")],
    *,
    to: Annotated[str, typer.Option("--to", metavar="onnx", help="The format.")] = "onnx",
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="DIR", help="A folder for the files.")
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(
            metavar="H,W",
            help="Height and width of what the network sees; can be given several times. "
            "Without: 512,512 and 384,512.",
        ),
    ] = None,
    part: Annotated[
        str,
        typer.Option(
            metavar="encoder|decoder|both",
            help="What looks at a photo, what answers clicks, or both.",
        ),
    ] = "both",
    cache: Annotated[
        bool,
        typer.Option(
            "--cache", help="Put the decoder where `click` finds it, to answer faster with it."
        ),
    ] = False,
    overwrite: flags.Overwrite = False,
    offline: flags.Offline = False,
    commercial: flags.Commercial = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Write a clicking network as ONNX files, each proven to answer as PyTorch does.

    A file is for one size, which is filled up to multiples of 32 pixels.
    """
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    if to != "onnx":
        raise UsageError(f"--to must be onnx, got {to!r}")
    if part not in PARTS:
        raise UsageError(f"--part must be encoder, decoder or both, got {part!r}")
    if output is None and not cache:
        raise UsageError("the files need a place to go; name a folder with -o, or say --cache")
    sizes = [parse_size(text) for text in size] if size else list(SIZES)
    check_model(model, commercial=commercial)
    from maskwright.inference.exported import decoder_path
    from maskwright.models.interformer.model import padded_size
    from maskwright.weights.onnx import check_extra

    check_extra()
    exporter = open_exporter(model, commercial=commercial, offline=offline)
    sizes = list(dict.fromkeys(padded_size(*each) for each in sizes))
    jobs = []
    if output is not None:
        jobs += jobs_for(Path(output), Path(model).stem, part, sizes)
        for job in jobs:
            check_target(job.path, overwrite=overwrite)
    if cache:
        jobs += [Job("decoder", each, decoder_path(exporter.weights, each)) for each in sizes]
    for job in jobs:
        # What lies in the cache folder is ours, and may be made again.
        may_replace = overwrite or job.path == decoder_path(exporter.weights, job.size)
        difference = exporter.export(job.part, job.size, job.path, overwrite=may_replace)
        if not quiet:
            told = f"differs from PyTorch by at most {difference:.0e} of the largest value"
            print(f"{job.path}: {told}", flush=True)
    return DONE


def jobs_for(folder: Path, stem: str, part: str, sizes: list[Size]) -> list[Job]:
    """Return the files to write into a folder, for each size what `part` names."""
    return [
        Job(each, size, folder / f"{stem}-{each}-{size[0]}x{size[1]}.onnx")
        for size in sizes
        for each in PARTS[part]
    ]


def parse_size(text: str) -> Size:
    """Return (height, width) of "512,640".

    Raises:
        UsageError: If it is not two positive whole numbers.
    """
    try:
        height, width = (int(part) for part in text.split(","))
    except ValueError:
        height = width = 0
    if min(height, width) < 1:
        raise UsageError(f"--size must be H,W in pixels, such as 512,640, got {text!r}")
    return height, width


def open_exporter(model: str, *, commercial: bool, offline: bool) -> "Exporter":
    """Return what exports a network.

    Raises:
        UsageError: If the network is one that cannot be exported.
    """
    from maskwright.inference.export import Exporter
    from maskwright.models.interformer.model import InterFormer
    from maskwright.weights.load import load_model

    network, paper, config = load_model(model, commercial=commercial, offline=offline)
    if not isinstance(network, InterFormer):
        raise UsageError(
            f"expected a clicking network (interformer), {model} holds {paper}; only those can be"
            " exported to ONNX so far"
        )
    return Exporter(network, config)
