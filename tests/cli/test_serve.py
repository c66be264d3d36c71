"""The verb `serve` as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from maskwright.cli.main import run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKWRIGHT_HOME", str(tmp_path / "home"))
    photos = tmp_path / "photos"
    photos.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(noise).save(photos / "a.png")
    return photos


@pytest.fixture
def start(folder):
    """Return what starts the verb and gives its process and its address."""
    running = []

    def start(*options):
        process = subprocess.Popen(
            [sys.executable, "-m", "maskwright", "serve", str(folder), "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        late = threading.Timer(120, process.kill)
        late.start()
        url = process.stdout.readline().strip()
        late.cancel()
        return process, url

    yield start
    for process in running:
        process.kill()
        process.communicate()


def ask(url, path, **headers):
    place = urlsplit(url)
    token = place.query.removeprefix("token=")
    request = urllib.request.Request(
        f"http://{place.netloc}{path}", headers={"X-Maskwright-Token": token} | headers
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_it_prints_its_address_answers_tells_refusals_and_ends_cleanly(start, folder):
    process, url = start()
    place = urlsplit(url)
    assert place.hostname == "127.0.0.1" and place.port and len(place.query) > 40
    assert ask(url, "/api/project")["photos"][0]["name"] == "a.png"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        ask(url, "/api/project", Origin="http://evil.example")
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "")
    lines = errors.splitlines()
    assert len(lines) == 1 and lines[0].startswith("maskwright: refused 403 to 127.0.0.1: GET")
    token = url.partition("token=")[2]
    assert token not in errors
    # Started again, pages that are open go on: the token is the same.
    process, again = start()
    assert again.endswith(token)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 0


def test_wrong_use_is_said_at_once(tmp_path, folder, capsys):
    for arguments, line in (
        ([str(tmp_path / "nix")], "expected a folder of photos, there is no"),
        ([str(folder), "--model", "nix"], "expected a model's name or a .safetensors file"),
        ([str(folder), "--segment-model", "nix"], "expected a model's name or a .safetensors file"),
        ([str(folder), "--max-pixels", "many"], "--max-pixels must be a number of pixels"),
        ([str(folder), "--import", str(tmp_path / "x")], "expected annotations, there is no"),
        ([str(folder), "--port", "70000"], "invalid value for '--port'"),
        ([str(folder), "--host", "203.0.113.7", "-q"], "expected an address of this machine"),
    ):
        assert run(["serve", *arguments]) == 1
        assert line in capsys.readouterr().err


def test_annotations_are_imported_once_and_bad_ones_are_one_line(
    tmp_path, folder, capsys, monkeypatch
):
    from maskwright.app import run as module
    from maskwright.app.journal import open_journal, photo_id

    monkeypatch.setattr(module.uvicorn.Server, "run", lambda *_, sockets: None)
    mask = np.zeros((60, 80), np.uint8)
    mask[10:20, 30:50] = 255
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    bad = tmp_path / "bad.json"
    bad.write_text('{"shapes": [{"label": "dog", "points": [[1, 2]], "shape_type": "polygon"}]}')
    command = ["serve", str(folder), "--port", "0", "--import", str(tmp_path / "masks")]
    assert run([*command, "--import", str(bad)]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and "bad.json" in shown.err and shown.err.count("\n") == 1
    for told in (
        "objects imported: 1, into photos: 1\n",
        "objects imported: 0, into photos: 0; photos left alone, worked on already: 1\n",
    ):
        assert run(command) == 0
        assert capsys.readouterr().err == told
        journal = open_journal(folder)
        (one,) = journal.document(photo_id("a.png")).objects
        assert (one.name, one.area_and_box()) == ("a", (200, (30, 10, 50, 20)))
        assert len(journal.entries(photo_id("a.png"))) == 2
        journal.close()


def test_commercial_refuses_networks_that_may_not_be_used_so(folder, capsys):
    assert run(["serve", str(folder), "--commercial"]) == 3
    assert "may not be used commercially" in capsys.readouterr().err


def test_a_port_that_is_taken_is_said(folder, capsys):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert run(["serve", str(folder), "--port", port]) == 1
    assert f"127.0.0.1:{port}" in capsys.readouterr().err


def test_other_machines_are_warned_of(folder, capsys, monkeypatch):
    from maskwright.app import run as module

    asked = []
    monkeypatch.setattr(module.uvicorn.Server, "run", lambda *_, sockets: asked.append(sockets))
    assert run(["serve", str(folder), "--host", "0.0.0.0", "--port", "0"]) == 0
    shown = capsys.readouterr()
    assert len(asked) == 1 and "warning: 0.0.0.0 lets other machines reach" in shown.err
    assert shown.out.startswith("http://127.0.0.1:")


@pytest.mark.skipif(os.name == "nt", reason="POSIX rights")
def test_the_token_is_its_owners_alone(tmp_path, monkeypatch):
    from maskwright.app.run import kept_token

    monkeypatch.setenv("MASKWRIGHT_HOME", str(tmp_path))
    token = kept_token(tmp_path / "x")
    (file,) = (tmp_path / "tokens").iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert kept_token(tmp_path / "x") == token != kept_token(tmp_path / "y")
    file.chmod(0o644)
    assert kept_token(tmp_path / "x") != token
