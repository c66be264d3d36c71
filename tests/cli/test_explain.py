import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskwright.cli.main import run

HEIGHT, WIDTH = 67, 97
FILES = ["photo-router-1.png", "photo-router-2.png", "photo.json", "photo.md"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with photo.png, its trimap.png, and a folder of two photos."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    trimap = np.zeros((HEIGHT, WIDTH), np.uint8)
    trimap[20:50, 30:70], trimap[30:40, 40:60] = 128, 255
    Image.fromarray(pixels).save("photo.png")
    Image.fromarray(trimap).save("trimap.png")
    for name in ("photos/photo.png", "photos/photo.jpg", "photos/near/other.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(name)
    return tmp_path


@pytest.fixture
def matte(folder, routed_weights):
    def matte(*arguments, weights=routed_weights):
        return run(["matte", *arguments, "--trimap", "trimap.png", "--model", str(weights)])

    return matte


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_pictures_and_tables_are_written_beside_the_same_alpha(matte, capsys):
    assert matte("photo.png", "-o", "plain.png") == 0
    assert matte("photo.png", "-o", "alpha.png", "--explain", "why") == 0
    assert capsys.readouterr().err.count("\n") == 2
    assert Path("plain.png").read_bytes() == Path("alpha.png").read_bytes()
    assert names(Path("why")) == FILES
    report = json.loads(Path("why/photo.json").read_text())
    assert (report["photo"], report["size"]) == ("photo.png", [HEIGHT, WIDTH])
    table = Path("why/photo.md").read_text()
    for router, row in enumerate(report["routers"], 1):
        assert row["kept"] == round(row["all"] * 5 * 7)
        assert f"| {router} | {row['all']:.1%} | {row['with_unknown']:.1%} |" in table
        with Image.open(f"why/photo-router-{router}.png") as picture:
            assert (picture.size, picture.mode) == ((WIDTH, HEIGHT), "RGB")


def test_photos_of_equal_stems_and_folders_keep_apart(matte):
    assert matte("photos", "--recursive", "-o", "out", "--explain", "why") == 0
    assert names(Path("out")) == ["near/other.png", "photo.jpg.png", "photo.png.png"]
    found = [name for name in names(Path("why")) if name.endswith(".json")]
    assert found == ["near/other.json", "photo.jpg.json", "photo.png.json"]
    assert json.loads(Path("why/near/other.json").read_text())["photo"] == "near/other.png"
    assert len(names(Path("why"))) == 3 * len(FILES)


def test_explanations_among_the_photos_are_no_photos(matte):
    arguments = ["photos", "--recursive", "-o", "out", "--explain", "photos/why", "--overwrite"]
    assert matte(*arguments) == 0
    assert matte(*arguments) == 0
    assert len(names(Path("out"))) == 3


@pytest.mark.parametrize("existing", FILES)
def test_what_exists_is_kept_unless_it_may_be_replaced(matte, folder, capsys, existing):
    Path("why").mkdir()
    Path("why", existing).write_text("precious")
    arguments = ["photo.png", "-o", "alpha.png", "--explain", "why"]
    assert matte(*arguments) == 2
    told = capsys.readouterr().err
    assert f"why/{existing}: exists already" in told and told.count("\n") == 1
    assert names(Path("why")) == [existing] and not Path("alpha.png").exists()
    assert Path("why", existing).read_text() == "precious"
    assert matte(*arguments, "--overwrite") == 0
    assert names(Path("why")) == FILES
    assert Path("why", existing).read_bytes() != b"precious"


def test_a_network_without_routers_is_refused_before_anything_is_written(
    matte, folder, weights, capsys
):
    before = names(folder)
    arguments = ["photos", "-o", "out", "--explain", "why"]
    assert matte(*arguments, weights=weights) == 1
    told = capsys.readouterr().err
    assert told.startswith("maskwright: --explain shows how MEMatte's routers decide, ")
    assert "random.safetensors has none; choose another --model" in told
    assert told.count("\n") == 1 and names(folder) == before


@pytest.mark.parametrize(
    "arguments,line",
    [
        (["photo.png", "-o", "a.png", "--explain", "-"], "--explain needs a folder, got -"),
        (["photo.png", "-o", "a.png", "--explain", "trimap.png"], "a folder, got trimap.png"),
        (["photo.png", "-o", "why/photo-router-1.png", "--explain", "why"], "another result"),
        (["photo.png", "photo-router-2.png", "-o", "out", "--explain", "."], "name of a photo"),
        (["photo.png", "photo-router-2.png", "-o", "out", "--explain", "out"], "another result"),
    ],
)
def test_a_name_that_means_two_things_is_refused(matte, folder, capsys, arguments, line):
    Path("photo.png").with_name("photo-router-2.png").write_bytes(Path("photo.png").read_bytes())
    before = names(folder)
    assert matte(*arguments, "--overwrite") == 1
    told = capsys.readouterr().err
    assert line in told and told.count("\n") == 1
    assert names(folder) == before


def test_a_bad_photo_leaves_no_explanation(matte, capsys):
    Path("empty.png").write_bytes(b"")
    assert matte("empty.png", "photo.png", "-o", "out", "--explain", "why") == 2
    assert "empty file" in capsys.readouterr().err
    assert names(Path("why")) == FILES
