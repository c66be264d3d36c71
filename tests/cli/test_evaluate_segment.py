import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from maskwright.cli.main import run
from maskwright.formats.annotated import Annotated
from maskwright.formats.coco import write_coco
from maskwright.formats.label_map import write_label_map
from maskwright.formats.labelme import write_labelme
from maskwright.formats.palette import write_palette
from maskwright.formats.panoptic import write_panoptic
from maskwright.formats.yolo import write_yolo
from maskwright.models import mask2former
from maskwright.models.mask2former.config import MINI
from maskwright.structures import rle
from maskwright.structures.class_list import ClassList
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import Segmentation
from maskwright.weights.load import save_model

CAMVID = Path(__file__).parents[3] / "shared/data/camvid/val"
CLASSES = ClassList(("sky", "person", "dog", "car"), is_thing=(False, True, True, True))
SIZE = (61, 83)
SEEN = {"panoptic": ["--score", "0.2", "--overlap", "0"], "instance": [], "semantic": []}


def random_weights(path, **changes):
    """Write a network of random weights that is sure of a few things."""
    config = replace(
        MINI, queries=12, width=32, heads=2, pixel_layers=1, layers=3, short_side_px=64, **changes
    )
    torch.manual_seed(1)
    model = mask2former.build(config)
    with torch.no_grad():
        model.decoder.classify.weight.mul_(20)
        for parameter in model.decoder.embed.parameters():
            parameter.mul_(2)
    save_model(path, model.state_dict(), paper="mask2former", config=config, source="a test")
    return str(path)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return random_weights(folder / "m.safetensors", names=CLASSES.names, things=CLASSES.is_thing)


def segmentation(task="panoptic", *, is_crowd=False):
    """Return a sky above, a person and a car."""
    segments = []
    boxes = ((0, 0, 0, 20, 83), (1, 22, 3, 60, 30), (3, 30, 40, 58, 80))
    for number, (category, top, left, bottom, right) in enumerate(boxes, start=1):
        mask = np.zeros(SIZE, bool)
        mask[top:bottom, left:right] = True
        segments.append(
            Segment(
                number,
                category,
                CLASSES.names[category],
                rle.encode(mask),
                is_thing=CLASSES.is_thing[category],
                is_crowd=is_crowd and category == 1,
            )
        )
    return Segmentation(SIZE, task, CLASSES.names, tuple(segments))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder: photos a, b, and their truth for each task."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    (tmp_path / "semantic").mkdir()
    for name in "ab":
        photo = rng.integers(0, 256, (*SIZE, 3), np.uint8)
        Image.fromarray(photo).save(tmp_path / f"images/{name}.png")
        labels = np.full(SIZE, 255, np.uint8)
        labels[:20], labels[22:60, 3:30], labels[30:58, 40:80] = 0, 1, 3
        Image.fromarray(labels).save(tmp_path / f"semantic/{name}.png")
    write_truth(tmp_path)
    (tmp_path / "classes.json").write_text(
        json.dumps([
            {"name": name, "isthing": thing}
            for name, thing in zip(CLASSES.names, CLASSES.is_thing, strict=True)
        ])
    )
    return tmp_path


def write_truth(folder, **how):
    items = {
        task: [Annotated(f"{name}.png", segmentation(task, **how)) for name in "ab"]
        for task in ("panoptic", "instance")
    }
    write_panoptic(folder / "panoptic.json", items["panoptic"], classes=CLASSES, overwrite=True)
    write_coco(folder / "instance.json", items["instance"], classes=CLASSES, overwrite=True)


LABELS = {"semantic": "semantic", "panoptic": "panoptic.json", "instance": "instance.json"}


def asked(task, *more, labels=None):
    truth = ["--images", "images", "--labels", labels or LABELS[task], "--classes", "classes.json"]
    return run(["evaluate", task, *truth, *map(str, more)])


@pytest.fixture
def evaluate(folder, weights):
    def evaluate(task, *more, **how):
        return asked(task, "--model", weights, "--device", "cpu", *SEEN[task], *more, **how)

    return evaluate


KEYS = {
    "semantic": {"miou", "fwiou", "pixel_accuracy"},
    "panoptic": {f"{s}{part}" for s in ("pq", "sq", "rq") for part in ("", "_things", "_stuff")},
    "instance": {"ap", "ap50", "boundary_ap"},
}


@pytest.mark.parametrize("task", KEYS)
def test_a_network_is_scored_and_the_report_written(evaluate, folder, capsys, task):
    assert evaluate(task, "--json", "scores.json") == 0
    told, report = capsys.readouterr().out, json.loads((folder / "scores.json").read_text())
    assert KEYS[task] <= report.keys() and all(0 <= report[key] <= 1 for key in KEYS[task])
    assert (report["images"], report["failed"], report["task"]) == (2, 0, task)
    assert list(report["per_class"]) == list(CLASSES.names)
    assert [row["name"] for row in report["per_image"]] == ["a", "b"]
    assert "kept" not in report["per_image"][0]
    assert told.startswith("class ") and told.endswith("2 images\n")
    assert not (folder / "scores.rows.jsonl").exists()


@pytest.mark.parametrize("task", KEYS)
def test_what_segment_writes_is_scored_as_the_network_is(evaluate, folder, weights, capsys, task):
    reports = []
    out = folder / "found"
    form = ["png"] if task == "semantic" else ["coco"]
    looks = ["--task", task, *(SEEN[task] or ["--score", "0"]), "--device", "cpu", "-q"]
    assert (
        run(["segment", "images", "-o", f"{out}/", "--model", weights, "--format", *form, *looks])
        == 0
    )
    place = out if task == "semantic" else out / "annotations.json"
    labels = None if task == "semantic" else str(place)  # else a random network has no score
    assert evaluate(task, "--json", "-", labels=labels) == 0
    reports.append(json.loads(capsys.readouterr().out))
    assert asked(task, "--predictions", place, "--json", "-", labels=labels) == 0
    reports.append(json.loads(capsys.readouterr().out))
    first, second = ({key: report[key] for key in KEYS[task]} for report in reports)
    assert first == second and any(first.values())
    assert reports[0]["per_class"] == reports[1]["per_class"]


@pytest.mark.parametrize("task", KEYS)
def test_the_truth_itself_has_full_scores(folder, capsys, task):
    assert asked(task, "--predictions", LABELS[task], "--json", "-") == 0
    report = json.loads(capsys.readouterr().out)
    assert {report[key] for key in KEYS[task]} == {1.0}


def other_names(task):
    """Return the three segments in classes of another order, one of them unknown to the truth."""
    names = ("car", "zebra", "person", "sky")
    found = segmentation(task)
    segments = [
        replace(s, category_id=names.index(s.category), category=s.category) for s in found.segments
    ]
    mask = np.zeros(SIZE, bool)
    mask[59:, 50:60] = True  # where nothing else is
    segments.append(Segment(4, 1, "zebra", rle.encode(mask)))
    return Segmentation(SIZE, task, names, tuple(segments))


def write_predictions(form, task):
    """Write them for both photos and return their path."""
    items = [Annotated(f"{name}.png", other_names(task)) for name in "ab"]
    if form == "coco":
        (write_panoptic if task == "panoptic" else write_coco)("found.json", items)
        return "found.json"
    if form == "yolo":
        write_yolo("found", items)
    for item in items:
        stem = f"found/{Path(item.name).stem}"
        if form == "labelme":
            write_labelme(f"{stem}.json", item)
        if form == "png":
            write_label_map(f"{stem}.png", item.segmentation)
    return "found"


@pytest.mark.parametrize(
    ("form", "task"),
    [
        ("coco", "panoptic"),
        ("coco", "instance"),
        ("labelme", "instance"),
        ("yolo", "instance"),
        ("yolo", "semantic"),
        ("png", "panoptic"),
        ("png", "instance"),
        ("png", "semantic"),
    ],
)
def test_predictions_are_found_by_name_and_foreign_classes_left_out(folder, capsys, form, task):
    if (form, task) == ("png", "semantic"):
        write_predictions(form, "panoptic")
        place = "found"
    else:
        place = write_predictions(form, "instance" if form == "yolo" else task)
    assert asked(task, "--predictions", place, "--json", "-") == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert (report["images"], report["failed"]) == (2, 0)
    assert {report[key] for key in KEYS[task]} == {1.0}
    assert "does not know 1 classes of the predictions, which are left out: zebra" in err


def test_objects_of_wrong_classes_alone_score_nothing(folder, capsys):
    for name in "ab":
        found = segmentation("instance")
        names = ("zebra", "fox", "cow", "emu")
        segments = [replace(s, category=names[s.category_id]) for s in found.segments]
        found = Segmentation(SIZE, "instance", names, tuple(segments))
        write_labelme(folder / "found" / f"{name}.json", Annotated(f"{name}.png", found))
    assert asked("instance", "--predictions", "found", "--json", "-") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["ap"] == 0 and "does not know 3 classes of the predictions" in err


def test_a_picture_of_nothing_found_is_scored_as_nothing_found(folder, capsys):
    items = [Annotated("a.png", segmentation("semantic"))]
    items.append(Annotated("b.png", Segmentation(SIZE, "semantic", CLASSES.names, ())))
    for item in items:
        write_palette(folder / "palette" / item.name, item.segmentation)
        write_label_map(folder / "maps" / item.name, item.segmentation)
    scores = []
    for place in ("palette", "maps"):
        assert asked("semantic", "--predictions", place, "--json", "-") == 0
        report = json.loads(capsys.readouterr().out)
        assert (report["images"], report["failed"]) == (2, 0)
        scores.append({key: report[key] for key in KEYS["semantic"]})
    assert scores[0] == scores[1] and scores[0]["miou"] == 0.5
    (folder / "semantic" / "b.png").write_bytes((folder / "palette" / "b.png").read_bytes())
    assert asked("semantic", "--predictions", "palette") == 2  # as truth it is a slip
    assert "labels must have a class somewhere" in capsys.readouterr().err


def test_the_numbers_of_yolo_are_those_of_its_own_list(folder, capsys):
    labels = folder / "truth"
    for name in "ab":
        write_labelme(labels / f"{name}.json", Annotated(f"{name}.png", segmentation("instance")))
    write_predictions("yolo", "instance")
    asks = ["evaluate", "instance", "--images", "images", "--labels", "truth", "--json", "-"]
    for place in ("found", "found/labels"):
        assert run([*asks, "--predictions", place]) == 0
        report = json.loads(capsys.readouterr().out)
        assert [row["ap"] for row in report["per_class"].values()] == [1.0] * 3
    Path("found/data.yaml").rename("names.yaml")
    Path("found").rename("elsewhere")
    asks += ["--predictions", "elsewhere/labels"]
    assert run(asks) == 1
    err = capsys.readouterr().err
    assert "need a list of classes; give a data.yaml beside their folder, or --classes" in err
    assert run([*asks, "--classes", "names.yaml"]) == 0
    assert json.loads(capsys.readouterr().out)["per_class"]["person"]["ap"] == 1.0


@pytest.mark.parametrize("task", ["panoptic", "instance"])
def test_a_crowd_region_of_the_truth_is_neither_found_nor_missed(folder, capsys, task):
    shutil.copytree("panoptic", "found")
    for kind in ("panoptic", "instance"):
        shutil.copy(f"{kind}.json", f"found-{kind}.json")
    shutil.move("found", "found-panoptic")
    write_truth(folder, is_crowd=True)
    assert asked(task, "--predictions", f"found-{task}.json", "--json", "-") == 0
    report = json.loads(capsys.readouterr().out)
    assert {report[key] for key in KEYS[task]} == {1.0}
    person = report["per_class"]["person"]
    assert person.get("ap") is None and person.get("pq") is None
    assert asked(task, "--predictions", f"{task}.json") == 2  # but nobody may predict one
    err = capsys.readouterr().err
    assert "a.png: a prediction is of single objects, segment 2 (person) is a crowd region" in err
    assert err.count("\n") == 2


def test_a_confusion_is_drawn(evaluate, folder):
    assert evaluate("semantic", "--confusion", "c.png") == 0
    with Image.open("c.png") as picture:
        assert picture.format == "PNG" and picture.width > 160


def test_several_views_are_averaged(evaluate, capsys):
    scores = []
    for more in ([], ["--scales", "0.5,1", "--mirrored"], ["--short-side", "96"]):
        assert evaluate("semantic", "--json", "-", *more) == 0
        report = json.loads(capsys.readouterr().out)
        scores.append((report["miou"], report["pixel_accuracy"]))
    assert (report["scales"], report["short_side"]) == ([1.0], 96)
    assert len(set(scores)) == 3


def test_thresholds_change_what_is_found(evaluate, capsys):
    found = []
    for more in ([], ["--most", "1"], ["--score", "1"]):
        assert evaluate("instance", "--json", "-", *more) == 0
        found.append(json.loads(capsys.readouterr().out)["per_image"][1]["found"])
    assert found[0] > found[1] >= found[2] == 0
    wrong = []
    for more in ([], ["--score", "1"], ["--overlap", "1"]):
        assert evaluate("panoptic", "--json", "-", *more) == 0
        rows = json.loads(capsys.readouterr().out)["per_class"].values()
        wrong.append(sum(row["wrong"] for row in rows))
    assert wrong[0] > wrong[1] == 0 and wrong[0] > wrong[2]


@pytest.mark.parametrize("task", KEYS)
def test_a_stopped_run_goes_on_where_it_was(evaluate, folder, capsys, task):
    assert evaluate(task, "--json", "whole.json") == 0
    whole = (folder / "images/b.png").read_bytes()
    (folder / "images/b.png").write_bytes(b"no photo")
    assert evaluate(task, "--json", "scores.json") == 2
    kept = folder / "scores.rows.jsonl"
    assert kept.read_text().count("\n") == 2  # settings, and the photo that was scored
    (folder / "images/b.png").write_bytes(whole)
    assert evaluate(task, "--json", "scores.json", "--overwrite") == 0
    resumed, report = (json.loads(Path(f"{n}.json").read_text()) for n in ("scores", "whole"))
    assert resumed == report and not kept.exists()


def test_kept_scores_are_used_until_a_label_file_changes(evaluate, folder, capsys):
    whole = (folder / "images/b.png").read_bytes()
    (folder / "images/b.png").write_bytes(b"no photo")
    assert evaluate("semantic", "--json", "scores.json") == 2
    kept = folder / "scores.rows.jsonl"
    lines = kept.read_text().splitlines(keepends=True)
    record = json.loads(lines[1])
    record["scores"]["miou"] = 0.875
    kept.write_text(lines[0] + json.dumps(record) + "\n")
    assert evaluate("semantic", "--json", "scores.json", "--overwrite") == 2
    assert json.loads(Path("scores.json").read_text())["per_image"][0]["miou"] == 0.875
    shutil.copy("semantic/a.png", "semantic/c.png")
    shutil.move("semantic/c.png", "semantic/a.png")
    (folder / "images/b.png").write_bytes(whole)
    assert evaluate("semantic", "--json", "scores.json", "--overwrite") == 0
    assert json.loads(Path("scores.json").read_text())["per_image"][0]["miou"] != 0.875


def change(file, what):
    content = json.loads(Path(file).read_text())
    what(content)
    Path(file).write_text(json.dumps(content))


def paint(file, values):
    Image.fromarray(np.asarray(values, np.uint8)).save(file)


def overlapping():
    """Let the person of a.png, an object of instance labels, cover the sky, too."""
    change(
        "instance.json",
        lambda c: c["annotations"][1].update(
            c["annotations"][0] | {"id": 2, "category_id": c["annotations"][1]["category_id"]}
        ),
    )


BAD = {
    "void everywhere": (
        "semantic",
        lambda: paint("semantic/a.png", np.full(SIZE, 255)),
        "semantic/a.png: labels must have a class somewhere, got void (255) everywhere",
    ),
    "empty file": (
        "semantic",
        lambda: Path("semantic/a.png").write_bytes(b""),
        "semantic/a.png",
    ),
    "wrong size": (
        "semantic",
        lambda: paint("semantic/a.png", np.zeros((7, 9))),
        "images/a.png: labels must be as large as their photo, 83 x 61, got 9 x 7",
    ),
    "unknown label": (
        "semantic",
        lambda: paint("semantic/a.png", np.full(SIZE, 77)),
        "semantic/a.png: a label must be the number of one of the 4 classes",
    ),
    "overlap": (
        "panoptic",
        overlapping,
        "images/a.png: segments may not overlap, got 1 (sky) and 2 (person)",
    ),
    "unknown category": (
        "instance",
        lambda: change("instance.json", lambda c: c["annotations"][1].update(category_id=99)),
        "instance.json: annotation 2 of a.png: category_id must be one of the list of categories,"
        " got 99",
    ),
    "two points": (
        "instance",
        lambda: change(
            "instance.json", lambda c: c["annotations"][2].update(segmentation=[[1, 2, 3, 4]])
        ),
        "instance.json: annotation 3 of a.png: polygon 0 must have three points or more, got 2",
    ),
    "empty mask": (
        "instance",
        lambda: change(
            "instance.json",
            lambda c: c["annotations"][0]["segmentation"].update(rle.encode(np.zeros(SIZE, bool))),
        ),
        "instance.json: annotation 1 of a.png: segment 1 (sky) must have one pixel or more",
    ),
    "map without a segment": (
        "panoptic",
        lambda: change("panoptic.json", lambda c: c["annotations"][0]["segments_info"].pop()),
        "panoptic/a.png: every segment must be in segments_info of panoptic.json",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_labels_are_one_line_that_names_file_and_object(folder, capsys, kind):
    task, spoil, line = BAD[kind]
    labels = LABELS[task]
    shutil.copytree("panoptic", "good")
    for good in ("instance", "panoptic"):
        shutil.copy(f"{good}.json", "good.json" if good == "panoptic" else "good-instance.json")
    found = {"semantic": "good-semantic", "panoptic": "good.json", "instance": "good-instance.json"}
    shutil.copytree("semantic", "good-semantic")
    spoil()
    if kind == "overlap":
        labels = "instance.json"
    assert asked(task, "--predictions", found[task], "--json", "s.json", labels=labels) == 2
    err = capsys.readouterr().err
    assert line in err and err.count("\n") == 1
    report = json.loads(Path("s.json").read_text())
    assert (report["images"], report["failed"]) == (1, 1)
    assert report["per_image"][0]["error"] in err
    assert [report[key] for key in KEYS[task]] == pytest.approx(
        [1.0] * len(KEYS[task])
    )  # of the other photo


@pytest.mark.parametrize("task", ["panoptic", "instance"])
def test_a_truncated_json_ends_the_run_before_it_begins(folder, capsys, task):
    file = Path(f"{task}.json")
    shutil.copy(file, "good.json")
    file.write_bytes(file.read_bytes()[:-40])
    before = sorted(folder.rglob("*"))
    assert asked(task, "--predictions", "good.json", "--json", "s.json") == 2
    err = capsys.readouterr().err
    assert f"{task}.json" in err and err.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_a_photo_without_a_prediction_ends_the_run_before_it_begins(folder, capsys):
    items = [Annotated("a.png", segmentation("instance"))]
    write_coco("found.json", items, classes=CLASSES)
    assert asked("instance", "--predictions", "found.json", "--json", "s.json") == 2
    assert "must have a prediction, there is none for 1: images/b.png" in capsys.readouterr().err
    assert not Path("s.json").exists()


def test_names_decide_which_class_is_which(folder, tmp_path, weights, capsys):
    Path("other.txt").write_text("car\nperson\nsky\nvoid\n")
    for name in "ab":
        labels = np.full(SIZE, 3, np.uint8)
        labels[:20], labels[22:60, 3:30], labels[30:58, 40:80] = 2, 1, 0
        paint(f"semantic/{name}.png", labels)
    truth = ["--images", "images", "--labels", "semantic", "--classes", "other.txt"]
    reports = []
    assert run(["evaluate", "semantic", *truth, "--model", weights, "--json", "-"]) == 0
    reports.append(json.loads(capsys.readouterr().out))
    unnamed = random_weights(tmp_path / "u.safetensors", classes=3)
    assert run(["evaluate", "semantic", *truth, "--model", unnamed, "--json", "-"]) == 0
    out, err = capsys.readouterr()
    assert list(reports[0]["per_class"]) == ["car", "person", "sky"]
    assert json.loads(out)["images"] == 2 and "taking them in the order of the truth's" in err


def test_a_task_the_network_was_not_trained_for_is_wrong_use(folder, tmp_path, capsys):
    model = random_weights(
        tmp_path / "s.safetensors", names=CLASSES.names, task="semantic", things=CLASSES.is_thing
    )
    assert asked("panoptic", "--model", model) == 1
    err = capsys.readouterr().err
    assert "trained for semantic segmentation alone" in err and err.count("\n") == 1


GIVEN = ["--images", "images", "--labels", "semantic"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (GIVEN, "give --model to score a network, or --predictions to score files"),
        ([*GIVEN, "--model", "m", "--predictions", "semantic"], "give --model to score a network"),
        (["--predictions", "semantic", "--images", "images"], "give --images and --labels, with"),
        (["--predictions", "semantic", "--root", "."], "--layout says which published set"),
        (["--predictions", "semantic", "--root", ".", "--layout", "voc"], "--layout must be coco,"),
        ([*GIVEN, "--predictions", "semantic", "--split", "val"], "--split says which part of"),
        ([*GIVEN, "--predictions", "nowhere"], "--predictions must be a file or folder, there is"),
        (
            [*GIVEN, "--predictions", "semantic"],
            "labels of this form need a list of classes; give --classes",
        ),
        ([*GIVEN, "--model", "nowhere"], "expected a model's name or a .safetensors file, got"),
        (
            [*GIVEN, "--predictions", "semantic", "--scales", "0"],
            "--scales must be all, or numbers",
        ),
        ([*GIVEN, "--predictions", "semantic", "--confusion", "c.jpg"], "--confusion must be a"),
    ],
)
def test_wrong_use_is_one_line(folder, capsys, arguments, line):
    assert run(["evaluate", "semantic", *arguments]) == 1
    err = capsys.readouterr().err
    assert line in err and err.count("\n") == 1


def test_earlier_files_are_kept(folder, capsys):
    for name, flag in (("s.json", "--json"), ("c.png", "--confusion")):
        Path(name).write_text("mine")
        assert asked("semantic", "--predictions", "semantic", flag, name) == 2
        assert f"{name}: exists already" in capsys.readouterr().err
        assert Path(name).read_text() == "mine"


def test_published_sets_are_read_in_their_layout(folder, capsys, weights):
    street = folder / "city"
    for kind, name in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_instanceIds")):
        (street / kind / "val/ulm").mkdir(parents=True)
        photo = np.zeros((*SIZE, 3), np.uint8)
        ids = np.full(SIZE, 23, np.uint16)
        ids[20:40, 10:60] = 26001
        picture = Image.fromarray(photo if kind == "leftImg8bit" else ids)
        picture.save(street / kind / f"val/ulm/ulm_0_0_{name}.png")
    assert (
        run([
            "evaluate",
            "panoptic",
            "--root",
            str(street),
            "--layout",
            "cityscapes",
            "--model",
            weights,
            "--json",
            "-",
            "-q",
        ])
        == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert report["per_class"]["car"]["missed"] + report["per_class"]["car"]["matched"] == 1
    assert (report["layout"], report["images"]) == ("cityscapes", 1)
    assert report["per_image"][0]["name"] == "ulm_0_0_leftImg8bit"
    ade = folder / "ade"
    for kind in ("images", "annotations"):
        (ade / kind / "validation").mkdir(parents=True)
        paint(ade / kind / "validation/x.png", np.full(SIZE, 3))
    for found in ("annotations", "images"):
        code = run([
            "evaluate",
            "semantic",
            "--root",
            str(ade),
            "--layout",
            "ade20k",
            "--predictions",
            str(ade / found / "validation"),
            "--json",
            "-",
        ])
        assert code == 0
        assert json.loads(capsys.readouterr().out)["per_class"]["sky"]["iou"] == 1


@pytest.mark.skipif(not CAMVID.is_dir(), reason="needs the shared data")
def test_camvid_is_scored(folder, capsys):
    Path("camvid.txt").write_text(
        "sky\nbuilding\npole\nroad\npavement\ntree\nsign\nfence\ncar\npedestrian\nbicyclist\nvoid\n"
    )
    for kind in ("images", "labels"):
        Path("camvid", kind).mkdir(parents=True)
        for file in sorted((CAMVID / kind).iterdir())[:3]:
            shutil.copy(file, f"camvid/{kind}/{file.name}")
    truth = ["--images", "camvid/images", "--labels", "camvid/labels", "--classes", "camvid.txt"]
    model = random_weights(folder / "m.safetensors", classes=11)
    assert run(["evaluate", "semantic", *truth, "--model", model, "--json", "-", "-q"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["images"] == 3 and len(report["per_class"]) == 11
    assert report["per_class"]["road"]["share"] > 0.1
