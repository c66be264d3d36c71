"""Several pages at once at one server: does one fail, does memory grow?

Each client works on a photo of its own: clicks, undo, previews. A 429 with Retry-After is waited
for, as the page does, and is no failure. Prints the resident memory after the first and the second
half, and the milliseconds of clicks.

    python -m benchmarks.app_load --clients 8 --requests 500
"""

import argparse
import http.client
import json
import os
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import psutil

from benchmarks.record import RESULTS, append_csv, provenance
from maskwright.image.write import write_image


@dataclass
class Tally:
    """What became of the requests.

    Attributes:
        requests: That were answered.
        waited: That were told to come back.
        failures: Lines on those that failed.
        click_ms: How long each click took, from here and back.
    """

    requests: int = 0
    waited: int = 0
    failures: list[str] = field(default_factory=list)
    click_ms: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Client:
    """One page."""

    def __init__(self, url: str, photo: dict[str, int | str], tally: Tally) -> None:
        place = urlsplit(url)
        self.connection = http.client.HTTPConnection(place.netloc, timeout=120)
        self.token = parse_qs(place.query)["token"][0]
        self.path, self.photo, self.tally = f"/api/photos/{photo['id']}", photo, tally
        self.name, self.revision = secrets.token_hex(4), 0

    def ask(self, method: str, path: str, body: object = None) -> bytes:
        """Return an answer, retried while the server is busy; b"" after a failure."""
        headers = {"x-maskwright-token": self.token, "content-type": "application/json"}
        while True:
            self.connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = self.connection.getresponse()
            content = answer.read()
            with self.tally.lock:
                if answer.status == 429:
                    self.tally.waited += 1
                else:
                    self.tally.requests += 1
                    if answer.status >= 400:
                        self.tally.failures.append(f"{answer.status} {path} {content[:200]!r}")
                        return b""
                    return content
            time.sleep(float(answer.headers["retry-after"]))

    def step(self, what: str, **said: object) -> None:
        """Do something to the photo."""
        body = {"client": self.name, "revision": self.revision, "key": secrets.token_hex(8)}
        content = self.ask("POST", f"{self.path}/{what}", body | said)
        if content:
            self.revision = json.loads(content)["revision"]

    def work(self, requests: int) -> None:
        """Click, undo and look at previews, so often."""
        draw = random.Random(self.path)
        document = self.ask("POST", f"{self.path}/open", {"client": self.name, "take_over": True})
        self.revision = json.loads(document)["revision"]
        if not json.loads(document)["objects"]:
            self.step("actions", action={"type": "add"})
        for number in range(requests):
            kind = number % 10
            if kind == 8:
                self.step("undo")
            elif kind == 9:
                self.ask("GET", f"{self.path}/objects/1/alpha?side=1024")
            else:
                x, y = (draw.uniform(0, float(self.photo[side])) for side in ("width", "height"))
                click = {"type": "click", "object": 1, "x": x, "y": y, "positive": kind % 3 > 0}
                started = time.perf_counter()
                self.step("actions", action=click)
                with self.tally.lock:
                    self.tally.click_ms.append((time.perf_counter() - started) * 1000)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the clients and print what was seen; returns how many requests failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, default=500, help="of all clients together")
    parser.add_argument("--megapixels", type=float, default=12.0)
    parser.add_argument("--keep", action="store_true", help="add a line to results/app_load.csv")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root, "photos")
        folder.mkdir()
        for number in range(options.clients):
            write_photo(folder / f"{number}.jpg", options.megapixels, number)
        environment = os.environ | {"MASKWRIGHT_HOME": str(Path(root, "home"))}
        server = subprocess.Popen(
            [sys.executable, "-m", "maskwright", "serve", str(folder), "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        try:
            assert server.stdout is not None
            return measure(server.stdout.readline().strip(), server.pid, options)
        finally:
            server.terminate()
            server.wait(30)


def measure(url: str, pid: int, options: argparse.Namespace) -> int:
    """Ask a server; returns how many requests failed."""
    tally = Tally()
    process = psutil.Process(pid)
    probe = Client(url, {"id": "0" * 12}, tally)
    photos = json.loads(probe.ask("GET", "/api/project"))["photos"]
    print(f"{options.clients} clients, {options.megapixels} megapixels each")
    resident, middle, late = list[float](), 0.0, 0.0
    for half in ("warm", "first", "second"):
        each = max(10, options.requests // options.clients // 2)
        clients = [Client(url, photo, tally) for photo in photos]
        threads = [threading.Thread(target=client.work, args=(each,)) for client in clients]
        tally.click_ms.clear()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        resident.append(process.memory_info().rss / 2**20)
        middle = statistics.median(tally.click_ms)
        late = float(np.percentile(tally.click_ms, 95))
        print(
            f"{half:>6}: {tally.requests} requests, {tally.waited} told to wait,"
            f" {len(tally.failures)} failed; click {middle:.0f} ms, 95% {late:.0f} ms;"
            f" {resident[-1]:.0f} MiB"
        )
    growth = resident[2] / resident[1] - 1
    print(f"memory grew by {growth:+.1%} in the last half")
    row = {"clients": options.clients, "megapixels": options.megapixels}
    row |= {"requests": tally.requests, "waited": tally.waited, "failed": len(tally.failures)}
    row |= {"click_ms": round(middle, 1), "click_p95_ms": round(late, 1)}
    row |= {"resident_mib": round(resident[2], 1), "growth": round(growth, 4)}
    if options.keep:
        append_csv(RESULTS / "app_load.csv", provenance("app_load") | row)
    for line in tally.failures[:10]:
        print(line)
    return len(tally.failures)


def write_photo(path: Path, megapixels: float, seed: int) -> None:
    """Write a photo of blobs, 4:3."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(megapixels * 1e6 / height)
    small = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    rows, columns = np.arange(height) * 12 // height, np.arange(width) * 16 // width
    write_image(path, small[rows[:, None], columns])


if __name__ == "__main__":
    sys.exit(min(main(), 1))
