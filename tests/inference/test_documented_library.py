"""The examples of docs/library.md, in their order, as a reader would run them."""

from pathlib import Path

import numpy as np
import pytest
from skimage import data

from maskwright.errors import FeaturesError
from maskwright.image.io import read_photo, write_image

PAGE = Path(__file__).parents[2] / "docs/library.md"


def test_the_examples_run_and_find_what_they_say(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_image("photo.jpg", data.astronaut())
    write_image("other.jpg", data.cat())
    found = {}
    for block in PAGE.read_text().split("```python\n")[1:]:
        exec(block.split("```")[0], found)

    told = capsys.readouterr().out
    assert "person" in told and "no-trimap.png: expected" in told
    people = np.isin(found["numbers"], [s.id for s in found["found"].segments])
    assert people[200, 256] and found["mask"].shape == (512, 512)
    answer, cutout = found["answer"], found["cutout"]
    assert answer.mask[200, 256] and not answer.mask[20, 20]
    assert found["masks"].shape == (1, 512, 512) and found["masks"][0, 200, 256]
    assert cutout.rgba.shape == (512, 512, 4) and cutout.rgba[200, 256, 3] == 255
    assert found["other"].rgba[150, 225, 3] == 255  # the cat's face
    with pytest.raises(FeaturesError):
        found["features"].check_image("other.jpg")
    assert read_photo("cutout.png").alpha is not None
    teal = read_photo("teal.jpg").pixels
    assert np.abs(teal[5, 5].astype(int) - [0, 128, 128]).max() < 8
