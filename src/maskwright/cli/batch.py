"""The verbs `batch segment|matte|cutout|embed` and `embed`: folders, resumed where they stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskwright.cli import flags
from maskwright.cli.batching import (
    Address,
    CodecMemory,
    Engine,
    Folder,
    Options,
    Out,
    Recursive,
    RetryFailed,
    Shard,
    TimeLimit,
    Watch,
    Workers,
    do_batch,
)
from maskwright.cli.click import DEFAULT_MODEL as CLICK_MODEL
from maskwright.cli.loading import check_model
from maskwright.cli.matte import DEFAULT_MODEL as MATTE_MODEL
from maskwright.cli.progress import DONE, FAILED, progress_bar
from maskwright.cli.segment import TASKS
from maskwright.cli.subjects import (
    DEFAULT_SEGMENTER,
    Categories,
    Largest,
    SegmentModel,
    chosen,
)
from maskwright.errors import UsageError

if TYPE_CHECKING:
    from maskwright.batch.operations import Cut, Network

SEGMENTS = ("png", "labelme", "yolo", "palette")
PICTURES = ("png", "tiff", "webp", "jpeg")
Trimaps = Annotated[
    str | None,
    typer.Option("--trimaps", "--trimap", metavar="DIR", help="Trimaps: same paths, same stems."),
]
Masks = Annotated[
    str | None,
    typer.Option("--masks", "--mask", metavar="DIR", help="Masks: same paths, same stems."),
]

Format = Annotated[
    str,
    typer.Option(
        metavar="|".join(PICTURES),
        callback=flags.one_of("--format", "|".join(PICTURES), ", ".join(PICTURES)),
        help="Of the results; webp and jpeg have 8 bits, a jpeg no transparency.",
    ),
]


def segment(
    folder: Folder,
    *,
    output: Out,
    task: Annotated[
        str,
        typer.Option(
            metavar="|".join(TASKS),
            callback=flags.one_of("--task", "|".join(TASKS), ", ".join(TASKS)),
            help="Segments that share no pixel, objects that may overlap, or a class per pixel.",
        ),
    ] = "panoptic",
    format: Annotated[
        str,
        typer.Option(
            metavar="|".join(SEGMENTS),
            callback=flags.one_of("--format", "|".join(SEGMENTS), ", ".join(SEGMENTS)),
            help="png is a 16-bit label map with JSON and an overlay; palette shows classes.",
        ),
    ] = "png",
    score: Annotated[
        float | None,
        typer.Option(metavar="0-1", help="Leave out what is less sure; else as `segment`."),
    ] = None,
    overlap: Annotated[
        float,
        typer.Option(metavar="0-1", help="Leave out segments that keep less of their own mask."),
    ] = 0.8,
    engine: Engine = "local",
    ray_address: Address = None,
    shard: Shard = None,
    retry_failed: RetryFailed = False,
    watch: Watch = False,
    workers: Workers = 0,
    time_limit: TimeLimit = 300.0,
    codec_memory: CodecMemory = None,
    model: flags.Model = DEFAULT_SEGMENTER,
    device: flags.Device = "auto",
    dtype: flags.Dtype = "auto",
    max_pixels: flags.MaxPixels = None,
    recursive: Recursive = True,
    overwrite: flags.Overwrite = False,
    json: flags.Json = False,
    offline: flags.Offline = False,
    commercial: flags.Commercial = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Find what is in each photo of a folder."""
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    network = _network(model, device, dtype, commercial=commercial, offline=offline)
    from maskwright.batch.operations import Segmenting
    from maskwright.cli.pictures import pixel_limit
    from maskwright.cli.segment import SHOWN_SCORE
    from maskwright.inference.segment import Thresholds

    least = SHOWN_SCORE if score is None and task == "instance" else score
    Thresholds(least, overlap)  # refuses what is no share
    limit = pixel_limit(max_pixels)
    return do_batch(
        Segmenting(network, task, format, least, overlap, limit),
        Options(
            folder,
            output,
            engine=engine,
            ray_address=ray_address,
            shard=shard,
            retry_failed=retry_failed,
            watch=watch,
            workers=workers,
            time_limit=time_limit,
            codec_memory=codec_memory,
            recursive=recursive,
            overwrite=overwrite,
            as_json=json,
            offline=offline,
            quiet=quiet,
        ),
    )


def matte(
    folder: Folder,
    *,
    output: Out,
    trimaps: Trimaps = None,
    masks: Masks = None,
    band: flags.Band = "auto",
    format: Format = "png",
    bit_depth: flags.BitDepth = None,
    engine: Engine = "local",
    ray_address: Address = None,
    shard: Shard = None,
    retry_failed: RetryFailed = False,
    watch: Watch = False,
    workers: Workers = 0,
    time_limit: TimeLimit = 300.0,
    codec_memory: CodecMemory = None,
    model: flags.Model = MATTE_MODEL,
    device: flags.Device = "auto",
    dtype: flags.Dtype = "auto",
    max_memory: flags.MaxMemory = None,
    max_pixels: flags.MaxPixels = None,
    recursive: Recursive = True,
    overwrite: flags.Overwrite = False,
    json: flags.Json = False,
    offline: flags.Offline = False,
    commercial: flags.Commercial = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Write the soft alpha of each photo of a folder."""
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    hints = _hints(trimaps, masks, band)
    if hints is None:
        raise UsageError(
            "say where the objects are with --trimaps DIR or --masks DIR; `batch cutout` alone"
            " finds them by itself"
        )
    network = _network(
        model, device, dtype, max_memory=max_memory, commercial=commercial, offline=offline
    )
    from maskwright.batch.operations import Matting
    from maskwright.cli.pictures import pixel_limit

    operation = Matting(
        network,
        hint="trimap" if trimaps else "mask",
        band=flags.band_width(band),
        bit_depth=int(bit_depth) if bit_depth else None,
        max_pixels=pixel_limit(max_pixels),
        format=format,
    )
    return do_batch(
        operation,
        Options(
            folder,
            output,
            hints=hints,
            engine=engine,
            ray_address=ray_address,
            shard=shard,
            retry_failed=retry_failed,
            watch=watch,
            workers=workers,
            time_limit=time_limit,
            codec_memory=codec_memory,
            recursive=recursive,
            overwrite=overwrite,
            as_json=json,
            offline=offline,
            quiet=quiet,
        ),
    )


def cutout(
    folder: Folder,
    *,
    output: Out,
    trimaps: Trimaps = None,
    masks: Masks = None,
    category: Categories = None,
    largest: Largest = False,
    band: flags.Band = "auto",
    background: Annotated[
        str | None,
        typer.Option(
            metavar="white|#rrggbb|PHOTO",
            help="Put the object on a colour or photo instead of transparency.",
        ),
    ] = None,
    decontaminate: Annotated[
        bool,
        typer.Option(
            "--decontaminate/--no-decontaminate",
            help="Remove the old background's colour from soft edges.",
        ),
    ] = True,
    format: Format = "png",
    bit_depth: flags.BitDepth = None,
    engine: Engine = "local",
    ray_address: Address = None,
    shard: Shard = None,
    retry_failed: RetryFailed = False,
    watch: Watch = False,
    workers: Workers = 0,
    time_limit: TimeLimit = 300.0,
    codec_memory: CodecMemory = None,
    model: flags.Model = MATTE_MODEL,
    segment_model: SegmentModel = DEFAULT_SEGMENTER,
    device: flags.Device = "auto",
    dtype: flags.Dtype = "auto",
    max_memory: flags.MaxMemory = None,
    max_pixels: flags.MaxPixels = None,
    recursive: Recursive = True,
    overwrite: flags.Overwrite = False,
    json: flags.Json = False,
    offline: flags.Offline = False,
    commercial: flags.Commercial = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Cut the object out of each photo of a folder; without hints, its subject."""
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    hints = _hints(trimaps, masks, band)
    choice = chosen(category, largest=largest, every=False, hinted=hints is not None)
    network = _network(
        model, device, dtype, max_memory=max_memory, commercial=commercial, offline=offline
    )
    from maskwright.batch.operations import Matting, Subjects
    from maskwright.cli.pictures import pixel_limit

    subjects = None
    if hints is None:
        finder = _network(segment_model, device, "auto", commercial=commercial, offline=offline)
        subjects = Subjects(finder, tuple(category or ()), choice)
    operation = Matting(
        network,
        hint=None if hints is None else "trimap" if trimaps else "mask",
        subjects=subjects,
        band=flags.band_width(band),
        cut=_cut(background, decontaminate=decontaminate),
        bit_depth=int(bit_depth) if bit_depth else None,
        max_pixels=pixel_limit(max_pixels),
        format=format,
    )
    return do_batch(
        operation,
        Options(
            folder,
            output,
            hints=hints,
            engine=engine,
            ray_address=ray_address,
            shard=shard,
            retry_failed=retry_failed,
            watch=watch,
            workers=workers,
            time_limit=time_limit,
            codec_memory=codec_memory,
            recursive=recursive,
            overwrite=overwrite,
            as_json=json,
            offline=offline,
            quiet=quiet,
        ),
    )


def embed(
    folder: Annotated[
        str | None,
        typer.Argument(metavar="FOLDER", help="Photos, with folders in it; or a URL of fsspec."),
    ] = None,
    *,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="STORE", help="The folder of features.")
    ],
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Encode nothing; check every file of the store."),
    ] = False,
    max_store: Annotated[
        str | None,
        typer.Option(
            metavar="100G", help="Afterwards remove what was not used for longest, beyond so much."
        ),
    ] = None,
    engine: Engine = "local",
    ray_address: Address = None,
    shard: Shard = None,
    retry_failed: RetryFailed = False,
    watch: Watch = False,
    workers: Workers = 0,
    time_limit: TimeLimit = 300.0,
    codec_memory: CodecMemory = None,
    model: flags.Model = CLICK_MODEL,
    device: flags.Device = "auto",
    dtype: flags.Dtype = "auto",
    max_pixels: flags.MaxPixels = None,
    recursive: Recursive = True,
    json: flags.Json = False,
    offline: flags.Offline = False,
    commercial: flags.Commercial = False,
    quiet: flags.Quiet = False,
    verbose: flags.Verbose = 0,
) -> int:
    """Encode each photo of a folder for clicking later.

    Clicks find the features by the photo's pixels and the weights: `click --store STORE`.
    """
    flags.set_verbosity(quiet=quiet, verbose=verbose)
    if verify or folder is None:
        if not verify:
            raise UsageError("expected a folder of photos, got none; or --verify for the store")
        return _verify(output, quiet=quiet)
    network = _network(model, device, dtype, commercial=commercial, offline=offline)
    from maskwright.batch.operations import Embedding
    from maskwright.cli.pictures import pixel_limit
    from maskwright.inference.memory import parse_bytes

    most = None if max_store is None else parse_bytes(max_store)
    code = do_batch(
        Embedding(network, pixel_limit(max_pixels)),
        Options(
            folder,
            output,
            engine=engine,
            ray_address=ray_address,
            shard=shard,
            retry_failed=retry_failed,
            watch=watch,
            workers=workers,
            time_limit=time_limit,
            codec_memory=codec_memory,
            recursive=recursive,
            as_json=json,
            offline=offline,
            quiet=quiet,
        ),
    )
    _tell_store(output, most, quiet=quiet)
    return code


VERBS: dict[str, Callable[..., int]] = {
    "segment": segment,
    "matte": matte,
    "cutout": cutout,
    "embed": embed,
}


def _network(
    model: str,
    device: str,
    dtype: str,
    *,
    max_memory: str | None = None,
    commercial: bool,
    offline: bool,
) -> "Network":
    """Return weights by their flags, after checking that there are such, and that they may be used.

    Raises:
        UsageError: If the name is unknown.
        LicenceError: If `commercial` and the terms forbid it.
    """
    check_model(model, commercial=commercial)
    from maskwright.batch.operations import Network

    return Network(
        model=str(Path(model).resolve()) if Path(model).is_file() else model,
        device=device,
        dtype=dtype,
        max_memory=max_memory,
        commercial=commercial,
        offline=offline,
    )


def _hints(trimaps: str | None, masks: str | None, band: str) -> str | None:
    """Return the folder of trimaps or masks, if there is one."""
    if trimaps and masks:
        raise UsageError("--trimaps and --masks exclude each other; keep one")
    if trimaps and band != "auto":
        raise UsageError("--band belongs to masks; a trimap has its band drawn in")
    given = trimaps or masks
    if given is not None and "://" not in given and not Path(given).is_dir():
        raise UsageError(f"expected a folder of trimaps or masks, there is no {given}; check it")
    return given


def _cut(background: str | None, *, decontaminate: bool) -> "Cut":
    from maskwright.batch.operations import Cut
    from maskwright.image.backdrop import parse_backdrop

    backdrop = None if background is None else parse_backdrop(background)
    return Cut(decontaminate=decontaminate, backdrop=backdrop)


def _verify(output: str, *, quiet: bool) -> int:
    import sys

    from maskwright.batch.store import FeatureStore

    if not Path(output).is_dir():
        raise UsageError(f"expected the folder of a store, there is no {output}; check the path")
    with progress_bar("checking", quiet=quiet) as progress:
        count, problems = FeatureStore(output).verify(progress=progress)
    for problem in problems:
        print(problem, file=sys.stderr)
    if not quiet:
        print(f"{output}: {count - len(problems)} encoded photos are whole, {len(problems)} not")
    return FAILED if problems else DONE


def _tell_store(output: str, most_bytes: int | None, *, quiet: bool) -> None:
    """Say what the store takes, after removing what is too much."""
    if "://" in output:
        return
    import sys

    from maskwright.batch.store import FeatureStore

    store = FeatureStore(output)
    removed = 0 if most_bytes is None else store.evict(most_bytes)
    if not quiet:
        files = list(store.files())
        size = sum(file.bytes for file in files) / 2**20
        gone = f"; {removed} removed" if removed else ""
        print(f"{output}: {len(files)} encoded photos, {size:.0f} MiB{gone}", file=sys.stderr)
