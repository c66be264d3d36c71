"""A server that is killed at any moment has lost nothing that it had answered."""

import http.client
import json
import os
import random
import secrets
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from pydantic import TypeAdapter
from small_app import HEIGHT, WIDTH, pixels

from maskwright.app import payload
from maskwright.app.document import Document
from maskwright.app.edits import Tools, edited
from maskwright.app.journal import open_journal, photo_id
from maskwright.image.io import read_photo
from maskwright.image.write import write_image
from maskwright.structures import rle

KILLS = 20
PHOTO = photo_id("a.png")
PARSE = TypeAdapter(payload.Action).validate_python
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


class Server:
    """A server that is started again whenever it was killed."""

    def __init__(self, folder):
        self.folder = folder
        self.starter = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("served.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def start(self):
        self.starter.stdin.write(f"{self.folder}\n")
        self.starter.stdin.flush()
        lines = [self.starter.stdout.readline().strip() for _ in range(2)]
        self.pid = int(next(line for line in lines if line.isdigit()))
        url = urlsplit(next(line for line in lines if line.startswith("http")))
        self.address, self.token = url.netloc, parse_qs(url.query)["token"][0]

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def ask(self, method, path, body):
        connection = http.client.HTTPConnection(self.address, timeout=20)
        try:
            headers = {"x-maskwright-token": self.token, "content-type": "application/json"}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def close(self):
        with suppress(ProcessLookupError):
            self.kill()
        self.starter.terminate()
        self.starter.communicate(timeout=10)


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKWRIGHT_HOME", str(tmp_path / "home"))
    (tmp_path / "photos").mkdir()
    write_image(tmp_path / "photos" / "a.png", pixels(0))
    server = Server(tmp_path / "photos")
    yield server
    server.close()


def script(draw):
    """Yield what is done: actions, and now and then undo or redo."""
    yield "actions", {"type": "add"}
    while True:
        what = draw.random()
        points = [[draw.uniform(0, WIDTH), draw.uniform(0, HEIGHT)] for _ in range(6)]
        if what < 0.15:
            yield "undo", None
        elif what < 0.25:
            yield "redo", None
        elif what < 0.4:
            yield "actions", {"type": "lasso", "object": 1, "points": points}
        elif what < 0.5:
            yield "actions", {"type": "rename", "object": 1, "name": f"dog {draw.random()}"}
        else:
            positive = draw.random() < 0.7
            brush = {"points": points, "radius": 5.0, "positive": positive}
            yield "actions", {"type": "brush", "object": 1} | brush


def test_killed_at_twenty_moments_nothing_is_lost_doubled_or_half_written(server):
    draw = random.Random(3)
    steps, acknowledged = script(draw), []
    pending, revision, uploads = None, 0, 0
    for _ in range(KILLS):
        server.start()
        killer, rest, typical_s = None, draw.randint(1, 4), 0.02
        try:
            while True:
                if not rest:  # at some moment of the next request
                    killer = threading.Timer(draw.uniform(0, 1.5 * typical_s), server.kill)
                    killer.start()
                rest -= 1
                started = time.perf_counter()
                if pending is None:
                    pending = (*next(steps), secrets.token_hex(8))
                what, action, key = pending
                body = {"client": "page", "revision": revision, "key": key}
                body |= {} if action is None else {"action": action}
                path = f"/api/photos/{PHOTO}/{what}"
                status, answer = server.ask("POST", path, json.dumps(body))
                if status == 200:
                    assert answer["revision"] == revision + 1
                    revision = answer["revision"]
                    acknowledged.append((what, action, key))
                else:  # nothing to undo, or no object left to draw on
                    assert status in {400, 404}, answer
                pending = None
                typical_s = time.perf_counter() - started
                if draw.random() < 0.1:
                    uploads += 1
                    server.ask("POST", f"/api/upload?name=u{uploads}.png", png(uploads))
        except (OSError, http.client.HTTPException, ValueError):
            pass  # it was killed
        killer.join()
    assert len(acknowledged) > KILLS
    check(server.folder, acknowledged, pending)


def png(seed):
    stream = BytesIO()
    write_image(stream, pixels(seed), format="png")
    return stream.getvalue()


def unasked(_):
    raise AssertionError("none of these actions needs a network")


def check(folder, acknowledged, pending):
    """Compare the journal with what was answered, done once more without a server."""
    with sqlite3.connect(folder / ".maskwright" / "journal.sqlite") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    journal = open_journal(folder)
    entries = journal.entries(PHOTO)
    keys = [entry.key for entry in entries]
    known = [key for *_, key in acknowledged]
    assert keys[: len(known)] == known and len(keys) == len(set(keys))
    assert keys[len(known) :] in ([], [pending[2]] if pending else [])
    assert [entry.revision for entry in entries] == list(range(1, len(entries) + 1))
    past, undone = [Document((HEIGHT, WIDTH))], []
    tools = Tools(unasked, unasked, ("none",))
    done = acknowledged if len(keys) == len(known) else [*acknowledged, pending]
    for what, action, _ in done:
        if what == "undo":
            undone.append(past.pop())
        elif what == "redo":
            past.append(undone.pop())
        else:
            past.append(edited(past[-1], PARSE(action), tools))
            undone.clear()
    line = journal.line(PHOTO)
    assert line.now.objects == past[-1].objects
    assert (len(line.past), len(line.undone)) == (len(past), len(undone))
    if past[-1].objects and past[-1].objects[0].rle is not None:
        assert np.array_equal(
            rle.decode(line.now.objects[0].rle), rle.decode(past[-1].objects[0].rle)
        )
    journal.close()
    for photo in folder.glob("*.png"):
        assert read_photo(photo).size == (HEIGHT, WIDTH)
