"""Who may ask, and how much."""

import asyncio
import json
import logging
import struct
import zlib

import pytest
from small_app import TOKEN, Page

from maskwright.app import guards
from maskwright.app.guards import hosts_for

COOKIE = {"cookie": f"other=1; maskwright={TOKEN}"}


@pytest.fixture
def stranger(serve):
    return serve(token=None)


def test_nothing_but_health_is_answered_without_the_token(stranger):
    assert stranger.get("/healthz").json() == {"ok": True}
    for path in ("/", "/static/app.js", "/openapi.json", "/docs", "/api/project", "/nix"):
        for headers in ({}, {"x-maskwright-token": "wrong"}, {"cookie": "maskwright=wrong"}):
            assert stranger.get(path, headers=headers).status_code == 401, path
        assert stranger.get(path, headers=COOKIE).status_code in {200, 404}
    assert stranger.post("/healthz").status_code in {401, 405}
    assert stranger.get("/?token=wrong", headers=COOKIE).status_code == 401


@pytest.mark.parametrize("almost", [TOKEN[:-1], TOKEN[:-1] + "u", TOKEN + "t", "u" + TOKEN[1:]])
def test_the_token_is_compared_to_its_end(stranger, almost):
    assert stranger.get("/api/project", headers={"x-maskwright-token": almost}).status_code == 401
    cookie = {"cookie": f"maskwright={almost}"}
    assert stranger.get("/api/project", headers=cookie).status_code == 401
    assert stranger.get(f"/?token={almost}").status_code == 401


def test_the_link_that_was_printed_lets_a_browser_in(stranger):
    answer = stranger.get(f"/?token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    name, _, value = cookie.partition("=")
    assert name.startswith("maskwright-") and value.startswith(f"{TOKEN};")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    # Another server of this machine, whose token the browser knows too, does not lock it out.
    cookies = {"cookie": f"maskwright-00000000=x; maskwright=y; {name}={TOKEN}"}
    stranger.cookies.clear()
    for headers in (COOKIE, cookies):
        assert stranger.get("/api/project", headers=headers).status_code == 200


def test_a_browser_without_the_link_is_told_what_to_do(stranger):
    answer = stranger.get("/", headers={"accept": "text/html"})
    assert answer.status_code == 401 and "maskwright serve" in answer.text
    assert TOKEN not in answer.text


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:8000", "", "169.254.169.254", "[::2]:80", "@"]
)
def test_a_foreign_host_is_refused_even_with_the_token(client, host):
    for path in ("/", "/healthz", "/api/project"):
        assert client.get(path, headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:9", "LOCALHOST", "[::1]:8000"])
def test_this_machine_has_several_names(client, host):
    assert client.get("/api/project", headers={"host": host}).status_code == 200


def test_other_machines_may_ask_by_address_or_name_where_that_was_wanted():
    everywhere = hosts_for("0.0.0.0")
    assert everywhere.allow("192.168.1.7:8000") and everywhere.allow("localhost")
    assert not everywhere.allow("evil.example")
    named = hosts_for("box.lan")
    assert named.allow("box.lan:80") and not named.allow("192.168.1.7")
    assert hosts_for("192.168.1.7").allow("192.168.1.7")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9000"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_requests_of_other_pages_are_refused(client, headers):
    assert client.get("/api/project", headers=headers).status_code == 403
    assert client.post("/api/upload?name=a", headers=headers).status_code == 403


def test_requests_of_the_own_page_and_links_to_it_are_not(client):
    own = {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"}
    assert client.get("/api/project", headers=own).status_code == 200
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200
    assert client.get("/api/project", headers=link).status_code == 403


def test_every_answer_has_the_headers_that_keep_others_out(client, stranger):
    answers = [client.get(path) for path in ("/", "/nix", "/api/project", "/openapi.json")]
    for answer in (*answers, stranger.get("/"), stranger.get(f"/?token={TOKEN}")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "img-src 'self' blob: data:" in policy
        assert "unsafe" not in policy and "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers


def test_large_bodies_are_refused_by_their_length_and_by_what_comes(page):
    path = f"/api/photos/{page.photo}/actions"
    large = json.dumps({"client": "x" * 2**20}).encode()
    assert page.client.post(path, content=large).status_code == 413
    assert page.client.post(path, content=iter([large[: 2**18], large[2**18 :]])).status_code == 413
    deep = b"[" * 200_000
    assert page.client.post(path, content=deep).status_code in {400, 422}
    for length in ("-1", "1e3", "9" * 400):
        answer = page.client.post(path, content=b"{}", headers={"content-length": length})
        assert answer.status_code in {400, 413}
    assert page.open().status_code == 200


def test_uploads_may_be_larger_than_other_bodies_but_not_by_any_amount(serve, folder, monkeypatch):
    client, before = serve(uploads=True), sorted(folder.rglob("*.*"))
    content = b"x" * (guards.MOST_BODY_BYTES + 1)
    assert client.post("/api/upload?name=x.png", content=content).status_code == 415  # no photo
    monkeypatch.setattr(guards, "MOST_UPLOAD_BYTES", len(content) - 1)
    for body in (content, iter([content[:1000], content[1000:]])):
        answer = client.post("/api/upload?name=x.png", content=body)
        assert answer.status_code == 413 and "KiB at most" in answer.json()["error"]
    assert sorted(folder.rglob("*.*")) == before


def test_a_body_that_does_not_come_is_not_waited_for():
    async def silent():
        await asyncio.sleep(60)

    receive = guards._limited(silent, 100, deadline=0.0)
    with pytest.raises(guards.Refusal, match="in time") as refused:
        asyncio.run(receive())
    assert refused.value.status == 408


@pytest.mark.parametrize(
    "body",
    [
        b'{"client":"a","revision":0,"key":"k","action":{"type":"click","object":1,"x":NaN,"y":1}}',
        b'{"client":"a","revision":0,"key":"k","action":{"type":"click","object":1,"x":1e999,"y":1}}',
        b'{"client":"../../etc/passwd","revision":0,"key":"k","action":{"type":"add"}}',
        b'{"client":"a","revision":-1,"key":"k","action":{"type":"add"}}',
        b'{"client":"a","revision":0,"key":"","action":{"type":"add"}}',
        b'{"client":"a","revision":0,"key":"k","action":{"type":"__class__"}}',
        b"\xff\xfe",
        b"null",
        b"[]",
    ],
)
def test_malformed_bodies_are_refused_in_one_line(page, body):
    answer = page.client.post(f"/api/photos/{page.photo}/actions", content=body)
    assert answer.status_code == 422, answer.text
    assert "\n" not in answer.json()["error"] and len(answer.json()["error"]) < 500


def test_clicks_outside_are_refused(page):
    page.done("add")
    for x, y in ((-1, 5), (211, 5), (5, 139), (1e6, 1)):
        answer = page.act("click", object=1, x=x, y=y)
        assert answer.status_code == 400 and "must lie in the photo" in answer.json()["error"]


@pytest.mark.parametrize(
    "trick",
    ["%2e%2e", "..%2fa.png", "%2e%2e%2fa.png", "a.png", "%2fetc%2fpasswd", "f" * 13, "%00" * 12],
)
def test_path_tricks_find_nothing(client, page, trick):
    for path in (
        f"/api/photos/{trick}/thumbnail",
        f"/api/photos/{trick}/objects/1/alpha",
        f"/api/photos/{page.photo}/objects/{trick}/alpha",
        f"/api/photos/{page.photo}/tiles/{trick}/0",
        f"/api/exports/{trick}/files/0",
        f"/static/{trick}",
        f"/{trick}",
    ):
        assert client.get(path).status_code in {404, 405, 422}, path
    assert client.get(f"/api/photos/{page.photo}/picture?side={trick}").status_code == 422
    body = {"photos": [trick], "format": trick}
    assert client.post("/api/exports", json=body).status_code in {400, 422}


def bomb(width, height):
    """Return a small PNG whose header announces many pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    "content,status",
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", 415),
        (b"<!doctype html><script>alert(1)</script>", 415),
        (b"", 415),
        (b"GIF89a", 415),
        (b"\x89PNG\r\n\x1a\n broken", 415),
        (bomb(20_000, 10_000), 413),
        (bomb(2, 2)[:40], 415),
    ],
)
def test_uploads_that_are_no_photos_are_refused_and_leave_nothing(serve, folder, content, status):
    client = serve(uploads=True)
    before = sorted(folder.rglob("*.*"))
    answer = client.post("/api/upload?name=x.png", content=content)
    assert answer.status_code == status, answer.text
    assert sorted(folder.rglob("*.*")) == before


def test_a_bomb_in_the_folder_is_listed_but_not_opened_up(client, folder):
    (folder / "bomb.png").write_bytes(bomb(20_000, 10_000))
    cards = {card["name"]: card for card in client.get("/api/project").json()["photos"]}
    assert cards["bomb.png"]["megapixels"] == 200
    id = cards["bomb.png"]["id"]
    assert client.get(f"/api/photos/{id}/thumbnail").status_code == 413
    page = Page(client, id)
    page.open()
    page.done("add")
    assert page.act("click", object=1, x=1, y=1).status_code == 413


def test_uploads_need_to_be_allowed(client):
    assert client.post("/api/upload?name=x.png", content=b"x").status_code == 403


def test_refusals_are_logged_in_one_line_without_the_token(client, caplog):
    with caplog.at_level(logging.WARNING, "maskwright"):
        client.get("/api/photos/%0a%1b[31mx/thumbnail?token=" + TOKEN)
        client.get("/api/project", headers={"host": "evil\x1b[31m.example"})
    assert len(caplog.messages) == 2
    for line in caplog.messages:
        assert line.startswith("refused ") and line.isprintable() and TOKEN not in line


def test_a_fault_of_ours_is_a_line_and_the_server_lives(client, monkeypatch, caplog):
    def broken(*_):
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(client.workplace.gallery, "photos", broken)
    answer = client.get("/api/project")
    assert answer.status_code == 500
    assert answer.json()["error"].startswith("a fault of ours, ZeroDivisionError")
    assert client.get("/healthz").status_code == 200


def test_too_many_requests_are_told_when_to_come_back(page, client, monkeypatch):
    page.done("add")
    monkeypatch.setattr(client.workplace.pictures, "most_waiting", 0)
    answer = client.get(f"/api/photos/{page.photo}/thumbnail")
    assert answer.status_code == 429 and answer.headers["retry-after"] == "1"
    monkeypatch.setattr(client.workplace.lane, "most_waiting", 0)
    refused = page.act("click", object=1, x=1, y=1, key="k")
    assert refused.status_code == 429
    monkeypatch.undo()
    assert page.act("click", object=1, x=1, y=1, key="k").status_code == 200


def test_too_many_requests_about_one_photo_are_told_when_to_come_back(page, client, monkeypatch):
    monkeypatch.setattr("maskwright.app.workplace._MOST_WAITING", 0)
    for answer in (page.act("add", key="k"), page.step("undo"), page.open()):
        assert answer.status_code == 429 and answer.headers["retry-after"] == "1"
    monkeypatch.undo()
    assert page.act("add", key="k").status_code == 200


def test_no_socket_is_opened(client):
    with pytest.raises(Exception), client.websocket_connect("/"):  # noqa: B017
        pass
