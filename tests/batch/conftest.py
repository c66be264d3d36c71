import os
import sys
from pathlib import Path

import numpy as np
import pytest

from maskwright.image.io import write_image

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.append(HERE)


@pytest.fixture(autouse=True)
def codecs_know_the_operation(monkeypatch):
    """Codec processes are started with an environment, not with the path of this process."""
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", HERE if before is None else f"{HERE}{os.pathsep}{before}")


@pytest.fixture
def photos(tmp_path):
    """A folder with a.png, b.png and deep/c.png of 5 x 7 pixels."""
    folder = tmp_path / "photos"
    for number, name in enumerate(("a.png", "b.png", "deep/c.png")):
        draw(folder / name, number)
    return folder


def draw(path, number, size=(5, 7)):
    """Write a photo of its own."""
    rng = np.random.default_rng(number)
    write_image(path, rng.integers(0, 256, (*size, 3), np.uint8), overwrite=True)
