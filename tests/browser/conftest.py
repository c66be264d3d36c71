"""A real server on a folder of photos, and a real browser at its page."""

import os
from pathlib import Path

import pytest
import skimage.data
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from tests.browser.desk import PATIENCE_S, Desk, Server

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PICTURES = Path(__file__).parents[2] / "runs" / "browser"  # what the page looked like
DESKTOP = {"width": 1440, "height": 900}


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """Return a function that starts a server on a folder; it ends with the session."""
    home, servers = tmp_path_factory.mktemp("home"), []

    def start(folder, port=0):
        servers.append(Server(folder, home, port))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("astronaut", "chelsea", "coffee"):
        Image.fromarray(getattr(skimage.data, name)()).save(folder / f"{name}.jpg", quality=95)
    return folder


@pytest.fixture
def server(photos, serve):
    server = serve(photos)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def browser():
    expect.set_options(timeout=1000 * PATIENCE_S)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser):
    """Return a function that opens a window; a script that fails in one fails the test."""
    contexts, faults = [], []

    def open_window(*, viewport=DESKTOP, **options):
        context = browser.new_context(viewport=viewport, **options)
        context.set_default_timeout(1000 * PATIENCE_S)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture
def page(new_page):
    return new_page()


@pytest.fixture
def desk(page, server):
    return Desk(page).open(server)


@pytest.fixture
def shot():
    """Return a function that keeps a picture of a page."""
    PICTURES.mkdir(parents=True, exist_ok=True)

    def keep(page, name):
        page.screenshot(path=PICTURES / f"{name}.png")

    return keep
