import hashlib
import json

import pytest

from maskwright.cli.main import run
from maskwright.weights import catalog
from maskwright.weights.catalog import WeightRow

CONTENT = bytes(range(199))
ROW = WeightRow(
    name="near",
    paper="a2u",
    task="matting",
    url="https://invalid.example/near",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    licence="CC BY-NC 4.0",
    commercial=False,
    data=(("Photos of Ada", "research only"), ("shapes", "our own")),
    scores={"sad": 5.25},
    bytes=len(CONTENT),
    embedded=False,
    recipe="maskwright train near",
    notes="Made for tests.",
)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A catalogue of one row, whose file is in the cache; the network is off."""
    monkeypatch.setattr(catalog, "_ROWS", (ROW,))
    monkeypatch.setenv("MASKWRIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MASKWRIGHT_OFFLINE", "1")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "near.safetensors").write_bytes(CONTENT)
    return tmp_path / "home"


def test_the_list_says_what_is_here_and_what_may_be_sold(home, capsys):
    assert run(["models", "list"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["NAME", "TASK", "PAPER", "SIZE", "COMMERCIAL", "WHERE"],
        ["near", "matting", "a2u", "0.0", "MB", "no", "cached"],
    ]


def test_info_tells_terms_data_recipe_scores_and_checksum(home, capsys):
    assert run(["models", "info", "near"]) == 0
    shown = capsys.readouterr().out
    for part in (
        "licence    CC BY-NC 4.0",
        "commercial no",
        "data       Photos of Ada: research only",
        "data       shapes: our own",
        "recipe     maskwright train near",
        "score      sad: 5.25",
        f"sha256     {ROW.sha256}",
        "notes      Made for tests.",
    ):
        assert part in shown


def test_json_holds_every_field_and_the_path(home, capsys):
    assert run(["models", "info", "near", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["path"] == str(home / "near.safetensors")
    assert told["data"] == [["Photos of Ada", "research only"], ["shapes", "our own"]]
    run(["models", "list", "--json"])
    assert json.loads(capsys.readouterr().out) == [told]


def test_verify_finds_damage(home, capsys):
    assert run(["models", "verify"]) == 0
    assert capsys.readouterr().out == "near: right\n"
    (home / "near.safetensors").write_bytes(CONTENT[:-1] + b"x")
    assert run(["models", "verify", "near"]) == 2
    assert "near.safetensors is damaged" in capsys.readouterr().err


def test_verify_misses_only_what_was_named(home, capsys):
    (home / "near.safetensors").unlink()
    assert run(["models", "verify"]) == 0
    assert run(["models", "verify", "near"]) == 2
    assert "near is not on this machine; maskwright models pull near" in capsys.readouterr().err


def test_pull_is_satisfied_with_what_is_here_and_says_what_is_not(home, capsys):
    assert run(["models", "pull", "near"]) == 0
    assert capsys.readouterr().out == f"{home / 'near.safetensors'}\n"
    (home / "near.safetensors").unlink()
    assert run(["models", "pull", "near", "--offline"]) == 2
    assert "the network is off" in capsys.readouterr().err


def test_a_bundle_is_weights_and_checksums(home, tmp_path, capsys):
    assert run(["models", "bundle", "-o", str(tmp_path / "bundle")]) == 0
    files = {path.name: path.read_bytes() for path in (tmp_path / "bundle").iterdir()}
    assert files == {
        "near.safetensors": CONTENT,
        "SHA256SUMS": f"{ROW.sha256}  near.safetensors\n".encode(),
    }


def test_a_second_bundle_keeps_what_is_right_and_tells_what_is_not(home, tmp_path, capsys):
    run(["models", "bundle", "-o", str(tmp_path)])
    assert run(["models", "bundle", "-o", str(tmp_path)]) == 0
    (tmp_path / "near.safetensors").write_bytes(b"x")
    assert run(["models", "bundle", "-o", str(tmp_path)]) == 2
    assert "near.safetensors is damaged" in capsys.readouterr().err
    assert run(["models", "bundle", "-o", str(tmp_path), "--overwrite"]) == 0
    assert (tmp_path / "near.safetensors").read_bytes() == CONTENT


def test_a_bundle_serves_as_the_cache_of_another_machine(home, tmp_path, monkeypatch, capsys):
    run(["models", "bundle", "-o", str(tmp_path / "bundle")])
    monkeypatch.setenv("MASKWRIGHT_HOME", str(tmp_path / "bundle"))
    assert run(["models", "verify", "near"]) == 0


@pytest.mark.parametrize("verb", ["matte", "cutout"])
def test_commercial_use_of_forbidden_weights_is_refused_before_any_work(home, capsys, verb):
    arguments = [verb, str(home / "near.safetensors"), "-o", "x.png", "--mask", str(home)]
    assert run([*arguments, "--model", "near", "--commercial"]) == 3
    line = capsys.readouterr().err
    assert line.startswith("maskwright: near may not be used commercially: its licence (CC BY-NC")
    assert line.count("\n") == 1
