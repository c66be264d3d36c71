import numpy as np
import pytest

from maskwright.cli.hints import parse_hints
from maskwright.cli.main import run
from maskwright.errors import UsageError
from maskwright.image.io import write_image
from maskwright.inference.answer import Answer
from maskwright.inference.click import Clicker
from maskwright.structures.box import Box
from maskwright.structures.click import Click


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.jpg", "t.png"):
        (tmp_path / name).touch()


def hints(trimap=None, mask=None, band="auto", photos=("a.jpg",)):
    return parse_hints(trimap, mask, band, photos=list(photos))


def test_a_trimap_or_a_mask_with_its_band(here):
    assert hints("t.png").files.kind == "trimap"
    assert (hints(mask="t.png").files.kind, hints(mask="t.png").band) == ("mask", "auto")
    assert hints(mask="t.png", band="17").band == 17
    assert hints("-").files.path == "-"


@pytest.mark.parametrize(
    "given,message",
    [
        ({}, r"say where the object is with --point .* or --trimap .* finds it by itself"),
        ({"trimap": "t.png", "mask": "t.png"}, "--mask, --point and --box exclude it"),
        ({"trimap": "t.png", "band": "3"}, "--band belongs to masks"),
        ({"trimap": "x.png"}, "expected a trimap, there is no x.png"),
        ({"mask": "x.png"}, "expected a mask, there is no x.png"),
        ({"trimap": "-", "photos": ["-"]}, "needs one photo from a file"),
        ({"mask": "-", "photos": ["a.jpg", "b.jpg"]}, "needs one photo from a file"),
        ({"mask": "-", "photos": ["."]}, "needs one photo from a file"),
    ],
)
def test_other_hints_are_refused(here, given, message):
    with pytest.raises(UsageError, match=message):
        hints(**given)


PHOTO = np.random.default_rng(0).integers(0, 256, (139, 211, 3), np.uint8)


@pytest.fixture
def photo(tmp_path):
    write_image(tmp_path / "photo.png", PHOTO)
    return str(tmp_path / "photo.png")


def cutout(photo, output, *arguments, weights, click_weights):
    models = ["--model", str(weights), "--click-model", str(click_weights)]
    return run(["cutout", photo, "-o", str(output), "-q", *arguments, *models])


@pytest.mark.parametrize("start", [None, "mask.png"])
def test_points_and_a_box_become_the_mask_that_is_cut_out(
    photo, tmp_path, weights, click_weights, start
):
    said = [Click(100, 60), Click(20, 20, positive=False)]
    clicker = Clicker.load(click_weights)
    features = clicker.encode(photo)
    answer, flags = None, []
    if start:
        mask = np.zeros(PHOTO.shape[:2], np.uint8)
        mask[40:90, 60:150] = 255
        write_image(tmp_path / start, mask)
        answer, flags = clicker.start(features, mask > 0), ["--mask", str(tmp_path / start)]
    answer = clicker.answer(features, box=Box(50, 30, 160, 100), previous=answer)
    for click in said:
        answer = clicker.answer(features, [click], answer)
    assert 0 < answer.area < answer.mask.size
    flags += ["--box", "50,30,160,100", "--point", "100,60", "--point", "20,20,-", "--band", "9"]

    models = {"weights": weights, "click_weights": click_weights}
    assert cutout(photo, tmp_path / "by_points.png", *flags, **models) == 0
    write_image(tmp_path / "found.png", answer.mask.astype(np.uint8) * 255)
    flags = ["--mask", str(tmp_path / "found.png"), "--band", "9"]
    assert cutout(photo, tmp_path / "by_mask.png", *flags, **models) == 0
    one, other = ((tmp_path / f"by_{name}.png").read_bytes() for name in ("points", "mask"))
    assert one == other


@pytest.mark.parametrize(
    "given,message",
    [
        (["--trimap", "PHOTO", "--point", "1,1"], "exclude it"),
        (["--point", "1"], "--point must be X,Y"),
        (["--point", "1,1", "--click-model", "nothing"], "nothing"),
        (["--box", "0,0,9"], "--box must be X0,Y0,X1,Y1"),
        (["--point", "500,1"], "500"),
    ],
)
def test_wrong_points_are_one_line_and_nothing_is_written(
    photo, tmp_path, weights, click_weights, capsys, given, message
):
    given = [photo if word == "PHOTO" else word for word in given]
    models = ["--model", str(weights)]
    if "--click-model" not in given:
        models += ["--click-model", str(click_weights)]
    target = tmp_path / "out.png"
    assert run(["cutout", photo, "-o", str(target), *given, *models]) == 1
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1 and not target.exists()


def test_points_are_about_one_photo(photo, tmp_path, weights, capsys):
    assert run(["matte", photo, photo, "-o", str(tmp_path / "out"), "--point", "1,1"]) == 1
    assert "about one photo" in capsys.readouterr().err


@pytest.mark.parametrize(
    "selected,message",
    [
        (np.zeros, "nothing was selected there; add a --point or a --box"),
        (np.ones, "the whole photo was selected there; add a --point X,Y,- beside it"),
    ],
)
def test_points_that_select_nothing_or_all_are_told(
    photo, tmp_path, weights, click_weights, monkeypatch, capsys, selected, message
):
    monkeypatch.setattr(Answer, "mask", property(lambda self: selected((139, 211), np.bool_)))
    models = {"weights": weights, "click_weights": click_weights}
    assert cutout(photo, tmp_path / "out.png", "--point", "9,9", **models) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "out.png").exists()
