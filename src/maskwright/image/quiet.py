"""Decoders kept quiet: their warnings and log lines would say less than our own error.

What they talk through is global to the process, so it is changed under one lock, for as long
as a call takes, and put back.
"""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
from PIL import Image

_lock = threading.RLock()
_opencv_log: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 5 moved the two functions


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silence Pillow's warnings and its own limit of pixels; ours has been checked by then."""
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
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
