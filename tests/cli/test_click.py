import io
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from maskwright.cli.main import run
from maskwright.inference.answer import Answer
from maskwright.inference.click import Clicker
from maskwright.structures import rle
from maskwright.structures.box import Box
from maskwright.structures.click import Click

HEIGHT, WIDTH = 139, 211
POINTS = ["--point", "100,60", "--point", "30.5,17,-"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with photo.png, other.png and mask.png."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(photo).save("photo.png", dpi=(300, 300))
    Image.fromarray(photo[::-1].copy()).save("other.png")
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[40:90, 60:150] = 255
    Image.fromarray(mask).save("mask.png")
    return tmp_path


@pytest.fixture
def click(folder, click_weights):
    def click(*arguments):
        model = [] if "--model" in arguments else ["--model", str(click_weights)]
        return run(["click", *map(str, arguments), *model])

    return click


@pytest.fixture
def talk(click, monkeypatch, capsys):
    """Hold a dialogue: takes lines, returns the exit code and the answers."""

    def talk(lines, *arguments, photo="photo.png"):
        text = b"".join(
            (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n"
            for line in lines
        )

        class Pipe:
            buffer = io.BytesIO(text)

        monkeypatch.setattr(sys, "stdin", Pipe)
        code = click(photo, "--interactive", *arguments)
        out = capsys.readouterr().out
        return code, [json.loads(line) for line in out.splitlines()]

    return talk


@pytest.fixture(scope="module")
def clicker(click_weights):
    return Clicker.load(click_weights)


def pixels(name):
    with Image.open(name) as image:
        return np.asarray(image)


def dialogue(clicker, *clicks):
    """Return the answer to clicks made one after the other."""
    features, answer = clicker.encode("photo.png"), None
    for one in clicks:
        answer = clicker.answer(features, [one], answer)
    return answer


def test_points_make_a_mask(click, clicker, capsys):
    assert click("photo.png", *POINTS, "-o", "out.png") == 0
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("out.png (") and err.count("\n") == 1
    expected = dialogue(clicker, Click(100, 60), Click(30.5, 17, positive=False)).mask
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(pixels("out.png"), expected * np.uint8(255))
    with Image.open("out.png") as image:
        assert image.mode == "L" and image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_a_box_or_a_mask_is_a_start(click, clicker):
    assert click("photo.png", "--box", "20,30,150,120", "-o", "box.png") == 0
    features = clicker.encode("photo.png")
    answer = clicker.answer(features, box=Box(20, 30, 150, 120))
    np.testing.assert_array_equal(pixels("box.png") > 0, answer.mask)
    assert click("photo.png", "--mask", "mask.png", "--point", "5,5,-", "-o", "cut.png") == 0
    start = clicker.start(features, "mask.png")
    answer = clicker.answer(features, [Click(5, 5, positive=False)], start)
    np.testing.assert_array_equal(pixels("cut.png") > 0, answer.mask)


def test_features_are_written_once_and_read_again(click, folder, capsys):
    assert click("photo.png", *POINTS, "-o", "a.png", "--features", "f.safetensors") == 0
    written = (folder / "f.safetensors").stat().st_mtime_ns
    assert click("photo.png", *POINTS, "-o", "b.png", "--features", "f.safetensors") == 0
    assert (folder / "f.safetensors").stat().st_mtime_ns == written
    np.testing.assert_array_equal(pixels("a.png"), pixels("b.png"))


def test_features_of_something_else_are_one_line_and_no_mask(click, folder, tmp_path, capsys):
    features = ["--features", "f.safetensors", "-o", "x.png", "--point", "5,5"]
    assert click("photo.png", *features[:2], "-o", "a.png", "--point", "5,5") == 0
    capsys.readouterr()
    assert click("other.png", *features) == 2
    assert "other.png: expected the photo that was encoded, got other pixels" in one_line(capsys)
    file = folder / "f.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    assert click("photo.png", *features) == 2
    assert "f.safetensors: expected a features file, got one that is cut off" in one_line(capsys)
    file.write_bytes(content)
    assert click("photo.png", *features, "--model", other_weights(folder)) == 2
    assert "expected features made with these weights" in one_line(capsys)
    assert not (folder / "x.png").exists() and file.read_bytes() == content


def other_weights(folder):
    from small_networks import SMALL, network

    from maskwright.weights.load import save_model

    state = network(SMALL).state_dict()
    path = folder / "other.safetensors"
    return save_model(path, state, paper="interformer", config=SMALL, source="random")


def one_line(capsys):
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1, err
    return err


@pytest.mark.parametrize(
    "arguments,message",
    [
        (["--point", f"{WIDTH},5"], "a click must lie in the photo, 0 <= x < 211 and 0 <= y < 139"),
        (["--point", "-1,5"], r"got (-1.0, 5.0)"),
        (["--point", "nan,5"], "a click needs two finite coordinates"),
        (["--point", "5"], "--point must be X,Y or X,Y,- in pixels"),
        (["--point", "5,6,7"], "--point must be X,Y or X,Y,- in pixels"),
        (["--box", "1,2,3"], "--box must be X0,Y0,X1,Y1"),
        (["--box", "9,2,3,4"], "a box needs x0 < x1 and y0 < y1"),
        (["--box", "300,2,400,4"], "a box must touch the photo"),
        (
            ["--mask", "mask.png"],
            "--mask is only where a selection starts from; nothing says where",
        ),
        (["--mask", "no.png", "--point", "1,1"], "there is no file no.png"),
        ([], "nothing says where the object is"),
        (["--point", "1,1", "-o", "x.gif"], "-o must end with"),
        (["--point", "1,1", "--model", "interformer-maxi"], "expected a model's name"),
        (["--point", "1,1", "--interactive", "--json"], "--interactive needs standard input"),
    ],
)
def test_wrong_use_is_one_line(click, folder, capsys, arguments, message):
    assert click("photo.png", "-o", "x.png", *arguments) == 1
    assert message in one_line(capsys)
    assert not (folder / "x.png").exists()


def test_an_empty_selection_is_told(click, monkeypatch, capsys):
    nothing = property(lambda self: np.zeros((HEIGHT, WIDTH), np.bool_))
    monkeypatch.setattr(Answer, "mask", nothing)
    assert click("photo.png", "--point", "5,5", "-o", "empty.png") == 0
    assert "photo.png: nothing was selected there; add a --point" in capsys.readouterr().err
    assert not pixels("empty.png").any()


def test_a_dialogue_that_ends_without_a_mask_says_so(talk, folder):
    code, _ = talk([{"x": 100, "y": 50}, {"object": 2}], "-o", "out.png")
    assert code == 2 and not (folder / "out.png").exists()
    assert talk([], "-o", "out.png")[0] == 2
    assert talk([{"x": 100, "y": 50}], "-o", "out.png")[0] == 0


def test_a_folder_an_absent_photo_and_no_place_to_go_are_wrong_use(click, capsys):
    assert click(".", "--point", "1,1", "-o", "x.png") == 1
    assert "expected one photo to click on, . is a folder" in one_line(capsys)
    assert click("no.png", "--point", "1,1", "-o", "x.png") == 1
    assert "there is no no.png" in one_line(capsys)
    assert click("photo.png", "--point", "1,1") == 1
    assert "the mask needs a place to go" in one_line(capsys)


def test_a_damaged_photo_and_an_existing_mask_fail(click, folder, capsys):
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for more in ([], ["--interactive"]):
        assert click("broken.png", "--point", "1,1", "-o", "x.png", *more) == 2
        assert "broken.png" in one_line(capsys)
    assert click("photo.png", "--point", "1,1", "-o", "mask.png") == 2
    assert "mask.png: exists already" in one_line(capsys)


@pytest.mark.parametrize("size", [(1, 1), (100, 20000)])
def test_photos_of_any_shape(click, size):
    Image.fromarray(np.full((*size, 3), 99, np.uint8)).save("odd.png")
    middle = f"{size[1] / 2},{size[0] / 2}"
    assert click("odd.png", "--point", middle, "-o", "out.png") == 0
    assert pixels("out.png").shape == size
    if size == (1, 1):
        assert pixels("out.png").item() == 255


def test_a_dialogue_answers_each_line_with_a_line(talk, clicker):
    lines = [{"x": 100, "y": 60, "positive": True}, {"x": 30.5, "y": 17, "positive": False}]
    code, answers = talk([*lines, {"undo": True}, {"redo": True}, {"reset": True}])
    assert code == 0 and len(answers) == 5
    first = dialogue(clicker, Click(100, 60))
    second = dialogue(clicker, Click(100, 60), Click(30.5, 17, positive=False))
    for answer, expected in zip(answers, [first, second, first, second], strict=False):
        assert answer["rle"] == expected.rle and answer["area"] == expected.area
        assert answer["milliseconds"] > 0 and answer["object"] == 1
    assert answers[4]["area"] == 0 and not rle.decode(answers[4]["rle"]).any()


def test_objects_are_spoken_of_by_number(talk):
    at = {"x": 100, "y": 60}
    lines = [
        at,
        {"object": 2},
        {"x": 9, "y": 9},
        {"object": 1},
        {"object": 3, **at},
        {"undo": True},
    ]
    _, answers = talk(lines)
    assert [answer["object"] for answer in answers] == [1, 2, 2, 1, 3, 3]
    assert answers[1]["area"] == 0 and answers[5]["area"] == 0
    assert answers[3]["rle"] == answers[0]["rle"] == answers[4]["rle"]


def test_boxes_scribbles_and_masks_are_lines_too(talk):
    _, answers = talk([
        {"mask": "mask.png"},
        {"scribble": [[30, 20], [80, 20]], "positive": False},
        {"undo": True},
        {"box": [20, 30, 150, 120]},
    ])
    assert [("error" in answer) for answer in answers] == [False] * 4
    np.testing.assert_array_equal(rle.decode(answers[0]["rle"]), pixels("mask.png") > 0)
    assert answers[2]["rle"] == answers[0]["rle"] != answers[1]["rle"]


def test_masks_are_saved_whole_and_replaced_only_if_they_are_ours(talk, folder):
    before = (folder / "mask.png").read_bytes()
    at = {"x": 100, "y": 60}
    lines = [{"save": "new.png"}, at, {"save": "new.png"}, {"x": 9, "y": 9}, {"save": "new.png"}]
    _, answers = talk([*lines, {"save": "mask.png"}, {"save": "new.gif"}, {"save": 3}])
    assert "no mask of object 1 to save" in answers[0]["error"]
    assert answers[2]["saved"] == "new.png" and answers[2]["rle"] == answers[1]["rle"]
    np.testing.assert_array_equal(pixels("new.png") > 0, rle.decode(answers[4]["rle"]))
    assert "mask.png: exists already" in answers[5]["error"]
    assert (folder / "mask.png").read_bytes() == before
    assert all("save must name a file" in answer["error"] for answer in answers[6:])
    left = {path.name for path in folder.iterdir()}
    assert left == {"photo.png", "other.png", "mask.png", "new.png"}


def test_the_photo_itself_is_never_replaced(talk, folder):
    before = (folder / "photo.png").read_bytes()
    lines = [{"x": 100, "y": 60}, {"save": "photo.png"}, {"save": f"{folder}/./photo.png"}]
    _, answers = talk(lines, "--overwrite")
    assert all("would replace the photo itself" in answer["error"] for answer in answers[1:])
    assert (folder / "photo.png").read_bytes() == before


@pytest.mark.parametrize(
    "line,message",
    [
        (b"", "a line must be a JSON object"),
        (b"{", "a line must be a JSON object"),
        (b"\xff\xfe\x00", "a line must be a JSON object"),
        (b"[" * 100_000, "a line must be a JSON object"),
        (b'{"x": NaN, "y": 3}', "two finite coordinates"),
        (b'{"x": 1' + b"0" * 400 + b', "y": 3}', "x and y must be 2 numbers"),
        ([1, 2], "a line must be a JSON object"),
        ({}, "a line must ask for one thing"),
        ({"x": 5}, "a click needs x and y"),
        ({"y": 5}, "a line must ask for one thing"),
        ({"x": "5", "y": 5}, "x and y must be 2 numbers"),
        ({"x": True, "y": 5}, "x and y must be 2 numbers"),
        ({"x": WIDTH, "y": 5}, "a click must lie in the photo"),
        ({"x": 5, "y": 5, "positive": "no"}, "a click is positive"),
        ({"x": 5, "y": 5, "positve": False}, "a line must ask for one thing"),
        ({"x": 5, "y": 5, "undo": True}, "a line must ask for one thing"),
        ({"undo": False}, "undo must be true"),
        ({"redo": True}, "nothing to redo"),
        ({"object": 0}, "object must be a whole number"),
        ({"object": True}, "object must be a whole number"),
        ({"object": 7, "undo": True}, "nothing to undo about object 7"),
        ({"box": [1, 2, 3]}, "box must be 4 numbers"),
        ({"box": [9, 2, 3, 4]}, "a box needs x0 < x1"),
        ({"scribble": []}, "a scribble needs one point"),
        ({"scribble": 5}, r"scribble must be a list of [x, y]"),
        ({"scribble": [[1]]}, "a point of a scribble must be 2 numbers"),
        ({"mask": 5}, "mask must name a file"),
        ({"mask": "none.png"}, "none.png"),
        ({"mask": "photo.png"}, "expected a grey picture"),
    ],
)
def test_a_wrong_line_is_answered_and_changes_nothing(talk, line, message):
    code, answers = talk([
        {"x": 100, "y": 60},
        line,
        {"object": 1},
        {"x": 9, "y": 9},
        {"undo": True},
    ])
    assert code == 0 and len(answers) == 5
    assert list(answers[1]) == ["error"] and message in answers[1]["error"]
    assert answers[2]["rle"] == answers[4]["rle"] == answers[0]["rle"] != answers[3]["rle"]


def test_at_the_end_the_mask_goes_to_the_output(talk, folder):
    code, answers = talk([{"x": 9, "y": 9}], "--point", "100,60", "-o", "out.png")
    assert code == 0
    np.testing.assert_array_equal(pixels("out.png") > 0, rle.decode(answers[0]["rle"]))
    assert talk([], "-o", "none.png") == (2, []) and not (folder / "none.png").exists()


def test_a_program_can_talk_to_it(folder, click_weights):
    command = [sys.executable, "-m", "maskwright", "click", "photo.png", "--interactive"]
    process = subprocess.Popen(
        [*command, "--model", str(click_weights), "-q"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    impatience = threading.Timer(120, process.kill)
    impatience.start()
    with process:
        for at in (100, 5000, 9):  # each answer comes before the next line is written
            process.stdin.write(json.dumps({"x": at, "y": 60}) + "\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            assert ("error" in answer) == (at == 5000)
        out, err = process.communicate()
    impatience.cancel()
    assert process.returncode == 0 and out == err == ""
