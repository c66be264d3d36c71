import json
from pathlib import Path

import pytest

from maskwright.errors import DataError, UsageError
from maskwright.formats.classes import PUBLISHED, published_classes, read_classes

PARITY = Path(__file__).parents[1] / "parity"


def saved(tmp_path, name, content):
    file = tmp_path / name
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_coco_s_panoptic_classes_are_those_of_its_own_file():
    rows = json.loads((PARITY / "panoptic/ground_truth.json").read_text())["categories"]
    ours = published_classes("coco-panoptic")
    assert ours.names == tuple(row["name"] for row in rows)
    assert ours.is_thing == tuple(bool(row["isthing"]) for row in rows)
    assert ours.colours == tuple(tuple(row["color"]) for row in rows)
    assert ours.numbers == tuple(row["id"] for row in rows)


def test_published_classes_are_as_many_as_the_papers_say():
    counts = {name: published_classes(name) for name in PUBLISHED}
    assert {name: len(classes) for name, classes in counts.items()} == {
        "coco-panoptic": 133,
        "coco-instance": 80,
        "ade20k": 150,
        "cityscapes": 19,
    }
    things = {name: sum(classes.is_thing) for name, classes in counts.items()}
    assert things == {"coco-panoptic": 80, "coco-instance": 80, "ade20k": 100, "cityscapes": 8}


def test_some_published_places_and_numbers():
    ade, streets = published_classes("ade20k"), published_classes("cityscapes")
    assert ade.names[0] == "wall" and ade.numbers[0] == 1 and ade.names[149] == "flag"
    assert ade.find("person") == 12 and ade.find("dishwasher") == 129
    assert 0 in ade.void
    assert streets.index_map()[26] == streets.find("car") == 13
    assert sorted((*streets.numbers, *streets.void)) == [*range(34), 255]
    assert published_classes("coco-instance").numbers[-1] == 90


def test_a_published_name_stands_for_a_file():
    assert read_classes("ade20k") is published_classes("ade20k")
    with pytest.raises(UsageError, match="published classes are coco-panoptic, .* got 'voc'"):
        published_classes("voc")
    with pytest.raises(DataError, match="voc: expected a list of classes"):
        read_classes("voc")


def test_a_text_file_has_a_name_a_line(tmp_path):
    classes = read_classes(saved(tmp_path, "c.txt", "\ufeffsky\nroad surface \n\n"))
    assert classes.names == ("sky", "road surface") and classes.void == (255,)


@pytest.mark.parametrize("name", ["void", "Unlabelled", "ignore"])
def test_a_line_can_name_the_label_that_is_void(tmp_path, name):
    classes = read_classes(saved(tmp_path, "c.txt", f"sky\n{name}\nroad\n"))
    assert classes.names == ("sky", "road")
    assert classes.numbers == (0, 2) and classes.void == (1, 255)


@pytest.mark.parametrize(
    "content",
    [
        ["sky", "dog"],
        {"names": ["sky", "dog"]},
        {"classes": ["sky", "dog"]},
        {"0": "sky", "1": "dog"},
        {"names": {"1": "dog", "0": "sky"}},
        [{"name": "sky"}, {"name": "dog"}],
    ],
)
def test_json_lists_names_in_the_usual_ways(tmp_path, content):
    classes = read_classes(saved(tmp_path, "c.json", content))
    assert classes.names == ("sky", "dog") and classes.numbers == (0, 1)


def test_json_can_say_more(tmp_path):
    rows = [
        {"name": "dog", "id": 5, "isthing": 1, "color": [1, 2, 3]},
        {"name": "sky", "id": 2, "isthing": 0, "color": "#040506"},
    ]
    classes = read_classes(saved(tmp_path, "c.json", {"categories": rows, "void": [0]}))
    assert classes.names == ("sky", "dog") and classes.numbers == (2, 5)
    assert classes.is_thing == (False, True) and classes.colours == ((4, 5, 6), (1, 2, 3))
    assert classes.void == (0, 255)


@pytest.mark.parametrize(
    "text",
    [
        "path: .\nnames:\n  0: sky\n  1: 'big dog'\nnc: 2\n",
        'train: images\nnames: ["sky", "big dog"]\n',
        "names:\n- sky\n- big dog\n",
        '{"names": ["sky", "big dog"]}'.replace("{", "").replace("}", ""),
        "names:\n  0: sky  # and clouds\n\n  # animals\n  1: big dog\n",
        "names: ['sky',\n  big dog,  # the last\n]\n",
    ],
)
def test_yolo_s_names_are_read(tmp_path, text):
    assert read_classes(saved(tmp_path, "data.yaml", text)).names == ("sky", "big dog")


def test_yolo_s_names_are_text_and_none_is_void(tmp_path):
    text = "names: ['it''s', no, 7, ignore, \"a, b\"]\n"
    classes = read_classes(saved(tmp_path, "data.yaml", text))
    assert classes.names == ("it's", "no", "7", "ignore", "a, b")
    assert classes.numbers == (0, 1, 2, 3, 4)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("c.txt", "", "names that are not empty"),
        ("c.txt", "a\n\nb", "line 2 is empty"),
        ("c.txt", "a\na", "got a twice"),
        ("c.json", "[", "no whole JSON"),
        ("c.json", "", "it is empty"),
        ("c.json", "7", "got one that is none"),
        ("c.json", [1], "entry 0 must be a name, got 1"),
        ("c.json", [{"title": "a"}], "'name'"),
        ("c.json", {"1": "a"}, "got one that is none"),
        ("c.json", [{"name": "a", "color": [1, 2, 300]}], "parts from 0 to 255"),
        ("c.json", [{"name": "a", "color": "red"}], "got one that is none"),
        ("c.json", [{"name": "a", "color": "#0102"}], "got one that is none"),
        ("c.json", [{"name": "a", "color": []}], "got one that is none"),
        ("c.yaml", "path: .", "it has no list of names"),
        ("c.yaml", "names: sky", "it has no list of names"),
        ("c.yaml", "names: [[sky]]", "it has no list of names"),
        ("c.yaml", "names: {0: sky, 2: dog}", "got one that is none"),
        ("c.yaml", "names: [sky", "expected ',' or ']'"),
    ],
)
def test_files_that_list_no_classes_are_named(tmp_path, name, content, match):
    file = saved(tmp_path, name, content)
    with pytest.raises(DataError, match=match) as caught:
        read_classes(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
