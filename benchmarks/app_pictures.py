"""The pictures of the app in docs/: the page in Debian's Chromium at scikit-image's photos.

python -m benchmarks.app_pictures [--chromium /usr/bin/chromium] [-o docs/pictures]

Clicks as a person would, and keeps what is seen: a cat after a few clicks, and a portrait with its
edge refined. Look at the pictures; times of clicks stand in them, so let nothing else run.
"""

import argparse
import tempfile
from pathlib import Path

import skimage.data
from PIL import Image
from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

from benchmarks.app_clicks import PATIENCE_MS, served
from benchmarks.record import RESULTS

WINDOW = ViewportSize(width=1360, height=800)
PICTURES = RESULTS.parents[1] / "docs" / "pictures"
PHOTOS = ("astronaut", "chelsea", "coffee")
# In pixels of the photos; False removes.
CAT = ((250, 200, True), (230, 60, True), (70, 80, True), (75, 240, True), (390, 150, False))
SUIT = (
    (171, 385, True),
    (120, 193, True),
    (290, 212, True),
    (375, 430, True),
    (252, 363, True),
    (308, 335, True),
    (12, 477, False),
)


def shown(page: Page, name: str) -> None:
    """Open a photo and wait until clicks are answered at once."""
    page.get_by_test_id("gallery-item").filter(has_text=name).click()
    expect(page.get_by_text(f"{name}.jpg ·")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_test_id("status")).to_have_text("ready", timeout=PATIENCE_MS)


def click(page: Page, size: tuple[int, int], clicks: tuple[tuple[int, int, bool], ...]) -> None:
    """Click on a photo that fits the canvas, and wait for each answer.

    Args:
        page: At the photo.
        size: Width and height of the photo.
        clicks: Where, and whether they add.
    """
    box = page.get_by_test_id("canvas").bounding_box()
    assert box is not None
    zoom = float((page.get_by_text(" %", exact=False).first.text_content() or "").split()[0]) / 100
    left = box["x"] + (box["width"] - zoom * size[0]) / 2
    top = box["y"] + (box["height"] - zoom * size[1]) / 2
    for x, y, positive in clicks:
        with page.expect_response(lambda answer: answer.url.endswith("/actions")):
            page.mouse.click(
                left + zoom * x, top + zoom * y, button="left" if positive else "right"
            )
        page.wait_for_timeout(500)


def keep(page: Page, file: Path) -> None:
    """Write what is seen as JPEG."""
    page.mouse.move(5, WINDOW["height"] / 2)
    page.wait_for_timeout(500)
    page.screenshot(path=file, type="jpeg", quality=88)


def main() -> None:
    """Make both pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("-o", "--output", type=Path, default=PICTURES)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = Path(place) / "photos"
        folder.mkdir()
        sizes = {}
        for name in PHOTOS:
            photo = Image.fromarray(getattr(skimage.data, name)())
            photo.save(folder / f"{name}.jpg", quality=95)
            sizes[name] = photo.size
        browser = playwright.chromium.launch(executable_path=given.chromium, args=["--no-sandbox"])
        with served(folder) as address:
            page = browser.new_page(viewport=WINDOW, color_scheme="dark")
            page.goto(address)
            shown(page, "chelsea")
            click(page, sizes["chelsea"], CAT)
            keep(page, given.output / "app-clicks.jpg")
            shown(page, "astronaut")
            page.get_by_role("button", name="person", exact=True).click(timeout=PATIENCE_MS)
            page.wait_for_timeout(1000)
            click(page, sizes["astronaut"], SUIT)
            page.get_by_test_id("refine").click()
            page.wait_for_timeout(1000)
            expect(page.get_by_test_id("status")).to_have_text("ready", timeout=PATIENCE_MS)
            keep(page, given.output / "app-refine.jpg")
        browser.close()


if __name__ == "__main__":
    main()
