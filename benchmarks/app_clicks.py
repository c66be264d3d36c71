"""How long a person waits for a click in the app: from the pointer event to the painted mask.

python -m benchmarks.app_clicks [--clicks 50] [--chromium /usr/bin/chromium]

`maskwright serve` on a photo of 12 megapixels, and Debian's Chromium at its page, both on this
machine. Clicks lie anywhere in the photo, one in three of them removes; after ten, another object
is begun. The page itself takes the time, from the event's stamp to the frame in which the mask is
painted. Run it on a machine that does nothing else. Writes benchmarks/results/app_clicks.md and
adds to app_clicks.csv.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
from PIL import Image
from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

from benchmarks.record import RESULTS, append_csv, provenance

PHOTO = (4032, 3024)  # 12 megapixels
WINDOW = ViewportSize(width=1440, height=900)
PAUSE_MS = 300  # between clicks, as people make one
DIALOGUE = 10  # clicks on one object
PATIENCE_MS = 120_000
MEDIAN_MS, MOST_MS = 150, 300  # what is wanted: median and 95th percentile


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Yield the address of `maskwright serve` of a folder; it ends afterwards."""
    command = [sys.executable, "-m", "maskwright", "serve", str(folder), "--port", "0"]
    environment = os.environ | {"MASKWRIGHT_HOME": str(folder / ".home")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def measure(page: Page, clicks: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of each click as the page took them, and the server's part of them.

    Args:
        page: At a photo that is encoded.
        clicks: How many.
    """
    answers: list[float] = []
    page.on("response", lambda answer: answers.extend(_server_part(answer)))
    box = page.get_by_test_id("canvas").bounding_box()
    assert box is not None
    rng = np.random.default_rng(0)
    for number in range(clicks + 1):
        if number % DIALOGUE == 0:
            with page.expect_response(lambda answer: answer.url.endswith("/actions")):
                page.get_by_role("button", name="New object").click()
        x, y = (rng.uniform(0.25, 0.75) * box[side] for side in ("width", "height"))
        button: Any = "right" if number % 3 == 2 else "left"
        page.mouse.click(box["x"] + x, box["y"] + y, button=button)
        while len(_painted(page)) <= number:
            page.wait_for_timeout(10)
        page.wait_for_timeout(PAUSE_MS)
    return _painted(page)[1:], answers[1:]  # the first one warms everything up


def _server_part(answer: Any) -> list[float]:
    request = answer.request.post_data_json if answer.url.endswith("/actions") else None
    is_click = request is not None and request["action"]["type"] == "click"
    return [answer.json()["milliseconds"]] if is_click else []


def _painted(page: Page) -> list[float]:
    script = "performance.getEntriesByName('click to mask').map((each) => each.duration)"
    found: list[float] = page.evaluate(script)
    return found


def run(clicks: int, chromium: str) -> list[tuple[str, list[float]]]:
    """Return what was measured, by name."""
    with tempfile.TemporaryDirectory() as folder, served_photo(Path(folder)) as address:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport=WINDOW)
            page.goto(address)
            status = page.get_by_test_id("status")
            expect(status).to_have_text("ready", timeout=PATIENCE_MS)
            painted, answered = measure(page, clicks)
            browser.close()
    return [("pointer event to painted mask", painted), ("of that, the server", answered)]


@contextmanager
def served_photo(folder: Path) -> Iterator[str]:
    """Yield the address of the app at one photo of 12 megapixels."""
    with Image.open(Path(skimage.data.__file__).parent / "coffee.png") as photo:
        large = photo.convert("RGB").resize(PHOTO, Image.Resampling.LANCZOS)
    large.save(folder / "coffee.jpg", quality=92)
    with served(folder) as address:
        yield address


def write(measured: list[tuple[str, list[float]]], clicks: int) -> None:
    """Print the table, write it, and add a row for each line to the CSV."""
    made_by = provenance("app_clicks")
    page = ["# Clicks in the app", "", *(f"- {name}: `{text}`" for name, text in made_by.items())]
    page += ["", f"{clicks} clicks on a photo of {PHOTO[0]} x {PHOTO[1]} with `interformer-mini`;"]
    page += [f"wanted: median below {MEDIAN_MS} ms, 95th percentile below {MOST_MS} ms.", ""]
    page += ["| what | ms, median | 95th percentile | from, to |", "|---|--:|--:|--:|"]
    for name, taken in measured:
        median, most = np.percentile(taken, [50, 95])
        spread = f"{min(taken):.0f} to {max(taken):.0f}"
        print(f"{name:32}{median:8.1f} ms, 95 % below {most:.1f} ms, {spread}")
        page.append(f"| {name} | {median:.1f} | {most:.1f} | {spread} |")
        row = {"what": name, "median_ms": f"{median:.1f}", "p95_ms": f"{most:.1f}"}
        append_csv(RESULTS / "app_clicks.csv", row | {"spread_ms": spread} | made_by)
    (RESULTS / "app_clicks.md").write_text("\n".join([*page, ""]))


def main() -> None:
    """Print one table; write it to results/app_clicks.md and app_clicks.csv."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=50)
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="the browser")
    options = parser.parse_args()
    write(run(options.clicks, options.chromium), options.clicks)


if __name__ == "__main__":
    main()
