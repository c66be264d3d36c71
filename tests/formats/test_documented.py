from pathlib import Path

import numpy as np
from segmentations import CLASSES, instance_of, named

from maskwright.formats.coco import write_coco

PAGE = Path(__file__).parents[2] / "docs/formats.md"


def test_the_example_in_the_documentation_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES.names))
    disc = np.hypot(*np.mgrid[-30:30, -30:30]) < 20
    write_coco("annotations.json", named([instance_of([disc])]))
    example = PAGE.read_text().split("```python\n")[1].split("```")[0]
    found = {}
    exec(example, found)
    assert (tmp_path / "polygons.json").is_file()
    assert 0 < found["losses"][0].iou_lost < 0.1
