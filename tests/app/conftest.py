import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

import pytest
from fastapi.testclient import TestClient
from small_app import TOKEN, Page, fill, loaders

from maskwright.app.guards import hosts_for
from maskwright.app.server import create_app
from maskwright.app.workplace import Workplace


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKWRIGHT_HOME", str(tmp_path / "home"))
    (tmp_path / "photos").mkdir()
    return fill(tmp_path / "photos")


@pytest.fixture
def serve(folder):
    """Return what starts the app on the folder and gives a client that has the token."""
    running = []

    def start(*, token=TOKEN, change=None, **options):
        workplace = Workplace(folder, loaders(**(change or {})), **options)
        app = create_app(workplace, token=TOKEN, hosts=hosts_for("127.0.0.1"))
        headers = {"x-maskwright-token": token} if token else {}
        client = TestClient(
            app, base_url="http://127.0.0.1:8000", headers=headers, follow_redirects=False
        )
        client.workplace = workplace
        client.__enter__()
        running.append(client)
        return client

    yield start
    for client in running:
        client.__exit__(None, None, None)


@pytest.fixture
def client(serve):
    return serve()


@pytest.fixture
def ids(client):
    """Return the photos' ids by name."""
    return {card["name"]: card["id"] for card in client.get("/api/project").json()["photos"]}


@pytest.fixture
def page(client, ids):
    """Return a page with `a.png` open."""
    page = Page(client, ids["a.png"])
    assert page.open().status_code == 200
    return page
