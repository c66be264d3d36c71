"""What is done while something else is not answered yet."""

import json
import shutil

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.desk import Gate

pytestmark = pytest.mark.browser
ACTIONS = "**/actions"
KEPT = """Object.keys(localStorage).filter((key) => key.startsWith('maskwright.queue.'))
    .flatMap((key) => JSON.parse(localStorage.getItem(key)))"""
SIDE_PX = 60


def draw(desk, x, y):
    """Draw a square with the lasso: it is added exactly as drawn."""
    desk.page.get_by_role("button", name="Lasso").click()
    desk.drag([(x, y), (x + SIDE_PX, y), (x + SIDE_PX, y + SIDE_PX), (x, y + SIDE_PX)])


def squares(number):
    return pytest.approx(number * SIDE_PX**2, rel=0.05)


@pytest.fixture
def sent(page):
    """The actions that the page sends."""
    actions = []

    def note(request):
        if request.url.endswith("/actions"):
            actions.append(request.post_data_json["action"])

    page.on("request", note)
    return actions


def test_what_is_begun_while_an_earlier_shape_waits_is_not_lost(desk):
    mouse = desk.page.mouse
    gate = Gate(desk, ACTIONS)
    draw(desk, 100, 100)
    gate.let_one()  # the new object
    gate.wait()
    mouse.move(*desk.place(300, 300))
    mouse.down()
    mouse.move(*desk.place(300 + SIDE_PX, 300))
    gate.open()
    desk.until(lambda: desk.area() > 0)
    mouse.move(*desk.place(300 + SIDE_PX, 300 + SIDE_PX))
    mouse.move(*desk.place(300, 300 + SIDE_PX))
    mouse.up()
    desk.ready()
    assert desk.area() == squares(2)


def test_two_shapes_at_once_are_of_one_new_object(desk, sent):
    gate = Gate(desk, ACTIONS)
    draw(desk, 100, 100)
    draw(desk, 300, 100)
    gate.open()
    desk.ready()
    assert [(action["type"], action.get("object")) for action in sent] == [
        *(("add", None), ("lasso", 1), ("lasso", 1)),
    ]
    assert desk.area() == squares(2)


def test_what_waits_is_about_the_object_that_was_at_work(desk, sent):
    rows = desk.page.locator("#objects .object")
    draw(desk, 100, 100)
    desk.ready()
    desk.page.get_by_role("button", name="New object").click()
    expect(rows).to_have_count(2)
    rows.nth(0).locator(".pick").click()
    gate = Gate(desk, ACTIONS)
    sent.clear()
    draw(desk, 200, 100)
    draw(desk, 300, 100)
    rows.nth(1).locator(".pick").click()
    assert [entry["action"]["object"] for entry in desk.page.evaluate(KEPT)] == [1, 1]
    gate.open()
    desk.ready()
    assert [action["object"] for action in sent] == [1, 1]
    assert desk.area() == squares(3)
    expect(rows.nth(1)).to_contain_text("empty")


def test_what_waits_behind_a_new_object_is_about_that_one(desk, sent):
    rows = desk.page.locator("#objects .object")
    draw(desk, 100, 100)
    desk.ready()
    gate = Gate(desk, ACTIONS)
    sent.clear()
    desk.page.get_by_role("button", name="New object").click()
    draw(desk, 200, 100)
    draw(desk, 300, 100)
    gate.let_one()
    expect(rows).to_have_count(2)
    rows.nth(0).locator(".pick").click()
    assert [entry["action"]["object"] for entry in desk.page.evaluate(KEPT)] == [2, 2]
    gate.open()
    desk.ready()
    assert [action["object"] for action in sent[1:]] == [2, 2]


def test_nothing_is_done_to_the_photo_before_while_another_one_opens(desk, sent):
    gate = Gate(desk, "**/open")
    desk.page.get_by_role("option", name="chelsea.jpg").click()
    gate.wait()
    desk.page.keyboard.press("m")
    desk.page.keyboard.press("n")
    assert desk.page.evaluate(KEPT) == []
    gate.open()
    expect(desk.page.locator("#photo-info")).to_contain_text("chelsea.jpg")
    desk.ready()
    assert sent == []


def test_a_photo_that_is_open_elsewhere_can_be_left_again(desk, server):
    page = desk.page
    photo = page.get_by_role("option", name="chelsea.jpg")
    page.request.post(
        f"{server.origin}/api/photos/{photo.get_attribute('data-photo')}/open",
        data={"client": "another"},
        headers={"Origin": server.origin},
    )
    gate = Gate(desk, "**/open")
    photo.click()
    gate.wait()
    page.keyboard.press("n")
    gate.open()
    expect(page.get_by_role("alert")).to_contain_text("open in another tab")
    desk.choose("astronaut.jpg")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_an_import_ends_where_another_photo_is_opened(desk, sent):
    shapes = [
        {"label": f"shape {n}", "shape_type": "rectangle", "points": [[9, 9], [20 + n, 20]]}
        for n in range(3)
    ]
    gate = Gate(desk, ACTIONS)
    desk.page.evaluate(
        """(content) => {
            const files = new DataTransfer();
            for (const name of ['a.json', 'b.json']) files.items.add(new File([content], name));
            window.dispatchEvent(new DragEvent('drop', {dataTransfer: files, cancelable: true}));
        }""",
        json.dumps({"imageWidth": 512, "imageHeight": 512, "shapes": shapes}),
    )
    gate.let_one()
    gate.let_one()
    gate.wait()  # the second object
    desk.page.get_by_role("option", name="chelsea.jpg").click()
    gate.open()
    expect(desk.page.locator(".toast.error")).to_contain_text(
        "a.json: another photo was opened; 2 objects were imported"
    )
    expect(desk.page.locator("#photo-info")).to_contain_text("chelsea.jpg")
    desk.ready()
    expect(desk.page.locator("#objects .object")).to_have_count(0)
    assert [action["type"] for action in sent] == ["add", "mask"] * 2
    desk.choose("astronaut.jpg")
    expect(desk.page.locator("#objects .object")).to_have_count(2)


def test_a_photo_of_another_size_than_before_is_said_to_be_that(desk, photos):
    page, wrong = desk.page, "expected the photo that was worked on, 512 x 512, got one of 64 x 48"
    draw(desk, 100, 100)
    desk.ready()
    Image.new("RGB", (64, 48)).save(photos / "astronaut.jpg")
    draw(desk, 200, 100)
    expect(page.locator(".toast.error")).to_contain_text(wrong)
    desk.choose("chelsea.jpg")
    page.get_by_role("option", name="astronaut.jpg").click()
    expect(page.locator("#empty")).to_contain_text(wrong)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_what_waits_is_not_done_to_a_namesake_in_another_folder(
    desk, server, photos, serve, tmp_path
):
    page = desk.page
    draw(desk, 100, 100)
    desk.ready()
    server.kill()
    draw(desk, 200, 100)
    expect(page.get_by_test_id("status")).to_contain_text("1 waiting")
    page.goto("about:blank")
    folder = tmp_path / "others" / photos.name
    folder.mkdir(parents=True)
    shutil.copy(photos / "astronaut.jpg", folder)
    others = serve(folder, server.port)
    desk.open(others)
    expect(page.locator("#photo-info")).to_contain_text("astronaut.jpg")
    assert len(page.evaluate(KEPT)) == 1
    page.goto("about:blank")
    others.kill()
    server.start()
    desk.open(server)
    desk.until(lambda: page.evaluate(KEPT) == [])
    assert desk.area() == squares(2)
