"""What MEMatte cannot matte, and weights that are not its own: one line, nothing written."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from safetensors.torch import save_file

from maskwright.cli.main import run

SIZE = HEIGHT, WIDTH = 37, 53


def trimap(*values):
    """Return stripes of these values."""
    stripes = np.repeat(np.array(values, np.uint8), -(-WIDTH // len(values)))[:WIDTH]
    return np.tile(stripes, (HEIGHT, 1))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with photos and trimaps, good and bad."""
    monkeypatch.chdir(tmp_path)
    photo = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    Image.fromarray(photo).save("photo.png")
    Image.fromarray(photo[:1, :1]).save("pixel.png")
    for name, value in (("nan", np.nan), ("infinite", -np.inf)):
        pixels = (photo / 255).astype(np.float32)
        pixels[3, 5, 1] = value
        tifffile.imwrite(f"{name}.tif", pixels, photometric="rgb")
    Image.fromarray(trimap(0, 128, 255)).save("trimap.png")
    Image.fromarray(trimap(0, 255)).save("known.png")
    Image.fromarray(trimap(128)).save("unknown.png")
    Image.fromarray(trimap(128)[:1, :1]).save("dot.png")
    return tmp_path


def one_line(capsys):
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.endswith("\n")
    assert "a fault of ours" not in err and "Traceback" not in err
    return err


@pytest.mark.parametrize(
    "photo,trimap,line",
    [
        ("photo.png", "known.png", "known.png: a trimap needs grey (128) where matting is to"),
        ("photo.png", "unknown.png", "unknown.png: a trimap needs white (255) where the object"),
        ("pixel.png", "dot.png", "a trimap needs white (255) where the object surely"),
        ("pixel.png", "trimap.png", "as large as its photo, 1 x 1, got 53 x 37"),
        ("nan.tif", "trimap.png", "nan.tif: floating-point pixels must be finite, got NaN;"),
        ("infinite.tif", "trimap.png", "must be finite, got infinity; replace them"),
    ],
)
@pytest.mark.parametrize("explain", [[], ["--explain", "why"]], ids=["alone", "explained"])
def test_a_photo_or_trimap_that_will_not_do(
    folder, routed_weights, capsys, photo, trimap, line, explain
):
    before = sorted(folder.iterdir())
    arguments = [photo, "--trimap", trimap, "-o", "alpha.png", "--model", str(routed_weights)]
    assert run(["matte", *arguments, *explain]) == 2
    told = one_line(capsys)
    assert line in told and told.startswith(photo)
    assert sorted(folder.iterdir()) == before


def cut(share):
    def cut(path, ours, _):
        content = ours.read_bytes()
        path.write_bytes(content[: int(share * len(content))])

    return cut


def foreign(path, *_):
    save_file({"layer.weight": torch.zeros(3)}, path)


def mixed_up(path, ours, other):
    """Write the weights of one network under the metadata of another."""
    from safetensors import safe_open

    with safe_open(ours, framework="pt") as mematte, safe_open(other, framework="pt") as a2u:
        state = {key: a2u.get_tensor(key) for key in a2u.keys()}
        save_file(state, path, mematte.metadata())


@pytest.mark.parametrize(
    "make,line",
    [
        (cut(0), "x.safetensors is damaged or of another kind"),
        (cut(0.01), "x.safetensors is damaged or of another kind"),
        (cut(0.6), "x.safetensors is damaged or of another kind"),
        (cut(0.9999), "x.safetensors is damaged or of another kind"),
        (foreign, "x.safetensors does not say which network it holds"),
        (mixed_up, "x.safetensors does not fit its network: it lacks encoder.position"),
    ],
)
def test_weights_that_will_not_do(folder, routed_weights, weights, capsys, make, line):
    make(Path("x.safetensors"), routed_weights, weights)
    before = sorted(folder.iterdir())
    arguments = ["photo.png", "--trimap", "trimap.png", "-o", "alpha.png"]
    assert run(["matte", *arguments, "--model", "x.safetensors"]) == 2
    told = one_line(capsys)
    assert line in told and told.startswith("maskwright: ")
    assert sorted(folder.iterdir()) == before


def other_network(path):
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7), "fc.bias": torch.zeros(1000)}, path)


def other_transformer(path):
    torch.save({"backbone.pos_embed": torch.zeros(1, 197, 384)}, path)


def no_tensors(path):
    torch.save({"epoch": 3}, path)


@pytest.mark.parametrize(
    "make,line",
    [
        (other_network, "mematte: expected a MEMatte or ViTMatte checkpoint, backbone.pos_embed"),
        (other_transformer, "backbone.blocks.0.attn.rel_pos_h is missing or of another kind; is"),
        (no_tensors, "expected a checkpoint with named tensors, it holds none"),
    ],
)
@pytest.mark.parametrize("share", [1, 0.99, 0.5, 0.1])
def test_checkpoints_that_cannot_be_converted(folder, capsys, make, line, share):
    make("x.pth")
    if share < 1:
        content, line = Path("x.pth").read_bytes(), "damaged"
        Path("x.pth").write_bytes(content[: int(share * len(content))])
    assert run(["convert", "x.pth", "-o", "y.safetensors"]) == 2
    told = one_line(capsys)
    assert line in told and "x.pth" in told
    assert not Path("y.safetensors").exists()
