"""Budgets of memory: how they are written, how much of one is in use, and cheap reuse."""

import ctypes
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from maskwright.errors import UsageError

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h
KEPT_BYTES = 2**29
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def parse_bytes(text: str | int) -> int:
    """Return the number of bytes that "4G", "512M" or a plain number means (powers of 1024).

    Raises:
        UsageError: If it is not such a text, or not positive.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", str(text).strip(), re.IGNORECASE)
    count = int(float(match[1]) * UNITS[match[2].upper()]) if match else 0
    if count <= 0:
        raise UsageError(f"expected an amount of memory such as 4G or 512M, got {text!r}")
    return count


def resident_bytes() -> int:
    """Return the resident memory of this process; its peak where the system tells no more."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def in_gibibytes(count: int) -> str:
    """Return a budget that is enough for so many bytes, as it would be asked for."""
    if count < 2**30:
        return f"{-(-count // 2**20)}M"
    return f"{-(-count * 100 // 2**30) / 100:.2f}G"


@contextmanager
def reused_memory() -> Iterator[None]:
    """Let each layer's freed maps serve the next one, and those of a small photo the next photo.

    By default glibc hands every large block back at once, and the kernel clears its pages again
    for the next: a third of the time of a light network on a CPU. At the end all is given back,
    unless it is less than `KEPT_BYTES`. Elsewhere this does nothing.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(libc, "mallopt"):
        yield
        return
    assert libc is not None
    before = resident_bytes()
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        libc.mallopt(_M_MMAP_MAX, 65536)  # glibc's own default
        libc.mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
        if resident_bytes() - before > KEPT_BYTES:
            libc.malloc_trim(0)
