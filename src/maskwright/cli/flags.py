"""The flags that several verbs share, and what their values may be.

Values are checked here, before anything heavy is imported.
"""

import logging
import os
import re
from collections.abc import Callable
from typing import Annotated, Any

import typer

from maskwright.errors import UsageError

_COUNTS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def pixel_count(text: str) -> int:
    """Return the pixels in "50M" or "50000000"; 1M is 10^6 pixels.

    Raises:
        UsageError: If it is not a positive number with such a unit.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kmg]?)", text.strip().lower())
    amount = float(match[1]) * _COUNTS[match[2]] if match else 0
    if amount < 1:
        raise UsageError(f"--max-pixels must be a number of pixels like 50M, got {text!r}")
    return int(amount)


def band_width(text: str) -> str | int:
    """Return "auto", a number of pixels, or a share of the object such as "3%".

    Raises:
        UsageError: If it is none of them.
    """
    if text == "auto" or re.fullmatch(r"\d+(\.\d+)?%", text):
        return text
    if re.fullmatch(r"[1-9]\d*", text):
        return int(text)
    raise UsageError(f"--band must be auto, a number of pixels or a share like 3%, got {text!r}")


def one_of(flag: str, pattern: str, expected: str) -> Callable[[str | None], str | None]:
    """Return a check that a flag's value matches a pattern, described by `expected`."""

    def check(value: str | None) -> str | None:
        if value is not None and not re.fullmatch(pattern, value):
            raise UsageError(f"{flag} must be {expected}, got {value!r}")
        return value

    return check


def _checked(parse: Callable[[str], object]) -> Callable[[str | None], str | None]:
    def check(value: str | None) -> str | None:
        if value is not None:
            parse(value)
        return value

    return check


def _check_memory(value: str | None) -> str | None:
    from maskwright.inference.memory import parse_bytes

    if value is not None:
        parse_bytes(value)
    return value


def set_verbosity(*, quiet: bool, verbose: int) -> None:
    """Show errors only (-q), warnings, progress notes (-v) or everything (-v -v) of the log."""
    if os.environ.get("MASKWRIGHT_DEBUG"):
        verbose = 2
    level = logging.ERROR if quiet else logging.WARNING - 10 * min(verbose, 2)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("maskwright: %(message)s"))
    logger = logging.getLogger("maskwright")
    logger.handlers[:] = [handler]
    logger.setLevel(level)


def wants_everything() -> bool:
    """Say whether -v -v or MASKWRIGHT_DEBUG asks for tracebacks."""
    debug = logging.getLogger("maskwright").isEnabledFor(logging.DEBUG)
    return debug or bool(os.environ.get("MASKWRIGHT_DEBUG"))


def output(help: str) -> Any:
    """Return the flag -o with its text."""
    return typer.Option("--output", "-o", metavar="OUT", help=help)


Photos = Annotated[
    list[str],
    typer.Argument(metavar="PHOTO", help="Photos, or folders of photos; - is standard input."),
]
Output = Annotated[str, output("A file for one photo, a folder for several; - is standard output.")]
Trimap = Annotated[
    str | None,
    typer.Option(
        metavar="T",
        help="Trimap (0 background, 128 unknown, 255 object), or a folder of them: same stems.",
    ),
]
Mask = Annotated[
    str | None,
    typer.Option(metavar="M", help="Mask of the object, or a folder of them: same stems."),
]
Band = Annotated[
    str,
    typer.Option(
        metavar="WIDTH",
        callback=_checked(band_width),
        help="Unknown band around a mask's edge: auto, pixels, or 3% of the object.",
    ),
]
BitDepth = Annotated[
    str | None,
    typer.Option(
        metavar="8|16",
        callback=one_of("--bit-depth", "8|16", "8 or 16"),
        help="Bits per channel of the output; the photo's own unless given.",
    ),
]
Model = Annotated[
    str, typer.Option(metavar="NAME|FILE", help="Weights: see `maskwright models list`.")
]
Device = Annotated[
    str,
    typer.Option(
        metavar="auto|cpu|cuda|mps",
        callback=one_of("--device", r"auto|cpu|cuda(:\d+)?|mps", "auto, cpu, cuda, cuda:N or mps"),
        help="Where to compute; fails if the device named is not usable.",
    ),
]
Dtype = Annotated[
    str,
    typer.Option(
        metavar="auto|fp32|fp16|bf16",
        callback=one_of("--dtype", "auto|fp32|fp16|bf16", "auto, fp32, fp16 or bf16"),
        help="Number format to compute in.",
    ),
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        metavar="4G",
        callback=_check_memory,
        help="Memory the process may use; 1G is 2^30 bytes.",
    ),
]
MaxPixels = Annotated[
    str | None,
    typer.Option(
        metavar="50M",
        callback=_checked(pixel_count),
        help="Refuse larger photos before they are decoded.",
    ),
]
Workers = Annotated[
    int, typer.Option(metavar="N", min=0, help="Processes that prepare data beside the main one.")
]
Recursive = Annotated[bool, typer.Option("--recursive", help="Look in folders within folders.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")]
Json = Annotated[bool, typer.Option("--json", help="Print a report as JSON on standard output.")]
Offline = Annotated[
    bool, typer.Option("--offline", help="Never use the network; also MASKWRIGHT_OFFLINE=1.")
]
Commercial = Annotated[
    bool,
    typer.Option("--commercial", help="Refuse weights that may not be used commercially."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose", "-v", count=True, show_default=False, help="Say more; twice for all."
    ),
]
