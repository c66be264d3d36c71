import hashlib
import io
import json
from dataclasses import replace

import pytest

from maskwright.cli.main import run
from maskwright.errors import LicenceError
from maskwright.models import a2u
from maskwright.models.a2u.config import MINI
from maskwright.weights import catalog
from maskwright.weights.catalog import WeightRow
from maskwright.weights.load import load_model, save_model

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


def test_info_of_a_file_tells_its_network(home, capsys, tmp_path):
    path = save_model(
        tmp_path / "own.safetensors",
        a2u.build(MINI).state_dict(),
        paper="a2u",
        config=MINI,
        source="a test",
    )
    assert run(["models", "info", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "paper      a2u" in shown and "licence    not in the catalogue" in shown
    assert run(["models", "info", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == path.stat().st_size
    (tmp_path / "bad.safetensors").write_bytes(b"no tensors")
    assert run(["models", "info", str(tmp_path / "bad.safetensors")]) == 2


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


class Terminal(io.StringIO):
    """Somebody who types this."""

    def isatty(self):
        return True


@pytest.fixture
def far(home, tmp_path, monkeypatch):
    """The file is not here, but can be fetched."""
    (home / "near.safetensors").replace(tmp_path / "near")
    monkeypatch.delenv("MASKWRIGHT_OFFLINE")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    row = replace(ROW, url=(tmp_path / "near").as_uri())
    monkeypatch.setattr(catalog, "_ROWS", (row,))
    return home / "near.safetensors"


TERMS = (
    "near: CC BY-NC 4.0, not for commercial use"
    " (trained on Photos of Ada: research only; shapes: our own)\n"
)


@pytest.mark.parametrize("verb", [["pull"], ["bundle", "-o", "b"]])
def test_a_licence_that_forbids_commercial_use_must_be_accepted(far, capsys, verb, monkeypatch):
    monkeypatch.chdir(far.parent)
    assert run(["models", *verb, "near"]) == 3
    shown, line = capsys.readouterr().err.splitlines(keepends=True)
    assert shown == TERMS
    assert "near comes under CC BY-NC 4.0, which forbids commercial use; to accept that," in line
    assert "`maskwright models pull near --accept-licence`" in line
    assert not far.exists() and [*far.parent.iterdir()] == []
    assert run(["models", *verb, "near", "--accept-licence"]) == 0
    assert capsys.readouterr().err == TERMS and far.read_bytes() == CONTENT
    assert run(["models", *verb, "near"]) == 0  # what is here is not asked for again
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 3), ("\n", 3)])
def test_somebody_at_a_terminal_is_asked(far, capsys, monkeypatch, typed, code):
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert run(["models", "pull", "near"]) == code
    err = capsys.readouterr().err
    assert err.startswith(TERMS) and "Accept the licence and download? [y/N]" in err
    assert far.exists() == (code == 0)
    assert ("was not downloaded, for its licence, CC BY-NC 4.0, was not" in err) == (code == 3)


def test_without_names_such_weights_are_left_out(far, capsys):
    assert run(["models", "pull"]) == 0
    out, err = capsys.readouterr()
    assert out == "" and "left out weights whose licence forbids commercial use; name them" in err
    assert not far.exists()


def test_naming_such_weights_as_a_model_downloads_nothing(far):
    with pytest.raises(LicenceError, match="models pull near --accept-licence"):
        load_model("near")
    assert not far.exists()
