"""The whole story in a real browser, from a folder of photos to files, and what may go wrong."""

import json
from io import BytesIO
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from scipy.ndimage import distance_transform_edt

from maskwright.structures import rle
from tests.browser.desk import Desk, alpha_of

pytestmark = pytest.mark.browser
WATCH = """
    window.said = [];
    document.addEventListener('DOMContentLoaded', () => {
        const status = document.querySelector('[data-testid=status]');
        if (!status) return;
        const note = () => window.said.push(status.textContent);
        new MutationObserver(note).observe(status, {childList: true, characterData: true});
    });
"""


def test_from_a_folder_to_a_cut_out_and_back_after_a_kill(page, server, shot):
    page.add_init_script(WATCH)
    desk = Desk(page).open(server)
    expect(page.get_by_test_id("gallery-item")).to_have_count(3)
    assert any(text.startswith("encoding…") for text in page.evaluate("window.said"))
    desk.choose("coffee.jpg")
    shot(page, "1-opened")

    cup = (270, 205)
    plain = desk.colour(*cup)
    expect(page.get_by_test_id("click-ms")).to_be_empty()
    desk.click(*cup)
    expect(page.get_by_test_id("click-ms")).to_contain_text(" ms")
    desk.until(lambda: desk.colour(*cup) != plain)
    first = desk.area()
    assert first > 500
    shot(page, "2-clicked")

    desk.click(330, 130)
    second = desk.area()
    assert second != first
    desk.click(40, 40, button="right")
    third = desk.area()
    for expected in (second, first):
        page.get_by_test_id("undo").click()
        desk.until(lambda expected=expected: desk.area() == expected)
    for expected in (second, third):
        page.get_by_test_id("redo").click()
        desk.until(lambda expected=expected: desk.area() == expected)
    expect(page.get_by_test_id("redo")).to_be_disabled()

    page.get_by_test_id("refine").click()
    expect(page.get_by_role("heading", name="Refine edge")).to_be_visible()
    expect(page.locator("#objects")).to_contain_text("refined edge")
    desk.ready()
    shot(page, "3-refined")

    look_at_every_view(page, desk, shot)
    page.get_by_test_id("export").click()
    shot(page, "4-export")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    alpha = alpha_of(download.value.path())
    assert alpha.shape == (400, 600)
    assert alpha[cup[1], cup[0]] > 200
    assert alpha[5, 5] == 0
    assert ((alpha > 0) & (alpha < 255)).any(), "a refined edge is soft"
    page.get_by_role("button", name="Close", exact=True).last.click()

    server.kill()
    server.start()
    page.reload()
    desk.ready()
    expect(page.locator("#photo-info")).to_contain_text("coffee.jpg")
    expect(page.locator("#objects")).to_contain_text("refined edge")
    assert desk.area() == third
    page.get_by_test_id("undo").click()
    expect(page.locator("#objects")).not_to_contain_text("refined edge")
    page.get_by_test_id("undo").click()
    desk.until(lambda: desk.area() == second)
    shot(page, "5-after-a-kill")


def look_at_every_view(page, desk, shot):
    """One key goes through all views; the corner of the photo is background in all of them."""
    view, corner, cup = page.get_by_role("combobox", name="View"), (3, 3), (270, 205)
    view.select_option("Overlay")
    desk.ready()
    overlay = desk.colour(*corner)
    seen = {}
    desk.canvas.focus()
    for _ in range(8):
        name = view.evaluate("each => each.selectedOptions[0].text")
        desk.ready()
        page.wait_for_timeout(60)  # a frame; what is drawn is asserted below
        seen[name] = desk.colour(*corner), desk.colour(*cup)
        shot(page, f"view-{name.lower().replace(' / ', '-').replace(' ', '-')}")
        page.keyboard.press("v")
    expect(view).to_have_value("overlay")
    assert len(seen) == 8
    assert seen["On black"][0] == (0, 0, 0, 255)
    assert seen["On white"][0] == (255, 255, 255, 255)
    assert seen["Alpha only"] == ((0, 0, 0, 255), (255, 255, 255, 255))
    assert seen["Checkerboard"][0][0] == pytest.approx(232, abs=22)
    assert seen["Before / after"][0] == overlay, "before the line the photo is as it was"
    assert seen["On black"][1] == seen["On white"][1], "the object hides the background"


def test_six_actions_lead_a_newcomer_to_a_cut_out(page, server, shot):
    actions = []

    def act(name, do):
        actions.append(name)
        return do()

    act("open the address", lambda: page.goto(server.url))
    expect(page.get_by_text("Click on what you want to keep.").last).to_be_visible()
    expect(page.get_by_text("ready", exact=True)).to_be_visible()
    shot(page, "newcomer-1")
    act("click on the person", lambda: page.get_by_label("Photo astronaut.jpg").click())
    expect(page.get_by_role("button", name="Refine edge")).to_be_enabled()
    shot(page, "newcomer-2")
    act("refine", lambda: page.get_by_role("button", name="Refine edge").click())
    expect(page.get_by_text("ready", exact=True)).to_be_visible()
    shot(page, "newcomer-3")
    act("export", lambda: page.get_by_role("button", name="Export").click())
    shot(page, "newcomer-4")
    with page.expect_download() as download:
        act("download", lambda: page.get_by_role("button", name="Download").click())
    expect(page.get_by_text("1 file written.")).to_be_visible()
    shot(page, "newcomer-5")
    assert download.value.suggested_filename == "astronaut.png"
    alpha = alpha_of(download.value.path())
    assert (alpha == 255).any() and (alpha == 0).any()
    assert len(actions) <= 6


def test_the_second_tab_is_told_and_can_take_over(new_page, server, shot):
    first = Desk(new_page()).open(server)
    first.click(200, 300)
    area = first.area()
    second = new_page()
    second.goto(server.url)
    expect(second.get_by_role("alert")).to_contain_text("open in another tab")
    expect(second.get_by_test_id("status")).to_have_text("open in another tab")
    shot(second, "second-tab")
    second.get_by_role("button", name="Take over here").click()
    Desk(second).ready()
    assert Desk(second).area() == area
    expect(first.page.get_by_role("alert")).to_contain_text("has taken this photo over")
    first.page.mouse.click(*first.place(100, 100))
    Desk(second).click(250, 420)
    newest = Desk(second).area()
    first.page.get_by_role("button", name="Take it back").click()
    first.ready()
    assert first.area() == newest


def test_a_reload_does_not_lock_a_tab_out_of_its_own_photo(desk):
    desk.click(200, 300)
    area = desk.area()
    desk.page.reload()
    desk.ready()
    assert desk.area() == area
    expect(desk.page.get_by_role("alert")).to_be_hidden()


def test_clicks_on_a_dead_server_wait_and_are_done_once_it_is_back(desk, server):
    desk.click(200, 300)
    server.kill()
    desk.page.mouse.click(*desk.place(250, 420))
    desk.page.mouse.click(*desk.place(180, 420))
    expect(desk.page.get_by_test_id("status")).to_contain_text("connection lost, 2 waiting")
    server.start()
    desk.ready()
    found = desk.page.request.post(
        f"{server.origin}/api/photos/{desk.page.url.partition('#')[2]}/open",
        data={"client": "reader", "take_over": True},
        headers={"Origin": server.origin},
    )
    [thing] = found.json()["objects"]
    assert [(click["positive"]) for click in thing["clicks"]] == [True] * 3


def test_clicks_that_wait_when_the_page_is_closed_are_done_at_the_next_visit(desk, server):
    desk.click(200, 300)
    server.kill()
    desk.page.mouse.click(*desk.place(250, 420))
    expect(desk.page.get_by_test_id("status")).to_contain_text("1 waiting")
    desk.page.goto("about:blank")
    server.start()
    desk.open(server)
    desk.until(lambda: desk.page.get_by_test_id("undo").is_enabled())
    desk.page.get_by_test_id("undo").click()
    desk.until(lambda: desk.page.get_by_test_id("redo").is_enabled())
    assert desk.area() > 0, "what was clicked before is still there"


def test_several_objects_have_names_colours_order_and_can_be_hidden(desk):
    page, rows = desk.page, desk.page.locator("#objects .object")
    desk.click(200, 300)
    page.get_by_role("button", name="New object").click()
    expect(rows).to_have_count(2)
    desk.click(420, 150)
    rows.nth(1).get_by_role("button", name="Rename").click()
    page.get_by_label("New name of Object 2").fill("<b>rocket</b>")
    page.keyboard.press("Enter")
    expect(rows.nth(1).locator(".title")).to_have_text("<b>rocket</b>")
    colour = page.get_by_label("Colour of <b>rocket</b>")
    colour.fill("#00ff00")
    expect(colour).to_have_value("#00ff00")
    desk.until(lambda: desk.colour(420, 150)[1] > 120)
    tinted = desk.colour(420, 150)
    page.get_by_role("button", name="Hide <b>rocket</b>").click()
    desk.until(lambda: desk.colour(420, 150) != tinted)
    rows.nth(1).get_by_role("button", name="Move <b>rocket</b> down").click()
    expect(rows.nth(0).locator(".title")).to_have_text("<b>rocket</b>")
    page.reload()
    desk.ready()
    expect(rows.nth(0).locator(".title")).to_have_text("<b>rocket</b>")
    expect(page.get_by_role("button", name="Show <b>rocket</b>")).to_be_visible()
    rows.nth(0).locator(".pick").click()
    page.get_by_role("button", name="Remove <b>rocket</b>").click()
    expect(rows).to_have_count(1)
    page.keyboard.press("Control+z")
    expect(rows).to_have_count(2)


def test_box_lasso_brush_eraser_and_scribble_change_the_mask(desk, shot):
    page = desk.page
    page.get_by_role("button", name="Lasso").click()
    with page.expect_response(lambda answer: answer.url.endswith("/actions")):
        desk.drag([(100, 100), (200, 100), (200, 200), (100, 200)])
    desk.ready()
    assert desk.area() == pytest.approx(100 * 100, rel=0.03)
    page.get_by_role("button", name="Brush").click()
    desk.drag([(300, 300), (360, 300)])
    desk.until(lambda: desk.area() > 12_000)
    desk.ready()
    painted = desk.area()
    page.get_by_role("button", name="Eraser").click()
    desk.drag([(90, 150), (210, 150)])
    desk.until(lambda: desk.area() < painted - 2000)
    desk.ready()
    shot(page, "tools")
    page.get_by_role("button", name="Scribble").click()
    before = desk.area()
    desk.drag([(240, 330), (300, 420)])
    desk.until(lambda: desk.area() != before)
    desk.ready()
    page.get_by_role("button", name="New object").click()
    page.get_by_role("button", name="Box").click()
    desk.drag([(340, 20), (450, 330)])
    desk.until(lambda: page.locator("#objects .pick .dim").last.text_content() != "empty")
    desk.ready()


def test_what_was_found_shows_under_the_pointer_and_a_click_takes_it(desk, server, shot):
    page = desk.page
    expect(page.get_by_role("heading", name="Found in this photo")).to_be_visible()
    page.get_by_role("button", name="Subject").click()
    photo = page.url.partition("#")[2]
    found = page.request.get(f"{server.origin}/api/photos/{photo}/subjects").json()["subjects"]
    subject = max(found, key=lambda each: each["area"])
    depth = distance_transform_edt(np.pad(rle.decode(subject["rle"]), 1))[1:-1, 1:-1]
    y, x = (int(each) for each in np.unravel_index(depth.argmax(), depth.shape))
    page.mouse.move(*desk.place(x + 0.5, y + 0.5))
    desk.until(lambda: desk.colour(x + 0.5, y + 0.5, of="canvas")[3] > 50)
    shot(page, "subject")
    page.mouse.click(*desk.place(x + 0.5, y + 0.5))
    desk.until(lambda: desk.area() == subject["area"])
    page.locator("#subjects .chip").last.click()
    expect(page.locator("#objects .object")).to_have_count(2)


def test_the_band_can_be_seen_painted_and_set(desk, shot):
    page = desk.page
    page.get_by_role("button", name="Lasso").click()
    desk.drag([(100, 100), (400, 100), (400, 400), (100, 400)])
    desk.until(lambda: desk.area() > 0)
    desk.ready()
    page.get_by_test_id("refine").click()
    desk.ready()
    page.get_by_role("combobox", name="View").select_option("Overlay")
    desk.ready()
    shot(page, "band")
    with page.expect_response(lambda answer: "/trimap" in answer.url and answer.ok) as answer:
        page.get_by_label("Band width").fill("9")
    trimap = np.array(Image.open(BytesIO(page.request.get(answer.value.url).body())))
    assert set(np.unique(trimap)) == {0, 128, 255}
    assert trimap[250, 101] == 128 and trimap[250, 130] == 255
    expect(page.locator("#band-value")).to_have_text("9 px")
    page.get_by_role("radio", name="Unsure").click()
    with page.expect_response(lambda answer: "/trimap" in answer.url and answer.ok) as answer:
        desk.drag([(200, 250), (300, 250)])
    painted = np.array(Image.open(BytesIO(page.request.get(answer.value.url).body())))
    assert painted[250, 250] == 128
    assert (painted != trimap).sum() > 1000
    page.get_by_role("radio", name="Off").click()
    page.get_by_label("Matting model").select_option("mematte-mini")
    desk.ready()
    page.reload()
    desk.ready()
    expect(page.get_by_label("Matting model")).to_have_value("mematte-mini")
    expect(page.locator("#band-value")).to_have_text("9 px")


def test_the_whole_folder_is_exported_as_one_archive(desk):
    page = desk.page
    desk.click(200, 300)
    desk.choose("chelsea.jpg")
    desk.click(150, 150)
    page.get_by_test_id("export").click()
    page.get_by_label("The whole folder (2 of 3 photos have objects)").check()
    page.get_by_label("Format").select_option("Masks, PNG")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    with ZipFile(download.value.path()) as archive:
        names = archive.namelist()
    assert len(names) == 2
    assert {name.partition(".")[0] for name in names} == {"astronaut", "chelsea"}
    page.get_by_label("Format").select_option("COCO, JSON")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    found = json.loads(download.value.path().read_text())
    assert len(found["annotations"]) == 2


def test_nothing_to_export_is_said_in_words(desk):
    desk.page.get_by_test_id("export").click()
    desk.page.get_by_role("button", name="Download").click()
    expect(desk.page.locator("#export-text")).to_contain_text("Nothing could be written")
    expect(desk.page.locator("#export-files")).to_contain_text("click")


def test_masks_from_files_become_objects(desk, tmp_path):
    mask = np.zeros((512, 512), np.uint8)
    mask[100:200, 150:350] = 255
    file = tmp_path / "astronaut mask.png"
    Image.fromarray(mask).save(file)
    desk.page.get_by_role("button", name="Import").click()
    desk.page.get_by_label("Choose a file").set_input_files(file)
    expect(desk.page.locator("#objects .title")).to_have_text("astronaut mask")
    desk.until(lambda: desk.area() == 20_000)
    wrong = tmp_path / "small.png"
    Image.fromarray(mask[:50]).save(wrong)
    desk.page.get_by_role("button", name="Import").click()
    desk.page.get_by_label("Choose a file").set_input_files(wrong)
    expect(desk.page.locator(".toast.error")).to_contain_text("512 x 512, got 512 x 50")


def test_a_photo_is_marked_as_done(desk):
    item = desk.page.get_by_role("option", name="astronaut.jpg")
    expect(item).to_have_accessible_name("astronaut.jpg, untouched, 0 objects")
    desk.click(200, 300)
    expect(item).to_have_accessible_name("astronaut.jpg, in work, 1 object")
    desk.page.get_by_role("button", name="Done").click()
    expect(item).to_have_accessible_name("astronaut.jpg, done, 1 object")
