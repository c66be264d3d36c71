"""Who and what the page is for: keys only, fingers, screen readers, small screens, large photos."""

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.desk import Desk

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}


def test_keys_alone_lead_to_a_mask_and_back(desk):
    page = desk.page
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the photo")).to_be_focused()
    page.keyboard.press("Enter")
    expect(desk.canvas).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Enter")
    desk.until(lambda: desk.area() > 0)
    desk.ready()
    page.keyboard.press("r")
    expect(page.get_by_test_id("refine")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Control+z")
    expect(page.get_by_test_id("refine")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="Lasso")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Hot keys")
    expect(sheet).to_contain_text("Refine edge")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    page.keyboard.press("Control+s")
    expect(page.get_by_role("dialog", name="Export")).to_be_visible()


def test_space_moves_the_photo_with_any_tool(desk):
    page = desk.page
    left = "each => parseFloat(each.style.left)"
    before = page.locator("#split").evaluate(left)
    page.get_by_role("button", name="Lasso").click()  # and the button keeps the focus
    page.keyboard.down("Space")
    desk.drag([(100, 100), (200, 100), (200, 200)])
    page.keyboard.up("Space")
    desk.ready()
    expect(page.locator("#objects .object")).to_have_count(0)
    assert page.locator("#split").evaluate(left) > before + 50
    page.keyboard.press("0")
    page.keyboard.down("Space")
    page.evaluate("window.dispatchEvent(new Event('blur'))")
    desk.drag([(100, 100), (200, 100), (200, 200)])
    desk.ready()
    assert desk.area() == pytest.approx(100 * 100 / 2, rel=0.03)


def test_the_size_of_the_brush_is_set_with_keys_that_need_alt(desk):
    desk.page.get_by_role("button", name="Brush").click()
    size = desk.page.locator("#brush-size")
    before = int(size.input_value())
    press = """(keys) => document.body.dispatchEvent(
        new KeyboardEvent('keydown', {...keys, bubbles: true, cancelable: true}))"""
    desk.page.evaluate(press, {"key": "[", "altKey": True})  # Option
    smaller = int(size.input_value())
    assert smaller < before
    desk.page.evaluate(press, {"key": "]", "altKey": True, "ctrlKey": True})  # AltGr on Windows
    assert int(size.input_value()) > smaller


def test_everything_that_can_be_used_has_a_name(desk):
    desk.click(200, 300)
    desk.page.get_by_test_id("refine").click()
    expect(desk.page.get_by_role("heading", name="Refine edge")).to_be_visible()
    nameless = desk.page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, [role=slider], canvas')]
            .filter((each) => !each.closest('[aria-hidden=true]') && each.ariaHidden !== 'true')
            .filter((each) => !each.ariaLabel && !each.textContent.trim()
                && !each.getAttribute('aria-labelledby') && !each.labels?.length)
            .map((each) => each.outerHTML)"""
    )
    assert nameless == []
    ids = desk.page.evaluate("[...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(ids) == len(set(ids))


def test_fingers_tap_pinch_and_take_away(new_page, server, shot):
    page = new_page(viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    desk = Desk(page).open(server)
    shot(page, "phone-1-opened")
    page.touchscreen.tap(*desk.place(200, 300))
    desk.until(lambda: desk.area() > 0)
    desk.ready()
    shot(page, "phone-2-tapped")
    before = page.locator("#zoom-actual").text_content()
    touch = page.context.new_cdp_session(page)
    x, y = desk.place(256, 256)
    for kind, spread in [("touchStart", 20), *(("touchMove", 20 + 10 * n) for n in range(1, 9))]:
        points = [{"x": x - spread, "y": y, "id": 1}, {"x": x + spread, "y": y, "id": 2}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    desk.until(lambda: page.locator("#zoom-actual").text_content() != before)
    expect(page.locator("#objects .object")).to_have_count(1)
    page.get_by_role("button", name="Objects").click()
    expect(page.get_by_role("heading", name="Objects")).to_be_in_viewport()
    page.wait_for_timeout(300)  # the sheet slides in; only for the picture
    shot(page, "phone-3-objects")
    page.get_by_role("button", name="Close the panel").click()
    page.get_by_role("button", name="Photos").click()
    page.get_by_role("option", name="chelsea.jpg").click()
    expect(page.get_by_label("Photo chelsea.jpg")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_colours_of_the_system(new_page, server, shot, scheme):
    page = new_page(color_scheme=scheme)
    desk = Desk(page).open(server)
    desk.click(200, 300)
    bar = page.locator("header.top").evaluate("each => getComputedStyle(each).backgroundColor")
    channels = [int(part) for part in bar.removeprefix("rgb(").removesuffix(")").split(",")]
    assert (np.mean(channels) > 128) == (scheme == "light")
    shot(page, f"colours-{scheme}")


def test_a_photo_of_24_megapixels_comes_in_small_pictures_and_tiles(page, photos, server, shot):
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (8, 12, 3), np.uint8))
    coarse.resize((6000, 4000), Image.Resampling.BICUBIC).save(photos / "large.jpg", quality=90)
    asked = []
    page.on("request", lambda request: asked.append(request.url.partition("/api/")[2]))
    desk = Desk(page).open(server)
    desk.choose("large.jpg")
    whole = [url for url in asked if "picture" in url]
    assert whole and not any(url.endswith("4096") for url in whole)
    assert not [url for url in asked if "tiles" in url]
    desk.click(3000, 2000)
    assert desk.area() > 0
    page.get_by_role("button", name="Zoom to 100 %").click()
    expect(page.locator("#zoom-actual")).to_have_text("100 %")
    desk.until(lambda: len([url for url in asked if "tiles" in url]) >= 4)
    shot(page, "large-1-to-1")
    tiles = {url.partition("tiles/")[2] for url in asked if "tiles" in url}
    assert len(tiles) < 30, "only what is seen"
    x, y = desk.canvas.bounding_box()["x"] + 400, desk.canvas.bounding_box()["y"] + 300
    page.mouse.move(x, y)
    page.mouse.wheel(0, 300)
    desk.until(lambda: page.locator("#zoom-actual").text_content() != "100 %")
    page.keyboard.press("0")
    desk.until(lambda: float(page.locator("#zoom-actual").text_content().split()[0]) < 20)


def test_an_empty_folder_and_a_missing_token_are_explained(new_page, serve, tmp_path, shot):
    server = serve(tmp_path)
    page = new_page()
    page.goto(server.url)
    expect(page.get_by_text("There are no photos yet.")).to_be_visible()
    shot(page, "empty")
    stranger = new_page()
    stranger.goto(server.origin)
    expect(stranger.get_by_text("maskwright serve")).to_be_visible()


def test_a_photo_can_be_dropped_on_the_page(page, serve, tmp_path):
    import skimage.data

    folder = tmp_path / "folder"
    folder.mkdir()
    Image.fromarray(skimage.data.chelsea()).save(tmp_path / "cat.jpg")
    page.goto(serve(folder).url)
    expect(page.get_by_text("There are no photos yet.")).to_be_visible()
    content = list((tmp_path / "cat.jpg").read_bytes())
    page.evaluate(
        """(content) => {
            const files = new DataTransfer();
            files.items.add(new File([new Uint8Array(content)], 'cat.jpg', {type: 'image/jpeg'}));
            window.dispatchEvent(new DragEvent('drop', {dataTransfer: files, cancelable: true}));
        }""",
        content,
    )
    expect(page.get_by_test_id("gallery-item")).to_have_count(1)
    expect(page.get_by_label("Photo cat.jpg")).to_be_visible()


def test_a_long_folder_keeps_the_page_short(page, serve, tmp_path):
    picture = Image.new("RGB", (64, 48), "#336699")
    for number in range(300):
        picture.save(tmp_path / f"{number:03}.png")
    page.goto(serve(tmp_path).url)
    expect(page.get_by_role("option", name="000.png")).to_be_visible()
    assert page.get_by_test_id("gallery-item").count() < 60
    # Until the first photo is open, the film may still move to it.
    expect(page.get_by_test_id("status")).to_have_text("ready")
    page.locator("#film").evaluate("each => { each.scrollLeft = each.scrollWidth; }")
    expect(page.get_by_role("option", name="299.png")).to_be_visible()
