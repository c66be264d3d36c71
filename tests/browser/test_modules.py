"""The page's modules without a page: imported by the browser from the server."""

import json

import numpy as np
import pytest
from skimage.measure import points_in_poly

from maskwright.structures import rle

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def modules(browser, serve, tmp_path_factory):
    server = serve(tmp_path_factory.mktemp("empty"))
    page = browser.new_page()
    page.goto(server.url)
    page.goto(f"{server.origin}/docs")  # the same origin, and no script of its own
    yield page
    page.close()


def call(page, module, script, argument=None):
    """Return what an expression about `m`, the module, gives; `it` is the argument."""
    return page.evaluate(
        f"async (it) => {{ const m = await import('/static/{module}.js'); return {script}; }}",
        argument,
    )


def some_masks():
    rng = np.random.default_rng(0)
    coarse = rng.random((8, 6)) < 0.4
    yield np.kron(coarse, np.ones((37, 29), bool))
    yield rng.random((13, 17)) < 0.5
    yield np.zeros((5, 7), bool)
    yield np.ones((5, 7), bool)
    single = np.zeros((300, 1), bool)
    single[299] = True
    yield single


PIXELS = """
    const pixels = new Uint32Array(mask.height * mask.width);
    m.drawInto(mask, [0, 0, mask.width, mask.height], 1, pixels, 1);
    return [...pixels];
"""


@pytest.mark.parametrize("mask", list(some_masks()), ids=lambda mask: f"{mask.shape}")
def test_masks_are_read_and_written_as_the_server_does(modules, mask):
    code = rle.encode(mask)
    found = call(modules, "rle", f"(() => {{ const mask = m.maskFromRle(it); {PIXELS} }})()", code)
    assert np.array_equal(np.reshape(found, mask.shape), mask)
    assert call(modules, "rle", "m.rleFromMask(m.maskFromRle(it))", code) == code
    pixels = {"pixels": mask.ravel().astype(int).tolist(), "size": list(mask.shape)}
    assert (
        call(modules, "rle", "m.rleFromMask(m.maskFromPixels(it.pixels, ...it.size))", pixels)
        == code
    )
    assert call(modules, "rle", "m.areaOf(m.maskFromRle(it))", code) == mask.sum()


def test_a_changed_box_is_pasted_and_everything_outside_stays(modules):
    rng = np.random.default_rng(1)
    before, after = rng.random((23, 31)) < 0.5, rng.random((23, 31)) < 0.5
    x0, y0, x1, y1 = 4, 3, 19, 22
    expected = before.copy()
    expected[y0:y1, x0:x1] = after[y0:y1, x0:x1]
    patch = {"box": [x0, y0, x1, y1], "rle": rle.encode(after[y0:y1, x0:x1])}
    script = """(() => {
        const mask = m.maskFromRle(it.before);
        m.paste(mask, it.box, it.rle);
        return m.rleFromMask(mask);
    })()"""
    found = call(modules, "rle", script, {"before": rle.encode(before)} | patch)
    assert found == rle.encode(expected)


def test_a_shrunk_mask_keeps_about_its_share_of_the_picture(modules):
    y, x = np.mgrid[:300, :400]
    mask = (x - 210) ** 2 + (y - 140) ** 2 < 90**2
    script = """(() => {
        const pixels = new Uint32Array(100 * 75);
        m.drawInto(m.maskFromRle(it), [0, 0, 100, 75], 0.25, pixels, 7);
        return pixels.reduce((sum, each) => sum + each / 7, 0);
    })()"""
    assert call(modules, "rle", script, rle.encode(mask)) == pytest.approx(
        mask.sum() / 16, rel=0.02
    )


def test_which_pixel_is_in_a_mask_is_known(modules):
    mask = np.random.default_rng(2).random((11, 7)) < 0.5
    script = """(() => {
        const mask = m.maskFromRle(it);
        const at = (i) => m.contains(mask, i % 7 + 0.9, Math.floor(i / 7) + 0.1);
        return Array.from({length: 77}, (_, i) => at(i));
    })()"""
    assert np.array_equal(np.reshape(call(modules, "rle", script, rle.encode(mask)), (11, 7)), mask)


@pytest.mark.parametrize("counts", ["~", "o", "55"])
def test_damaged_masks_are_refused(modules, counts):
    script = """(() => {
        try { m.maskFromRle(it); return 'taken'; } catch (error) { return error.name; }
    })()"""
    assert call(modules, "rle", script, {"size": [3, 5], "counts": counts}) == "RangeError"


def test_zooming_keeps_the_point_under_the_pointer(modules):
    script = """(() => {
        const view = {zoom: 0.37, x: -120, y: 45};
        const zoomed = m.zoomedAt(view, 2.5, 300, 200, 0.01);
        return [m.toPhoto(view, 300, 200), m.toPhoto(zoomed, 300, 200), zoomed.zoom];
    })()"""
    before, after, zoom = call(modules, "geometry", script)
    assert after == pytest.approx(before)
    assert zoom == pytest.approx(0.37 * 2.5)


def test_a_fitted_photo_lies_in_the_middle_and_inside(modules):
    script = "m.fitted({width: 4000, height: 3000}, {width: 900, height: 700}, 20)"
    view = call(modules, "geometry", script)
    assert view["zoom"] == pytest.approx(860 / 4000)
    assert view["x"] == pytest.approx(20)
    assert view["y"] == pytest.approx((700 - 3000 * view["zoom"]) / 2)


def test_boxes_are_whole_pixels_inside_the_photo(modules):
    script = "m.boxBetween([30.2, 5.5], [-4, 90.1], {width: 40, height: 60})"
    assert call(modules, "geometry", script) == [0, 5, 31, 60]


def test_a_long_stroke_is_thinned_but_stays_where_it_was(modules):
    angle = np.linspace(0, 20, 6000)
    points = np.stack([500 + 20 * angle * np.cos(angle), 500 + 20 * angle * np.sin(angle)], 1)
    found = np.array(call(modules, "geometry", "m.thinned(it, 300)", points.tolist()))
    assert 20 < len(found) <= 300
    assert np.allclose(found[[0, -1]], points[[0, -1]], atol=0.01)
    far = [np.abs(np.hypot(*(found - point).T)).min() for point in points[::50]]
    assert max(far) < 60  # the next kept point
    script = """it.points.every((point) => it.kept.some((_, i) =>
        i && m.distanceToSegment(point, it.kept[i - 1], it.kept[i]) < 5))"""
    asked = {"points": points[::20].tolist(), "kept": found.tolist()}
    assert call(modules, "geometry", script, asked)


QUEUE = """
    const {Lost} = await import('/static/api.js');
    const {ActionQueue} = await import('/static/queue.js');
    const notes = new Map();
    const keeper = {
        getItem: (name) => notes.get(name) ?? null,
        setItem: (name, text) => { notes.set(name, text); },
        removeItem: (name) => { notes.delete(name); },
    };
    const sent = [];
    const wait = async () => {};
"""


def run(page, script):
    return page.evaluate(f"async () => {{ {QUEUE} {script} }}")


def test_actions_are_sent_one_after_the_other_and_answered(modules):
    answers = run(
        modules,
        """
        let running = 0; let most = 0;
        const queue = new ActionQueue('a', async (entry) => {
            running += 1; most = Math.max(most, running);
            await new Promise((resolve) => setTimeout(resolve, 5));
            running -= 1; sent.push(entry.action.x);
            return entry.action.x * 10;
        }, {keeper});
        const answers = await Promise.all([1, 2, 3].map((x) => queue.add('actions', {x})));
        return [answers, sent, most, [...notes]];
        """,
    )
    assert answers == [[10, 20, 30], [1, 2, 3], 1, []]


def test_a_lost_connection_sends_the_same_key_again_and_nothing_overtakes(modules):
    keys, order, waits = run(
        modules,
        """
        const keys = []; const waits = [];
        const queue = new ActionQueue('a', async (entry) => {
            keys.push(entry.key);
            if (keys.length < 4) throw new Lost('gone');
            sent.push(entry.kind);
        }, {keeper, wait: async (seconds) => { waits.push(seconds); }});
        queue.add('actions', {x: 1});
        await queue.add('undo');
        return [keys, sent, waits];
        """,
    )
    assert len(set(keys[:4])) == 1
    assert keys[4] != keys[0]
    assert order == ["actions", "undo"]
    assert waits == sorted(waits) and len(waits) == 3


def test_what_waited_when_a_page_was_closed_is_sent_by_the_next_one(modules):
    kept, sent = run(
        modules,
        """
        const closed = new ActionQueue('a', () => new Promise(() => {}), {keeper});
        void closed.add('actions', {x: 1}, 'key-one');
        void closed.add('redo', null, 'key-two');
        const kept = notes.get('a');
        const next = new ActionQueue('a', async ({key}) => { sent.push(key); }, {keeper});
        next.replay();
        await next.idle();
        return [kept, [sent, [...notes]]];
        """,
    )
    assert [entry["key"] for entry in json.loads(kept)] == ["key-one", "key-two"]
    assert sent == [["key-one", "key-two"], []]


def test_a_refused_action_is_dropped_and_told_and_the_next_one_goes_on(modules):
    told, answer = run(
        modules,
        """
        const told = [];
        const queue = new ActionQueue('a', async ({action}) => {
            if (action.x === 1) throw new Error('no such object');
            return 'done';
        }, {keeper, failed: (error) => told.push(error.message)});
        void queue.add('actions', {x: 1});
        return [told, await queue.add('actions', {x: 2})];
        """,
    )
    assert told == ["no such object"]
    assert answer == "done"


def test_a_stopped_queue_keeps_what_waits_and_nobody_waits_for_it(modules):
    answers, kept = run(
        modules,
        """
        let answer;
        const answered = new Promise((resolve) => { answer = resolve; });
        const queue = new ActionQueue('a', () => answered, {keeper});
        const promised = [1, 2].map((x) => queue.add('actions', {x}));
        queue.stop();
        await queue.idle();
        answer('done');
        const told = (each) => each.catch((error) => error.message);
        const answers = await Promise.all([...promised, queue.add('actions', {x: 3})].map(told));
        return [answers, notes.get('a')];
        """,
    )
    assert answers == ["done", "kept for the next visit", "kept for the next visit"]
    assert [entry["action"]["x"] for entry in json.loads(kept)] == [2, 3]


def test_a_damaged_note_of_waiting_actions_is_none(modules):
    assert (
        run(
            modules,
            """
        notes.set('a', '{"key": ');
        return new ActionQueue('a', async () => {}, {keeper}).replay();
        """,
        )
        == 0
    )


@pytest.mark.parametrize(
    ("header", "seconds"), [("2", 2), ("0", 0.2), ("900", 30), (None, 1), ("soon", 1)]
)
def test_a_full_queue_is_asked_again_after_the_time_it_names(modules, header, seconds):
    assert call(modules, "api", "m.waitAsked(it)", header) == seconds


@pytest.mark.parametrize(
    ("event", "command"),
    [
        ({"key": "v"}, "mode next"),
        ({"key": "V", "shiftKey": True}, "mode before"),
        ({"key": "z", "ctrlKey": True}, "undo"),
        ({"key": "Z", "metaKey": True, "shiftKey": True}, "redo"),
        ({"key": "?", "shiftKey": True}, "help"),
        ({"key": "+", "shiftKey": True}, "zoom in"),
        ({"key": "c", "ctrlKey": True}, None),
        ({"key": "[", "ctrlKey": True, "altKey": True}, "smaller"),
        ({"key": "]", "altKey": True}, "larger"),
        ({"key": "[", "metaKey": True}, None),
    ],
)
def test_keys_mean_what_the_sheet_says(modules, event, command):
    assert call(modules, "keys", "m.commandOf(it)", event) == command


@pytest.mark.parametrize(("long_px", "band_px"), [(500, 40), (8000, 500), (17_000, 1000)])
def test_the_band_can_be_wide_but_not_wider_than_the_server_takes(modules, long_px, band_px):
    assert call(modules, "refine", "m.widestBand(it)", long_px) == band_px


def test_one_key_goes_round_all_views(modules):
    script = """(() => {
        const seen = ['overlay'];
        while (seen.length < 20) seen.push(m.nextMode(seen.at(-1)));
        return [seen.slice(0, m.MODES.length), seen[m.MODES.length], m.nextMode('overlay', -1)];
    })()"""
    seen, again, before = call(modules, "modes", script)
    assert len(set(seen)) == len(seen)
    assert {"overlay", "black", "white", "checkerboard", "alpha", "split"} <= set(seen)
    assert again == "overlay"
    assert before == seen[-1]


def test_polygons_of_labelme_cover_the_pixels_whose_centres_they_hold(modules):
    points = [[3.2, 2.1], [36.9, 8.3], [25.4, 27.8], [9.9, 20.2]]
    file = {
        "imageWidth": 41,
        "imageHeight": 31,
        "shapes": [{"label": "kite", "shape_type": "polygon", "points": points}],
    }
    script = """m.objectsOf(it, {name: 'a.jpg', width: 41, height: 31})
        .map((each) => [each.name, each.mask.columns.map((column) => [...column])])"""
    [[name, columns]] = call(modules, "import", script, file)
    y, x = np.mgrid[:31, :41] + 0.5
    inside = points_in_poly(np.stack([x.ravel(), y.ravel()], 1), points).reshape(31, 41)
    found = np.zeros((31, 41), bool)
    for column, spans in enumerate(columns):
        for top, bottom in zip(spans[::2], spans[1::2], strict=True):
            found[top:bottom, column] = True
    assert name == "kite"
    assert np.array_equal(found, inside)


def test_masks_of_another_size_are_refused_and_turned_ones_are_named(modules):
    script = """(() => { try {
        m.objectsOf(it, {name: 'a.jpg', width: 41, height: 31}); return 'taken';
    } catch (error) { return error.message; } })()"""
    file = {"imageWidth": 31, "imageHeight": 41, "shapes": []}
    assert "41 x 31, got 31 x 41 (it is turned)" in call(modules, "import", script, file)


def test_objects_of_a_coco_file_are_those_of_the_photo(modules):
    mask = np.zeros((31, 41), bool)
    mask[4:9, 5:20] = True
    file = {
        "images": [
            {"id": 1, "file_name": "other.jpg", "width": 9, "height": 9},
            {"id": 2, "file_name": "folder/A.jpg", "width": 41, "height": 31},
        ],
        "categories": [{"id": 3, "name": "cat"}],
        "annotations": [
            {"image_id": 2, "category_id": 3, "segmentation": rle.encode(mask)},
            {"image_id": 1, "category_id": 3, "segmentation": [[0, 0, 5, 0, 5, 5]]},
            {"image_id": 2, "category_id": 3, "segmentation": [[5, 4, 20, 4, 20, 9, 5, 9]]},
        ],
    }
    script = """(async () => {
        const {rleFromMask} = await import('/static/rle.js');
        return m.objectsOf(it, {name: 'a.jpg', width: 41, height: 31})
            .map((each) => [each.name, rleFromMask(each.mask)]);
    })()"""
    script = f"await {script}"
    assert call(modules, "import", script, file) == [["cat", rle.encode(mask)]] * 2
