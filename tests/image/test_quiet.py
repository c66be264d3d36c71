import threading
import warnings
from io import BytesIO

import numpy as np
from PIL import Image

from maskwright.image.io import read_photo
from maskwright.image.quiet import quiet_opencv, quiet_pillow


def test_warnings_and_limits_are_as_before_afterwards(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 7)
    filters = list(warnings.filters)
    with quiet_pillow(), quiet_opencv(), quiet_pillow():
        warnings.warn("nobody hears this", stacklevel=1)
        assert Image.MAX_IMAGE_PIXELS is None
    assert Image.MAX_IMAGE_PIXELS == 7
    assert warnings.filters == filters


def test_many_threads_leave_warnings_as_they_were():
    stream = BytesIO()
    image = Image.fromarray(np.zeros((29, 41), np.uint8)).convert("P")
    image.save(stream, "TIFF", compression="tiff_lzw")
    filters, errors = list(warnings.filters), []

    def read_often():
        try:
            for _ in range(20):
                read_photo(stream.getvalue())
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=read_often) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert warnings.filters == filters
    assert Image.MAX_IMAGE_PIXELS is not None
