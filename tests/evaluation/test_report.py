import json

import numpy as np
import pytest

from maskwright.errors import OutputError, ShapeError
from maskwright.evaluation.report import as_json, as_markdown, averages, sheet, write_json
from maskwright.evaluation.run import Row

SCORES = {"sad": 3.0, "mse": 0.002, "mad": 0.05, "grad": 7.0, "conn": 2.0}
ROWS = [
    Row("ape", SCORES),
    Row("bee", {name: 2 * value for name, value in SCORES.items()}),
    Row("c|t", None, "it is damaged"),
]


def test_averages_leave_failed_images_out():
    assert averages(ROWS) == pytest.approx({name: 1.5 * value for name, value in SCORES.items()})


def test_json_has_averages_counts_and_a_row_per_image():
    report = as_json(ROWS)
    assert {key: report[key] for key in SCORES} == averages(ROWS)
    assert (report["images"], report["failed"], report["region"]) == (2, 1, "unknown")
    assert report["per_image"][0] == {"name": "ape", **SCORES}
    assert report["per_image"][2] == {"name": "c|t", "error": "it is damaged"}
    assert as_json(ROWS, whole_image=True)["region"] == "whole"


def test_when_every_image_failed_there_is_no_average():
    report = as_json(ROWS[2:])
    assert report["sad"] is None
    assert report["images"] == 0
    assert "| **average of 0** |  |  |  |  |  |" in as_markdown(ROWS[2:])


def test_the_file_holds_the_report_and_is_not_replaced_unasked(tmp_path):
    path = tmp_path / "scores.json"
    write_json(path, as_json(ROWS, whole_image=True))
    assert json.loads(path.read_text()) == as_json(ROWS, whole_image=True)
    with pytest.raises(OutputError, match="exists already"):
        write_json(path, as_json(ROWS))
    write_json(path, as_json(ROWS[:1]), overwrite=True)
    assert json.loads(path.read_text())["images"] == 1


def test_the_table_uses_the_published_scale():
    assert as_markdown(ROWS).splitlines() == [
        "| image | SAD | MSE · 10³ | MAD · 10³ | Grad | Conn |",
        "|---|--:|--:|--:|--:|--:|",
        "| ape | 3.00 | 2.00 | 50.00 | 7.00 | 2.00 |",
        "| bee | 6.00 | 4.00 | 100.00 | 14.00 | 4.00 |",
        "| c\\|t: it is damaged | | | | | |",
        "| **average of 2** | 4.50 | 3.00 | 75.00 | 10.50 | 3.00 |",
    ]


PHOTO = np.full((11, 13, 3), (0, 65535, 0), dtype=np.uint16)
TRIMAP = np.full((11, 13), 128, dtype=np.uint8)
ALPHA = np.full((11, 13), 0.2, dtype=np.float32)


def test_a_sheet_shows_its_pictures_from_left_to_right():
    picture = sheet(PHOTO, TRIMAP, ALPHA, truth=np.full((11, 13), 255, dtype=np.uint8))
    assert picture.dtype == np.uint8
    assert picture.shape == (11, 4 * 13 + 3 * 4, 3)
    middles = [picture[5, 6 + index * 17].tolist() for index in range(4)]
    assert middles == [[0, 255, 0], [128] * 3, [51] * 3, [255] * 3]


def test_a_sheet_has_the_height_asked_for():
    assert sheet(PHOTO, TRIMAP, ALPHA, height_px=22).shape == (22, 3 * 26 + 2 * 4, 3)
    assert sheet(PHOTO, TRIMAP, ALPHA, height_px=5).shape == (5, 3 * 6 + 2 * 4, 3)


def test_pictures_of_several_sizes_make_no_sheet():
    with pytest.raises(ShapeError, match=r"one size, got \[\(11, 13\), \(11, 13\), \(11, 12\)\]"):
        sheet(PHOTO, TRIMAP, ALPHA[:, 1:])
