"""What went wrong with one of many items: told in a line, and whether the others can go on."""

import errno
from dataclasses import dataclass

from maskwright.errors import (
    LicenceError,
    MaskwrightError,
    MissingExtraError,
    RefusedError,
    ShapeError,
    UsageError,
    WeightsError,
)

# What is wrong with the call or the weights is wrong for every photo: it ends the run. Of the
# errors of use, two are about a photo: a size that does not fit, and a HEIC without its extra.
_FATAL = (UsageError, WeightsError, LicenceError, BrokenPipeError)
_ABOUT_ONE_PHOTO = (ShapeError, MissingExtraError)
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True)
class Problem:
    """Why an item failed.

    Attributes:
        text: One line: what was expected, what came, what to do.
        was_refused: It was asked for correctly, but is not allowed.
        is_full: There was no space left to write; nothing is wrong with the item.
    """

    text: str
    was_refused: bool = False
    is_full: bool = False


def problem_of(error: BaseException) -> Problem:
    """Return an error as what is told about an item."""
    return Problem(one_line(error), isinstance(error, RefusedError), is_full(error))


def one_line(error: BaseException) -> str:
    """Return what went wrong, on one line."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's own
        return "not enough memory; try --max-memory or a smaller photo"
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, (MaskwrightError, OSError)):
        return text or type(error).__name__
    return f"a fault of ours, {type(error).__name__}: {text}; please report it with -v -v"


def ends_run(error: BaseException) -> bool:
    """Say whether an error would meet every other item too."""
    return isinstance(error, _FATAL) and not isinstance(error, _ABOUT_ONE_PHOTO)


def is_full(error: BaseException | None) -> bool:
    """Say whether an error, or what it came from, is a disk without space."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__
    return False
