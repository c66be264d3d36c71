import hashlib
import io
import re
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from safetensors.torch import save

from maskwright.errors import LicenceError, WeightsError
from maskwright.models import mematte
from maskwright.weights import download
from maskwright.weights.catalog import WeightRow
from maskwright.weights.download import cache_folder, fetch, find_file, is_offline, verify
from maskwright.weights.load import load_model

CONTENT = bytes(range(251)) * 11


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT; /short closes early, /whole ignores ranges, /other sends something else.

    Under /hub/… lie files of the server's `official`, as on a hub: HEAD states their size and
    checksum and sends the asker to /store/….
    """

    def do_HEAD(self):
        body = self.server.official[self.path.rpartition("/")[2]]
        self.send_response(302 if self.path.startswith("/hub/") else 200)
        if self.path.startswith("/hub/"):
            self.send_header("Location", self.path.replace("/hub/", "/store/"))
            self.send_header("X-Linked-Size", str(len(body)))
            stated = self.server.stated or hashlib.sha256(body).hexdigest()
            self.send_header("X-Linked-ETag", f'"{stated}"')
        self.end_headers()

    def do_GET(self):
        if self.path.startswith("/hub/"):
            return self.do_HEAD()
        if self.path.startswith("/store/"):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.official[self.path.rpartition("/")[2]])
            return None
        self.server.ranges.append(self.headers.get("Range"))
        start = int(re.findall(r"\d+", self.headers.get("Range", "0"))[0])
        start = 0 if self.path == "/whole" else start
        body = {"/short": CONTENT[:97], "/other": b"x" * len(CONTENT)}.get(self.path, CONTENT)
        self.send_response(206 if start else 200)
        self.end_headers()
        self.wfile.write(body[start:])
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKWRIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MASKWRIGHT_OFFLINE", raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.ranges, server.official, server.stated = [], {}, ""
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def row_at(server, path="/file", **changes):
    values = dict(
        name="far",
        paper="a2u",
        task="matting",
        url=f"http://127.0.0.1:{server.server_port}{path}",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        licence="MIT",
        commercial=True,
        data=(("shapes", "our own"),),
        scores={},
        bytes=len(CONTENT),
        embedded=False,
    )
    return WeightRow(**values | changes)


def part_of(row):
    return cache_folder() / f"{row.file_name}.part"


def test_a_download_lands_in_the_cache_with_progress_up_to_its_size(server):
    seen = []
    path = fetch(row_at(server), progress=lambda done, total: seen.append((done, total)))
    assert path == cache_folder() / "far.safetensors" and path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert not part_of(row_at(server)).exists()


def test_a_file_that_is_here_is_not_asked_for_again(server):
    fetch(row_at(server))
    fetch(row_at(server), offline=True)
    assert len(server.ranges) == 1


def test_an_interrupted_download_goes_on_where_it_stopped(server):
    with pytest.raises(WeightsError, match="closed after 97 of 2761 bytes.*goes on where it"):
        fetch(row_at(server, "/short"))
    assert fetch(row_at(server)).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=97-"]


@pytest.mark.parametrize("stale", [CONTENT[:97], CONTENT + b"more"], ids=["short", "long"])
def test_a_server_without_ranges_sends_everything_again(server, stale):
    row = row_at(server, "/whole")
    part_of(row).parent.mkdir()
    part_of(row).write_bytes(stale)
    assert fetch(row).read_bytes() == CONTENT


def test_of_two_that_download_one_file_both_get_it(server, monkeypatch):
    row, target = row_at(server), cache_folder() / "far.safetensors"

    def overtaken(stated, part):
        part.replace(target)  # as the other process does
        verify(stated, part)

    monkeypatch.setattr(download, "verify", overtaken)
    assert fetch(row).read_bytes() == CONTENT
    target.unlink()
    monkeypatch.setattr(download, "verify", lambda stated, part: (part.unlink(), verify(row, part)))
    with pytest.raises(WeightsError, match="has gone while it was downloaded; try again"):
        fetch(row)


def test_a_wrong_checksum_leaves_nothing_behind(server):
    with pytest.raises(WeightsError, match=r"damaged: expected sha256 .*…, got .*pull it again"):
        fetch(row_at(server, "/other"))
    assert list(cache_folder().iterdir()) == []


def test_offline_asks_nobody_and_says_what_to_copy(server, monkeypatch):
    with pytest.raises(WeightsError, match=r"network is off; copy far.safetensors there"):
        fetch(row_at(server), offline=True)
    monkeypatch.setenv("MASKWRIGHT_OFFLINE", "1")
    with pytest.raises(WeightsError, match="network is off"):
        fetch(row_at(server))
    assert server.ranges == []


def test_a_server_that_is_away_is_named(server):
    row = row_at(server, url="http://127.0.0.1:9/file")
    with pytest.raises(WeightsError, match=r"could not download far from http://127.0.0.1:9/file"):
        fetch(row)


def test_a_cache_folder_that_cannot_be_made_is_named(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MASKWRIGHT_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(OSError, match="cannot create the cache folder .*set MASKWRIGHT_HOME"):
        fetch(row_at(server))


def test_an_embedded_file_that_is_missing_is_not_downloaded(server):
    row = row_at(server, embedded=True)
    assert find_file(row) is None
    with pytest.raises(WeightsError, match="far.safetensors should have come with the package"):
        fetch(row)
    assert server.ranges == []


def test_damage_in_an_embedded_file_is_told_apart(server, tmp_path):
    (tmp_path / "far.safetensors").write_bytes(b"x")
    with pytest.raises(WeightsError, match="far.safetensors is damaged.*reinstall maskwright"):
        verify(row_at(server, embedded=True), tmp_path / "far.safetensors")


@pytest.mark.parametrize("value,off", [("1", True), ("true", True), ("0", False), ("", False)])
def test_the_variable_reads_as_a_switch(monkeypatch, value, off):
    monkeypatch.setenv("MASKWRIGHT_OFFLINE", value)
    assert is_offline() is off


def test_the_cache_is_under_the_platforms_folder_unless_told(monkeypatch, tmp_path):
    monkeypatch.delenv("MASKWRIGHT_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder() == tmp_path / "maskwright"


@pytest.fixture
def official(server):
    """A small ViTMatte as its authors publish it, on the server in both formats, and its row."""
    transformers = pytest.importorskip("transformers", reason="transformers makes the checkpoint")
    backbone = transformers.VitDetConfig(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        image_size=64,
        pretrain_image_size=80,
        num_channels=4,
        window_size=3,
        window_block_indices=[0],
        residual_block_indices=[1],
        use_relative_position_embeddings=True,
        out_features=["stage2"],
    )
    config = transformers.VitMatteConfig(
        backbone_config=backbone,
        hidden_size=24,
        convstream_hidden_sizes=[5, 6, 7],
        fusion_hidden_sizes=[12, 11, 10, 9],
    )
    state = transformers.VitMatteForImageMatting(config).state_dict()
    stream = io.BytesIO()
    torch.save(state, stream)
    server.official = {"model.safetensors": save(state), "pytorch_model.bin": stream.getvalue()}
    row = row_at(server, "/hub/model.safetensors", paper="mematte", sha256="", official=True)
    return row, mematte.convert(state)


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_an_official_file_is_converted_when_it_arrives(server, official, file):
    row, wanted = official
    row = replace(row, url=row.url.replace("model.safetensors", file))
    path = fetch(row)
    loaded, paper, config = load_model(path)
    assert paper == "mematte" and (config.channels, config.routed) == (24, False)
    assert all(torch.equal(value, wanted[name]) for name, value in loaded.state_dict().items())
    verify(row, path)
    assert {entry.name for entry in path.parent.iterdir()} == {path.name, f"{path.name}.sha256"}


def test_a_converted_file_is_checked_against_the_checksum_noted_beside_it(official):
    path = fetch(official[0])
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(WeightsError, match="is damaged"):
        verify(official[0], path)
    path.with_name(f"{path.name}.sha256").unlink()
    with pytest.raises(WeightsError, match="expected the checksum of far.safetensors in"):
        verify(official[0], path)


def test_an_official_file_must_have_the_checksum_that_its_host_states(server, official):
    server.stated = "0" * 64
    with pytest.raises(WeightsError, match="is damaged"):
        fetch(official[0])
    server.stated = "not a checksum"
    with pytest.raises(WeightsError, match="states no size and sha256"):
        fetch(official[0])
    assert find_file(official[0]) is None


def test_an_official_file_of_another_network_leaves_nothing_behind(server, official):
    server.official["model.safetensors"] = save({"x": torch.zeros(1)})
    with pytest.raises(WeightsError, match="fits none of the networks"):
        fetch(official[0])
    assert not list(cache_folder().iterdir())


def test_what_the_keys_do_not_tell_is_written_as_the_row_has_it(server):
    path = Path(__file__).parents[1] / "parity" / "mask2former_mini_96x128.safetensors"
    fixtures = pytest.importorskip("tests.parity.fixture_weights")
    state, _, _ = fixtures.load_case(path.stem, path.parent)
    server.official = {"model.safetensors": save(state)}
    told = {"task": "instance", "names": tuple("abcdefg"), "short_side_px": 640}
    row = row_at(server, "/hub/model.safetensors", paper="mask2former", sha256="", official=True)
    _, _, config = load_model(fetch(replace(row, config=told)))
    assert config == replace(config, **told) and config.classes == 7


def test_a_licence_that_must_be_accepted_keeps_everybody_away(server):
    row = row_at(server, licence="CC BY-NC 4.0", commercial=False)
    with pytest.raises(LicenceError, match="comes under CC BY-NC 4.0, .*pull far --accept-licence"):
        fetch(row)
    assert server.ranges == [] and not cache_folder().exists()
    assert fetch(row, accepted=True) == fetch(row)
