import io
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from maskwright.cli.main import run

HEIGHT, WIDTH = 67, 97
GENERATOR = np.random.default_rng(0)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with photo.png, photo16.png, mask.png, trimap.png and other.png."""
    monkeypatch.chdir(tmp_path)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    distance = np.hypot(rows - 31, columns - 47)
    photo = GENERATOR.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(photo).save("photo.png", dpi=(300, 300))
    cv2.imwrite("photo16.png", photo.astype(np.uint16) * 251)
    Image.fromarray((distance < 19).astype(np.uint8) * 255).save("mask.png")
    trimap = np.select([distance < 13, distance > 23], [255, 0], 128).astype(np.uint8)
    Image.fromarray(trimap).save("trimap.png")
    Image.fromarray(photo[:59]).save("other.png")
    return tmp_path


@pytest.fixture
def cut(folder, weights):
    def cut(verb, *arguments):
        return run([verb, *map(str, arguments), "--model", str(weights)])

    return cut


def pixels(name):
    with Image.open(name) as image:
        return np.asarray(image)


def test_a_cutout_has_the_photos_pixels_where_it_is_opaque(cut, capsys):
    assert cut("cutout", "photo.png", "--trimap", "trimap.png", "-o", "out.png") == 0
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("out.png (") and err.count("\n") == 1
    trimap, rgba = pixels("trimap.png"), pixels("out.png")
    assert (rgba[trimap == 255, 3] == 255).all() and (rgba[trimap == 0, 3] == 0).all()
    np.testing.assert_array_equal(rgba[trimap == 255, :3], pixels("photo.png")[trimap == 255])
    with Image.open("out.png") as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_quiet_says_nothing(cut, capsys):
    assert cut("matte", "photo.png", "--mask", "mask.png", "-o", "out.png", "-q") == 0
    assert capsys.readouterr() == ("", "")


def test_a_matte_is_grey_and_known_where_the_mask_is_far_from_its_edge(cut):
    assert cut("matte", "photo.png", "--mask", "mask.png", "--band", "5", "-o", "a.png") == 0
    alpha = pixels("a.png")
    assert alpha.shape == (HEIGHT, WIDTH) and alpha.dtype == np.uint8
    assert alpha[31, 47] == 255 and alpha[0, 0] == 0


@pytest.mark.parametrize(
    "photo,depth,dtype",
    [
        ("photo.png", None, np.uint8),
        ("photo16.png", None, np.uint16),
        ("photo.png", "16", np.uint16),
        ("photo16.png", "8", np.uint8),
    ],
)
@pytest.mark.parametrize("verb", ["matte", "cutout"])
def test_the_depth_is_the_photos_unless_told(cut, verb, photo, depth, dtype):
    depths = ["--bit-depth", depth] if depth else []
    assert cut(verb, photo, "--trimap", "trimap.png", "-o", "out.png", *depths) == 0
    out = cv2.imread("out.png", cv2.IMREAD_UNCHANGED)
    assert out.dtype == dtype
    assert out[31, 47].max() <= np.iinfo(dtype).max
    if verb == "matte":
        assert out[31, 47] == np.iinfo(dtype).max


@pytest.mark.parametrize(
    "verb,target", [("matte", "a.jpg"), ("matte", "a.WEBP"), ("cutout", "a.webp")]
)
def test_sixteen_bits_are_refused_where_a_format_has_eight(cut, capsys, verb, target):
    given = ["photo16.png", "--trimap", "trimap.png", "-o", target]
    assert cut(verb, *given, "--bit-depth", "16") == 1
    assert "8 bits per channel, got --bit-depth 16" in capsys.readouterr().err
    assert not Path(target).exists()
    assert cut(verb, *given) == 0


def test_a_backdrop_fills_what_is_transparent(cut):
    arguments = ["photo.png", "--trimap", "trimap.png", "--background", "#ff8000"]
    assert cut("cutout", *arguments, "-o", "out.png") == 0
    rgb = pixels("out.png")
    assert rgb.shape == (HEIGHT, WIDTH, 3)
    assert rgb[0, 0].tolist() == [255, 128, 0]
    np.testing.assert_array_equal(rgb[31, 47], pixels("photo.png")[31, 47])


def test_a_photo_as_backdrop_covers_the_picture(cut):
    arguments = ["photo.png", "--trimap", "trimap.png", "--background", "other.png"]
    assert cut("cutout", *arguments, "-o", "out.jpg") == 0
    assert pixels("out.jpg").shape == (HEIGHT, WIDTH, 3)


def test_pipes(cut, monkeypatch, folder, capsysbinary):
    class Pipe:
        buffer = io.BytesIO((folder / "photo.png").read_bytes())

    monkeypatch.setattr(sys, "stdin", Pipe)
    assert cut("cutout", "-", "--trimap", "trimap.png", "-o", "-") == 0
    out, err = capsysbinary.readouterr()
    assert Image.open(io.BytesIO(out)).mode == "RGBA"
    assert err.startswith(b"standard output (") and err.count(b"\n") == 1


def test_one_failure_does_not_stop_the_others_and_the_report_tells(cut, folder, capsys):
    (folder / "broken.png").write_bytes(b"")
    photos = ["photo.png", "broken.png", "other.png", "photo16.png"]
    assert cut("cutout", *photos, "--trimap", "trimap.png", "-o", "out", "--json") == 2
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert (report["done"], report["failed"]) == (2, 2)
    assert [row["status"] for row in report["items"]] == ["done", "failed", "failed", "done"]
    assert "empty file" in report["items"][1]["error"]
    assert "2 done, 2 failed" in err
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["photo.png", "photo16.png"]


def test_an_existing_output_is_a_failed_item_unless_it_may_be_replaced(cut, folder, capsys):
    (folder / "out.png").write_text("precious")
    arguments = ["cutout", "photo.png", "--trimap", "trimap.png", "-o", "out.png"]
    assert cut(*arguments) == 2
    assert capsys.readouterr().err.startswith("photo.png: out.png: exists already")
    assert (folder / "out.png").read_text() == "precious"
    assert cut(*arguments, "--overwrite") == 0
    assert pixels("out.png").shape == (HEIGHT, WIDTH, 4)


@pytest.mark.parametrize(
    "arguments,code,line",
    [
        (["-o", "out.jpg"], 1, "-o must end with .png, .tif, .tiff, .webp, got out.jpg; --backgr"),
        (["-o", "out"], 1, "-o must end with"),
        (["-o", "out.png", "--background", "blurple"], 1, "blurple"),
        (["-o", "out.png", "--model", "a2u-mimi"], 1, "did you mean a2u-mini?"),
        (["-o", "out.png", "--model", "x.safetensors"], 1, "there is no file x.safetensors"),
        (["-o", "out.png", "--model", "photo.png"], 2, "photo.png is damaged or of another kind"),
        (["-o", "out.png", "--band", "3"], 1, "--band belongs to masks"),
        (["-o", "-", "--json"], 1, "--json and -o - both want standard output"),
        (["-o", "out.png", "--max-pixels", "1k"], 2, "at most 1000 pixels are allowed"),
        (["-o", "out.png", "--device", "cuda:99"], 1, "cuda:99"),
    ],
)
def test_what_cannot_be_done_is_one_line(cut, folder, capsys, arguments, code, line):
    before = sorted(folder.iterdir())
    if "--model" not in arguments:
        assert cut("cutout", "photo.png", "--trimap", "trimap.png", *arguments) == code
    else:
        assert run(["cutout", "photo.png", "--trimap", "trimap.png", *arguments]) == code
    told = capsys.readouterr().err
    assert line in told and told.count("\n") == 1
    assert sorted(folder.iterdir()) == before


@pytest.mark.filterwarnings("default")
def test_a_trimap_with_a_little_other_grey_is_read_with_a_warning(cut, folder, capsys):
    Image.fromarray(np.where(pixels("trimap.png") == 128, 127, pixels("trimap.png"))).save("t.png")
    assert cut("matte", "photo.png", "--trimap", "t.png", "-o", "out.png") == 0
    warning, done = capsys.readouterr().err.splitlines()
    assert warning.startswith("maskwright: warning: t.png: unknown is 128") and "out.png" in done


def test_weights_of_unknown_terms_are_refused_for_commercial_use(cut, capsys):
    arguments = ["photo.png", "--trimap", "trimap.png", "-o", "out.png", "--commercial"]
    assert cut("cutout", *arguments) == 3
    assert "the terms of random.safetensors are not known" in capsys.readouterr().err
