import json

import pytest

from maskwright.data.clicks import RITM
from maskwright.evaluation.click_report import as_json, as_text, averages, counts, timing
from maskwright.evaluation.clicking import Setting
from maskwright.evaluation.run import Row

SETTING = Setting(RITM, limit=5)


def row(name, image, ious, *, encoding=2.0, clicking=0.5):
    clicks = ["1.5,2.5"] * len(ious)
    return Row(
        name,
        {
            "image": image,
            "clicks": clicks,
            "ious": ious,
            "encoding_seconds": encoding,
            "clicking_seconds": clicking,
        },
    )


ROWS = [
    row("a#1", "a", [0.5, 0.875, 0.96]),
    row("a#2", "a", [0.25, 0.5, 0.75, 0.75, 0.9]),
    Row("b", None, "it is damaged"),
    row("c", "c", [0.9, 0.96], encoding=4.0, clicking=1.5),
]


def test_averages_are_those_of_the_definitions():
    found = averages(ROWS, SETTING)
    assert found["noc85"] == pytest.approx((2 + 5 + 1) / 3)
    assert found["noc90"] == pytest.approx((3 + 5 + 1) / 3)
    assert found["noc95"] == pytest.approx((3 + 5 + 2) / 3)
    assert [found[f"nof{t}"] for t in (85, 90, 95)] == [0, 0, 1]
    assert [found[f"at_limit{t}"] for t in (85, 90, 95)] == [1, 1, 1]
    held_on = [[0.5, 0.875, 0.96, 0.96, 0.96], ROWS[1].scores["ious"], [0.9] + [0.96] * 4]
    means = [sum(column) / 3 for column in zip(*held_on, strict=True)]
    assert found["iou_per_click"] == pytest.approx(means)


def test_a_photo_s_encoding_counts_once_among_its_clicks():
    assert timing(ROWS).encoding_seconds == 6.0
    found = averages(ROWS, SETTING)
    assert found["spc"] == pytest.approx((6.0 + 2.5) / 10)
    assert found["spc_without_encoding"] == pytest.approx(0.25)


def test_json_has_averages_counts_facts_and_a_row_per_object():
    report = json.loads(json.dumps(as_json(ROWS, SETTING, {"protocol": "ritm"})))
    assert {key: report[key] for key in averages(ROWS, SETTING)} == averages(ROWS, SETTING)
    assert counts(ROWS) == {"images": 2, "objects": 3, "failed": 1}
    assert report.items() >= {"images": 2, "objects": 3, "failed": 1, "protocol": "ritm"}.items()
    assert (report["limit"], report["threshold"]) == (5, 0.49)
    assert report["per_object"][2] == {"name": "b", "error": "it is damaged"}
    assert report["per_object"][3] == {"name": "c", **ROWS[3].scores}


def test_when_every_object_failed_there_is_no_average():
    report = as_json(ROWS[2:3], SETTING, {})
    assert report["noc90"] is report["at_limit85"] is report["iou_per_click"] is None
    assert report.keys() == as_json(ROWS, SETTING, {}).keys()
    assert as_text(ROWS[2:3], SETTING) == "0 objects in 0 images"


def test_the_tables_of_a_terminal():
    assert as_text(ROWS, SETTING).splitlines() == [
        "3 objects in 2 images",
        "IoU      clicks  never",
        " 85 %      2.67      0",
        " 90 %      3.00      0",
        " 95 %      3.33      1",
        "clicks       1      2      3      5",
        "IoU %     55.0   77.8   89.0   94.0",
        "seconds per click 0.8500, without encoding 0.2500",
    ]
