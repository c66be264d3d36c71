"""What the page can ask, and what comes back."""

import io
import json
import os
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from small_app import HEIGHT, WIDTH, Page, clicker, matter, pixels

from maskwright.app.rendering import matte_of, trimap_of
from maskwright.app.session import Session
from maskwright.errors import WeightsError
from maskwright.image.io import read_photo
from maskwright.image.strokes import stroke_mask
from maskwright.structures import rle
from maskwright.structures.click import Click

SIZE = (HEIGHT, WIDTH)


def picture(answer):
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def opened(page):
    document = page.open(take_over=True).json()
    return document | {"objects": {one["number"]: one for one in document["objects"]}}


def masked(page, number=1):
    return rle.decode(opened(page)["objects"][number]["rle"])


def paste(mask, change, number=1):
    """Return a mask after a change, as the page does it."""
    patch = next(one for one in change["changed"] if one["number"] == number)["mask"]
    mask = mask.copy()
    if patch is not None:
        x0, y0, x1, y1 = patch["box"]
        mask[y0:y1, x0:x1] = rle.decode(patch["rle"])
    return mask


def test_the_project_lists_photos_networks_and_formats(client, ids):
    project = client.get("/api/project").json()
    assert project["name"] == "photos" and not project["uploads"]
    assert len(project["id"]) == 12
    assert project["models"] == {"click": "small", "segment": "small", "matte": ["small", "other"]}
    assert {"png", "tiff", "webp", "coco", "psd"} <= set(project["formats"])
    card = project["photos"][0]
    assert card == {
        "id": ids["a.png"],
        "name": "a.png",
        "width": WIDTH,
        "height": HEIGHT,
        "state": "untouched",
        "objects": 0,
        "megapixels": 0.0,
    }
    assert list(ids) == ["a.png", "b.jpg", "more/c d.png"]


def test_pictures_are_the_photo_at_the_size_asked_for(client, ids):
    path = f"/api/photos/{ids['a.png']}"
    small = client.get(f"{path}/thumbnail")
    assert small.headers["content-type"] == "image/jpeg" and picture(small).shape == (*SIZE, 3)
    whole = picture(client.get(f"{path}/picture?side=1024"))
    assert np.abs(whole.astype(int) - pixels(0)).mean() < 8
    tile = picture(client.get(f"{path}/tiles/0/0"))
    assert tile.shape == (*SIZE, 3)
    assert client.get(f"{path}/tiles/1/0").status_code == 404
    again = client.get(f"{path}/thumbnail", headers={"if-none-match": small.headers["etag"]})
    assert again.status_code == 304 and again.content == b""


def test_clicks_are_the_networks_answers_and_the_boxes_give_the_whole_mask(page):
    features = clicker().encode(pixels(0))
    mask, answer = np.zeros(SIZE, bool), None
    page.done("add")
    for x, y, positive in ((100.5, 70, True), (20, 20, False), (150, 100, True)):
        change = page.done("click", object=1, x=x, y=y, positive=positive)
        answer = clicker().answer(features, [Click(x, y, positive)], answer)
        mask = paste(mask, change)
        np.testing.assert_array_equal(mask, answer.mask)
        assert change["changed"][0]["area"] == answer.area and change["milliseconds"] > 0
    one = opened(page)["objects"][1]
    np.testing.assert_array_equal(rle.decode(one["rle"]), answer.mask)
    assert one["clicks"][1] == {"x": 20, "y": 20, "positive": False}
    assert one["rle"] == answer.rle


def test_boxes_and_scribbles_go_to_the_network_and_brushes_do_not(page):
    page.done("add")
    page.done("box", object=1, box=[40, 30, 160, 110])
    page.done("scribble", object=1, points=[[60, 60], [80, 70]])
    before = masked(page)
    page.done("brush", object=1, points=[[5, 5]], radius=4)
    after = masked(page)
    assert (after[:10, :10] | ~before[:10, :10]).all() and after[5, 5]
    np.testing.assert_array_equal(after[20:], before[20:])
    # The network goes on from the mask that was drawn.
    change = page.done("click", object=1, x=100, y=70, positive=True)
    features = clicker().encode(pixels(0))
    start = clicker().start(features, after)
    expected = clicker().answer(features, [Click(100, 70)], start)
    np.testing.assert_array_equal(paste(after, change), expected.mask)


def test_undo_and_redo_go_through_all_objects_of_a_photo(page):
    page.done("add")
    page.done("click", object=1, x=100, y=70)
    page.done("add", name="second")
    change = page.done("remove", object=1)
    assert change["removed"] == [1] and change["objects"] == [2]
    back = page.step("undo").json()
    assert back["objects"] == [1, 2] and back["can_redo"] and back["removed"] == []
    assert paste(np.zeros(SIZE, bool), back).sum() == back["changed"][0]["area"]
    for left in ([1], [1], []):
        assert page.step("undo").json()["objects"] == left
    assert not opened(page)["can_undo"]
    refused = page.step("undo")
    assert refused.status_code == 400 and "nothing to undo" in refused.json()["error"]
    assert page.step("redo").json()["objects"] == [1]
    page.done("rename", object=1, name="other")
    assert not opened(page)["can_redo"] and page.step("redo").status_code == 400


def test_restarted_it_goes_on_as_if_nothing_had_happened(serve, ids, page):
    actions = [
        ("add", {}),
        ("click", {"object": 1, "x": 100, "y": 70, "positive": True}),
        ("click", {"object": 1, "x": 30, "y": 20, "positive": False}),
        ("brush", {"object": 1, "points": [[10, 10], [40, 30]], "radius": 6.5}),
        ("click", {"object": 1, "x": 120, "y": 90, "positive": True}),
        ("refine", {"object": 1, "band": 4}),
        ("settings", {"values": {"decontaminate": 0.5}}),
    ]
    for kind, action in actions:
        page.done(kind, **action)
    page.step("undo")
    before = opened(page)
    another = Page(serve(), page.photo, page.name)
    assert opened(another) == before
    change = another.done("click", object=1, x=60, y=100, positive=True)
    features = clicker().encode(pixels(0))
    given = clicker().start(features, drawn_before(features))
    answer = clicker().answer(features, [Click(120, 90)], given)
    answer = clicker().answer(features, [Click(60, 100)], answer)
    np.testing.assert_array_equal(masked(another), answer.mask)
    assert change["can_undo"] and not change["can_redo"]


def drawn_before(features):
    answer = clicker().answer(features, [Click(100, 70)])
    answer = clicker().answer(features, [Click(30, 20, False)], answer)
    return answer.mask | stroke_mask([(10, 10), (40, 30)], 6.5, SIZE)


def test_the_same_key_is_done_once_and_answered_alike(page, serve):
    page.done("add")
    said = {"object": 1, "x": 100, "y": 70, "positive": True}
    revision = page.revision
    first = page.act("click", key="k1", **said).json()
    page.done("rename", object=1, name="later")
    page.revision = revision  # as the page that never got the answer
    again = page.act("click", key="k1", **said)
    assert again.status_code == 200 and again.json() == first
    other = Page(serve(), page.photo, page.name)
    other.revision = revision
    assert other.act("click", key="k1", **said).json() == first
    assert opened(other)["revision"] == 3


@pytest.mark.parametrize("what", ["undo", "redo"])
def test_a_step_sent_twice_is_done_once(page, what):
    for _ in range(4):
        page.done("add")
    if what == "redo":
        for _ in range(3):
            page.step("undo")
    revision = page.revision
    first = page.step(what, key="k1").json()
    page.revision = revision  # as the page that never got the answer
    again = page.step(what, key="k1")
    assert again.status_code == 200 and again.json() == first
    assert len(opened(page)["objects"]) == (3 if what == "undo" else 2)


def test_a_stale_revision_changes_nothing(page):
    page.done("add")
    page.done("add")
    page.step("undo")
    for send in (
        lambda: page.act("add"),
        lambda: page.step("undo"),
        lambda: page.step("redo"),
    ):
        page.revision = 1
        refused = send()
        assert refused.status_code == 409 and "it has changed" in refused.json()["error"]
    assert len(opened(page)["objects"]) == 1


def test_of_two_actions_at_once_on_one_state_one_is_done(page, monkeypatch):
    real, seconds = Session.edited, iter((0.3, 1.0))

    def slow(*arguments):
        made = real(*arguments)
        time.sleep(next(seconds))  # long enough for the other one to arrive, and to come after
        return made

    monkeypatch.setattr(Session, "edited", slow)
    with ThreadPoolExecutor() as threads:
        other = Page(page.client, page.photo, page.name)
        answers = list(threads.map(lambda each: each.act("add"), (page, other)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert len(opened(page)["objects"]) == 1


def test_one_window_at_a_time_holds_a_photo_and_the_other_may_take_over(client, page):
    other = Page(client, page.photo)
    refused = other.open()
    assert refused.status_code == 409 and refused.json()["holder"] is True
    assert other.act("add").status_code == 409
    assert page.post("keep", client=page.name).json() == {"held": True}
    assert other.open(take_over=True).status_code == 200
    assert page.post("keep", client=page.name).json() == {"held": False}
    assert page.act("add").status_code == 409
    other.done("add")
    page.revision = other.revision
    assert page.step("undo").status_code == page.step("redo").status_code == 409
    page.post("close", client=page.name)  # which is not its to close
    assert page.open().status_code == 409
    other.post("close", client=other.name)
    assert page.open().status_code == 200


def test_a_photo_that_nobody_holds_is_held_by_who_does_something(client, page):
    page.post("close", client=page.name)
    page.done("add")
    assert Page(client, page.photo).open().status_code == 409


def test_a_window_that_has_gone_silent_loses_the_photo(client, page, monkeypatch):
    now = time.monotonic()
    monkeypatch.setattr("maskwright.app.workplace.time.monotonic", lambda: now + 16)
    assert Page(client, page.photo).open().status_code == 200


def test_a_window_that_says_it_is_there_keeps_the_photo(client, page, monkeypatch):
    now = time.monotonic()
    for seconds in (10, 20, 30):
        later = now + seconds
        monkeypatch.setattr("maskwright.app.workplace.time.monotonic", lambda later=later: later)
        assert page.post("keep", client=page.name).json() == {"held": True}
    assert Page(client, page.photo).open().status_code == 409


def test_another_program_at_the_same_journal_is_noticed(serve, ids):
    one, two = (Page(serve(), ids["a.png"]) for _ in range(2))
    one.open(), two.open()
    one.done("add")
    refused = two.act("add")
    assert refused.status_code == 409 and "another window or program" in refused.json()["error"]
    assert opened(two)["revision"] == 1
    two.done("add")


def test_subjects_are_found_and_taken(page, client):
    found = client.get(f"/api/photos/{page.photo}/subjects").json()
    assert found["subjects"]
    first = found["subjects"][0]
    assert found["note"] is None and rle.decode(first["rle"]).sum() == first["area"]
    page.done("add")
    page.done("take", object=1, subject=first["number"])
    np.testing.assert_array_equal(masked(page), rle.decode(first["rle"]))
    assert page.act("take", object=1, subject=999).status_code == 400


def test_without_weights_no_subject_is_found_and_the_note_says_why(serve, ids):
    def missing():
        raise WeightsError("expected weights, got none; pull them")

    client = serve(change={"segmenter": missing})
    for _ in range(2):
        answer = client.get(f"/api/photos/{ids['a.png']}/subjects").json()
        assert answer["subjects"] == [] and "pull them" in answer["note"]
    page = Page(client, ids["a.png"])
    page.open()
    page.done("add")
    assert page.act("take", object=1, subject=1).status_code == 400


def test_a_photo_is_encoded_when_opened_and_when_asked(client, ids, page):
    path = f"/api/photos/{ids['b.jpg']}/encoding"  # the next photo, encoded ahead
    for _ in range(200):
        answer = client.get(path).json()
        if answer["state"] == "ready":
            break
        time.sleep(0.05)
    assert answer["state"] == "ready" and answer["seconds"] > 0


def test_a_photo_that_cannot_be_encoded_says_why(serve, ids):
    def broken():
        raise WeightsError("no weights")

    client = serve(change={"clicker": broken})
    page = Page(client, ids["a.png"])
    page.open()
    page.done("add")
    refused = page.act("click", object=1, x=1, y=1)
    assert refused.status_code == 400 and refused.json()["error"] == "no weights"
    answer = client.get(f"/api/photos/{ids['a.png']}/encoding").json()
    assert answer["state"] == "failed" and answer["error"] == "no weights"
    assert opened(page)["revision"] == 1


@pytest.fixture
def ellipse(page):
    """Return a page whose first object is the ellipse, its edge refined."""
    y, x = np.ogrid[:HEIGHT, :WIDTH]
    mask = ((y / HEIGHT - 0.5) / 0.3) ** 2 + ((x / WIDTH - 0.5) / 0.3) ** 2 < 1
    page.done("add", name="ellipse")
    page.done("mask", object=1, rle=rle.encode(mask))
    page.mask = mask
    return page


def test_alphas_trimaps_and_cutouts_are_those_of_the_library(ellipse, client):
    path = f"/api/photos/{ellipse.photo}/objects/1"
    plain = picture(client.get(f"{path}/alpha"))
    np.testing.assert_array_equal(plain, ellipse.mask * np.uint8(255))
    ellipse.done("refine", object=1, band=5)
    stroke = {"points": [[WIDTH / 2, HEIGHT / 2]], "radius": 8.0, "value": 128}
    ellipse.done("paint_trimap", object=1, **stroke)
    photo = read_photo(pixels(0))
    one = client.workplace.journal.document(ellipse.photo).find(1)
    trimap = picture(client.get(f"{path}/trimap"))
    np.testing.assert_array_equal(trimap, trimap_of(one, photo))
    assert trimap[HEIGHT // 2, WIDTH // 2] == 128 and trimap[0, 0] == 0
    answer = client.get(f"{path}/alpha")
    assert float(answer.headers["x-maskwright-seconds"]) > 0
    expected = matte_of(one, photo, matter()).alpha
    assert np.abs(picture(answer) / 255 - expected).max() < 0.003
    cut = picture(client.get(f"{path}/cutout?decontaminate=0"))
    np.testing.assert_array_equal(cut[..., :3], pixels(0))
    np.testing.assert_array_equal(cut[..., 3], picture(answer))
    half = picture(client.get(f"{path}/cutout?decontaminate=0.5"))
    full = picture(client.get(f"{path}/cutout?decontaminate=1"))
    between = (cut[..., :3].astype(int) + full[..., :3]) / 2
    assert np.abs(half[..., :3] - between).max() <= 0.5


def test_previews_are_at_most_as_large_as_asked(ellipse, client):
    ellipse.done("refine", object=1, band="auto")
    for what in ("alpha", "trimap", "cutout"):
        small = picture(client.get(f"/api/photos/{ellipse.photo}/objects/1/{what}?side=100"))
        assert small.shape[:2] == (66, 100)
    whole = picture(client.get(f"/api/photos/{ellipse.photo}/objects/1/trimap"))
    small = picture(client.get(f"/api/photos/{ellipse.photo}/objects/1/trimap?side=100"))
    near = whole[np.arange(66) * 139 // 66][:, np.arange(100) * 211 // 100]
    assert (near == small).mean() > 0.9


def test_what_is_transparent_is_so_in_previews(client, folder):
    rgba = np.dstack([pixels(0), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    rgba[:, : WIDTH // 2, 3] = 0
    Image.fromarray(rgba).save(folder / "half.png")
    ids = {card["name"]: card["id"] for card in client.get("/api/project").json()["photos"]}
    page = Page(client, ids["half.png"])
    page.open()
    page.done("add", name="all")
    page.done("mask", object=1, rle=rle.encode(np.ones((HEIGHT, WIDTH), bool)))
    path = f"/api/photos/{page.photo}/objects/1"
    for side in ("", "&side=100"):
        alpha = picture(client.get(f"{path}/alpha?{side}"))
        np.testing.assert_array_equal(alpha, picture(client.get(f"{path}/cutout?{side}"))[..., 3])
        middle = alpha.shape[1] // 2
        assert (alpha[:, : middle - 2] == 0).all() and (alpha[:, middle + 2 :] == 255).all()


@pytest.mark.parametrize("is_thick", [False, True])
def test_thin_objects_and_gaps_can_be_refined_in_small(page, client, is_thick):
    mask = np.full((HEIGHT, WIDTH), is_thick)
    mask[60, 40:160] = not is_thick
    page.done("add", name="a line")
    page.done("mask", object=1, rle=rle.encode(mask))
    page.done("refine", object=1, band="auto")
    for what in ("alpha", "trimap"):
        answer = client.get(f"/api/photos/{page.photo}/objects/1/{what}?side=64")
        assert answer.status_code == 200, answer.text


def test_previews_of_nothing_are_refused(page, client):
    path = f"/api/photos/{page.photo}/objects/1/alpha"
    assert client.get(path).status_code == 404
    page.done("add")
    refused = client.get(path)
    assert refused.status_code == 400 and "has none yet" in refused.json()["error"]


def ended(client, job):
    for _ in range(400):
        answer = client.get(f"/api/exports/{job}").json()
        if answer["state"] != "running":
            return answer
        time.sleep(0.05)
    raise AssertionError(answer)


def exported(client, **asked):
    answer = client.post("/api/exports", json=asked)
    assert answer.status_code == 202, answer.text
    return ended(client, answer.json()["job"])


def test_an_export_gives_files_as_attachments(ellipse, client):
    ellipse.done("refine", object=1, band=5)
    done = exported(client, photos=[ellipse.photo], format="png", bit_depth=16)
    assert (done["done"], done["total"], done["state"], done["errors"]) == (1, 1, "done", [])
    (file,) = done["files"]
    answer = client.get(file["url"])
    assert file["name"] == "a.png"
    assert answer.headers["content-disposition"] == 'attachment; filename="a.png"'
    assert answer.headers["content-type"] == "application/octet-stream"
    read = read_photo(answer.content)
    assert read.bit_depth == 16 and read.alpha is not None and read.size == SIZE


def test_all_photos_are_those_with_a_mask_and_several_files_are_zipped_too(ellipse, client, ids):
    other = Page(client, ids["b.jpg"])
    other.open()
    other.done("add", name="x/../y")
    other.done("brush", object=1, points=[[50, 50]], radius=20)
    done = exported(client, photos="all", format="masks")
    assert done["total"] == 2 and not done["errors"]
    names = [file["name"] for file in done["files"]]
    assert names == ["photos-masks.zip", "a.1-ellipse.mask.png", "b.1-x-y.mask.png"]
    archive = zipfile.ZipFile(io.BytesIO(client.get(done["files"][0]["url"]).content))
    assert archive.namelist() == names[1:]
    coco = exported(client, photos="all", format="coco")
    content = client.get(coco["files"][0]["url"]).json()
    assert [image["file_name"] for image in content["images"]] == ["a.png", "b.jpg"]
    assert [one["name"] for one in content["categories"]] == ["ellipse", "x/../y"]


def test_a_photo_that_cannot_be_exported_does_not_stop_the_others(ellipse, client, ids):
    done = exported(client, photos=[ids["b.jpg"], ellipse.photo], format="webp")
    assert done["state"] == "done" and len(done["files"]) == 1
    assert len(done["errors"]) == 1 and "b.jpg: expected an object" in done["errors"][0]
    failed = exported(client, photos=[ids["b.jpg"]], format="png")
    assert failed["state"] == "failed" and failed["files"] == []


def test_exports_that_cannot_be_are_refused_at_once(page, client):
    for wrong, status in (
        ({"photos": "all", "format": "png"}, 400),
        ({"photos": [page.photo], "format": "gif"}, 400),
        ({"photos": [page.photo], "format": "webp", "bit_depth": 16}, 400),
        ({"photos": [page.photo], "format": "png", "background": "nocolour"}, 400),
        ({"photos": ["0" * 12], "format": "png"}, 404),
        ({"photos": ["../../etc"], "format": "png"}, 422),
        ({"photos": [page.photo], "format": "png", "decontaminate": 2}, 422),
    ):
        answer = client.post("/api/exports", json=wrong)
        assert answer.status_code == status, (wrong, answer.text)
    assert client.get(f"/api/exports/{'0' * 16}").status_code == 404


def test_a_stopped_export_ends_and_its_files_go_with_the_server(ellipse, client, folder):
    exported(client, photos=[ellipse.photo], format="png")
    job = client.post("/api/exports", json={"photos": [ellipse.photo], "format": "png"}).json()
    assert client.delete(f"/api/exports/{job['job']}").status_code == 200
    ended(client, job["job"])
    assert (folder / ".maskwright" / "exports").exists()
    client.__exit__(None, None, None)
    client.__enter__ = client.__exit__ = lambda *_: None
    assert not (folder / ".maskwright" / "exports").exists()


def test_servers_of_one_folder_leave_each_other_their_exports(ellipse, client, serve, folder):
    place = folder / ".maskwright" / "exports"
    (place / "left").mkdir(parents=True)
    os.utime(place / "left", (0, 0))  # by a server that was killed long ago
    (file,) = exported(client, photos=[ellipse.photo], format="png")["files"]
    other = serve()
    assert not (place / "left").exists()
    other.workplace.close()
    assert client.get(file["url"]).status_code == 200


def test_the_files_of_old_exports_go(ellipse, client, folder):
    jobs = []
    for _ in range(11):
        asked = {"photos": [ellipse.photo], "format": "coco"}
        jobs.append(client.post("/api/exports", json=asked).json()["job"])
        ended(client, jobs[-1])
    kept = {path.name for path in (folder / ".maskwright" / "exports").iterdir()}
    assert kept == set(jobs[3:])
    statuses = [client.get(f"/api/exports/{job}").status_code for job in jobs]
    assert statuses == [404] * 3 + [200] * 8


def test_the_page_and_the_routes_are_served_without_any_other_server(client):
    schema = client.get("/openapi.json").json()
    assert "/api/photos/{photo}/actions" in schema["paths"]
    docs = client.get("/docs")
    assert "/api/exports/{job}" in docs.text and "http" not in docs.text.replace("https://x", "")
    for path in ("/", "/static/index.html"):
        answer = client.get(path)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
    script = client.get("/static/app.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    for path in ("/static/nix.js", "/static/../server.py", "/server.py", "/static/", "/.env"):
        assert client.get(path).status_code == 404


def test_a_photo_of_another_size_than_before_is_refused(ellipse, client, folder):
    Image.fromarray(pixels(5, (50, 60))).save(folder / "a.png")
    refused = ellipse.open()
    assert refused.status_code == 409 and "put the old one back" in refused.json()["error"]
    cards = client.get("/api/project").json()["photos"]
    assert (cards[0]["width"], cards[0]["state"], cards[0]["objects"]) == (60, "in work", 1)


def test_a_photo_that_was_edited_elsewhere_is_shown_and_encoded_anew(page, client, folder):
    page.done("add")
    page.done("click", object=1, x=100, y=70)
    path = f"/api/photos/{page.photo}/picture?side=1024"
    before = client.get(path)
    Image.fromarray(255 - pixels(0)).save(folder / "a.png")
    after = client.get(path, headers={"if-none-match": before.headers["etag"]})
    assert after.status_code == 200
    assert np.abs(picture(after).astype(int) - (255 - pixels(0))).mean() < 8
    page.done("add")
    change = page.done("click", object=2, x=100, y=70)
    expected = clicker().answer(clicker().encode(255 - pixels(0)), [Click(100, 70)])
    np.testing.assert_array_equal(paste(np.zeros(SIZE, bool), change, 2), expected.mask)


def test_photos_come_and_go(client, folder, ids):
    Image.fromarray(pixels(5)).save(folder / "z.png")
    (folder / "b.jpg").unlink()
    names = [card["name"] for card in client.get("/api/project").json()["photos"]]
    assert names == ["a.png", "more/c d.png", "z.png"]
    assert client.get(f"/api/photos/{ids['b.jpg']}/thumbnail").status_code == 404


def test_answers_are_json_without_nan(page):
    page.done("add")
    json.dumps(opened(page), allow_nan=False)
