import threading

import cv2
import numpy as np
from PIL import Image

from maskwright.image import quiet
from maskwright.image.quiet import quiet_opencv, without_pillows_limit


def test_pillows_limit_is_lifted_only_for_what_exceeds_it(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 35)
    with without_pillows_limit((5, 7)):
        assert Image.MAX_IMAGE_PIXELS == 35
    with without_pillows_limit((6, 7)), without_pillows_limit((60, 70)):
        assert Image.MAX_IMAGE_PIXELS is None
    assert Image.MAX_IMAGE_PIXELS == 35


def test_many_threads_put_everything_back(monkeypatch, capfd):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 35)
    level = quiet._opencv_log.getLogLevel()
    damaged = np.frombuffer(b"II*\0" + bytes(60), np.uint8)

    def lift_and_silence():
        for _ in range(50):
            with without_pillows_limit((60, 70)), quiet_opencv():
                cv2.imdecode(damaged, cv2.IMREAD_UNCHANGED)

    threads = [threading.Thread(target=lift_and_silence) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Image.MAX_IMAGE_PIXELS == 35
    assert capfd.readouterr().err == ""
    assert quiet._opencv_log.getLogLevel() == level > 0, "OpenCV may speak again"
