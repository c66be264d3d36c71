import json
import re

import numpy as np
import pytest
from PIL import Image

from maskwright.cli.main import run


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(np.zeros((301, 401, 3), np.uint8)).save(path)
    return str(path)


@pytest.fixture
def mematte_weights(tmp_path):
    import torch

    from maskwright.models import mematte
    from maskwright.models.mematte.config import Config
    from maskwright.weights.load import save_model

    torch.manual_seed(0)
    config = Config(channels=16, depth=3, heads=2, window_blocks=(0, 1), window=3)
    state = mematte.build(config).state_dict()
    path = tmp_path / "mematte.safetensors"
    return str(save_model(path, state, paper="mematte", config=config, source="a test"))


def test_a_plan_names_size_memory_and_time(photo, weights, capsys):
    assert run(["plan", photo, "--model", str(weights)]) == 0
    out, err = capsys.readouterr()
    assert err == "" and "401 x 301, 0.12 megapixels" in out
    assert re.search(r"\d[MG] at the peak", out) and "s\n" in out and "tiles" in out


def test_a_plan_in_json_tells_the_limits(photo, mematte_weights, capsys):
    assert run(["plan", photo, "--model", mematte_weights, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["size"] == [301, 401] and report["peak_bytes"] > 2**26
    assert report["max_tokens"] is None and report["token_rows"] > 0 < report["tile_px"]
    assert report["seconds"] >= 0


def test_a_budget_that_is_too_small_is_refused(photo, weights, capsys):
    assert run(["plan", photo, "--model", str(weights), "--max-memory", "1M"]) == 3
    assert "at least --max-memory" in capsys.readouterr().err


def test_a_photo_that_is_too_large_or_missing_is_refused(photo, weights, capsys):
    assert run(["plan", photo, "--model", str(weights), "--max-pixels", "1k"]) == 2
    assert "at most 1000 pixels" in capsys.readouterr().err
    assert run(["plan", photo + "x", "--model", str(weights)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
