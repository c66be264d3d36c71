import sys
from pathlib import Path

import pytest
import torch

from maskwright.cli.export import parse_size
from maskwright.cli.main import run
from maskwright.errors import UsageError
from maskwright.inference.click import Clicker
from maskwright.inference.exported import decoder_path
from maskwright.inference.features import hash_weights
from maskwright.models.interformer.head import resize
from maskwright.models.interformer.portable import NAMES
from maskwright.structures.click import Click
from maskwright.weights.load import load_model

sys.path.append(str(Path(__file__).parents[1] / "models" / "interformer"))
from small_networks import photo, reference

pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")


def test_both_halves_answer_a_photo_without_pytorch(click_weights, tmp_path, monkeypatch, capsys):
    from maskwright.weights.onnx import open_session

    monkeypatch.setenv("MASKWRIGHT_HOME", str(tmp_path / "home"))
    arguments = ["export", str(click_weights), "--to", "onnx", "-o", str(tmp_path / "out")]
    assert run([*arguments, "--size", "90,160", "--size", "96,150"]) == 0
    names = [f"clicks-{part}-96x160.onnx" for part in ("encoder", "decoder")]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == sorted(names)
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 2 and all("differs from PyTorch by at most" in line for line in told)

    model, _, config = load_model(click_weights)
    image, states = photo(96, 160), reference(96, 160)
    encoder, decoder = (open_session(tmp_path / "out" / name, threads=1) for name in names)
    prepared = dict(zip(NAMES, encoder.run(list(NAMES), {"image": image.numpy()}), strict=True))
    margin = decoder.run(["margin"], {"reference": states.numpy(), **prepared})[0]
    with torch.no_grad():
        logits = model.decode(model.encode(image), states)
    found = resize(torch.from_numpy(margin), (96, 160))
    torch.testing.assert_close(found, logits[:, 1:] - logits[:, :1], rtol=0, atol=1e-4)
    said = decoder.get_modelmeta().custom_metadata_map
    assert said["maskwright.weights"] == hash_weights(model, config)
    assert said["maskwright.size"] == "[96, 160]" and float(said["maskwright.difference"]) < 1e-4

    assert run([*arguments, "--size", "96,160"]) == 2
    assert "exists already" in capsys.readouterr().err


def test_the_cache_folder_serves_clicks(click_weights, tmp_path, monkeypatch):
    monkeypatch.setenv("MASKWRIGHT_HOME", str(tmp_path))
    clicker = Clicker.load(click_weights, device="cpu")
    older = decoder_path(clicker.weights, (128, 160))
    older.parent.mkdir()
    older.write_bytes(b"what lies there may be made again")
    assert run(["export", str(click_weights), "--cache", "--size", "128,160", "-q"]) == 0
    features = clicker.encode(torch.rand(128, 150, 3).numpy())
    clicker.answer(features, [Click(70, 60)])
    assert clicker._exported._opened[128, 160] is not None


@pytest.mark.parametrize(
    "arguments,line",
    [
        (["--to", "coreml", "-o", "x"], "--to must be onnx, got 'coreml'"),
        (["-o", "x", "--part", "neck"], "--part must be encoder, decoder or both, got 'neck'"),
        ([], "the files need a place to go; name a folder with -o, or say --cache"),
        (["-o", "x", "--size", "512"], "--size must be H,W in pixels, such as 512,640, got '512'"),
        (["-o", "x", "--size", "0,32"], "such as 512,640, got '0,32'"),
    ],
)
def test_wrong_use_is_one_clear_line(click_weights, arguments, line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["export", str(click_weights), *arguments]) == 1
    told = capsys.readouterr().err
    assert line in told and told.count("\n") == 1 and not list(tmp_path.iterdir())


def test_other_networks_are_refused_by_name(weights, tmp_path, capsys):
    assert run(["export", str(weights), "-o", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert "expected a clicking network (interformer), " in told and "holds a2u; only those" in told
    assert run(["export", "no-such-name", "-o", str(tmp_path / "out")]) == 1
    assert not (tmp_path / "out").exists()


def test_sizes_are_height_and_width():
    assert parse_size("480,640") == (480, 640)
    for text in ("480", "480,640,3", "a,b", "-1,5", ""):
        with pytest.raises(UsageError, match="--size must be H,W"):
            parse_size(text)
