import hashlib
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from maskwright.errors import WeightsError
from maskwright.weights.catalog import WeightRow
from maskwright.weights.download import cache_folder, fetch, find_file, is_offline, verify

CONTENT = bytes(range(251)) * 11


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT; /short closes early, /whole ignores ranges, /other sends something else."""

    def do_GET(self):
        self.server.ranges.append(self.headers.get("Range"))
        start = int(re.findall(r"\d+", self.headers.get("Range", "0"))[0])
        start = 0 if self.path == "/whole" else start
        body = {"/short": CONTENT[:97], "/other": b"x" * len(CONTENT)}.get(self.path, CONTENT)
        self.send_response(206 if start else 200)
        self.end_headers()
        self.wfile.write(body[start:])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKWRIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MASKWRIGHT_OFFLINE", raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.ranges = []
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
