"""What decoders have in common with the whole process, changed under a lock and put back.

Pillow's warnings are not silenced but avoided: silencing them would change Python's filters,
which is not safe beside other threads. Pillow gets files without metadata to warn of.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
from PIL import Image

_lock = threading.RLock()
_opencv_log: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 5 moved the two functions


@contextmanager
def without_pillows_limit(size: tuple[int, int]) -> Iterator[None]:
    """Let Pillow decode a photo of this size, which our own limit has allowed by then."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is None or size[0] * size[1] <= limit:
        yield
        return
    with _lock:
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Silence OpenCV's log, which goes to stderr."""
    with _lock:
        level = _opencv_log.setLogLevel(0)
        try:
            yield
        finally:
            _opencv_log.setLogLevel(level)
