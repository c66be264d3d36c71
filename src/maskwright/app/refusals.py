"""Requests that cannot be done, and with which status they are answered."""

from maskwright.errors import (
    DataError,
    ImageError,
    ImageTooLargeError,
    MaskwrightError,
    MissingExtraError,
    OutputError,
    RefusedError,
    UsageError,
)

BUSY_SECONDS = 1


class Refusal(UsageError):
    """A request that is refused.

    Args:
        status: Of the answer.
        message: What was expected, what came, what to do.
        is_held: Another window holds the photo; it can be taken over.
    """

    def __init__(self, status: int, message: str, *, is_held: bool = False) -> None:
        super().__init__(message)
        self.status, self.is_held = status, is_held


class StaleError(UsageError):
    """Somebody else has gone on with the photo since; nothing was changed."""


def busy() -> Refusal:
    """Return the refusal of a request that would have to wait too long."""
    return Refusal(
        429, f"expected fewer requests at once, too many are waiting; retry after {BUSY_SECONDS} s"
    )


# The first that fits: a wrong photo or request is the client's fault, a disk without room is not.
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (StaleError, 409),
    (ImageTooLargeError, 413),
    (ImageError, 415),
    (MissingExtraError, 415),
    (OutputError, 507),
    (DataError, 400),
    (RefusedError, 403),
    (MaskwrightError, 400),
    (MemoryError, 413),
)


def status_of(error: Exception) -> int:
    """Return the status that an error is answered with; 500 for a fault of ours."""
    if isinstance(error, Refusal):
        return error.status
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
