import os
import sys
from pathlib import Path

import pytest

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
    from drawn_photos import draw

    folder = tmp_path / "photos"
    for number, name in enumerate(("a.png", "b.png", "deep/c.png")):
        draw(folder / name, number)
    return folder
