import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from maskwright.errors import ShapeError, UsageError
from maskwright.image.photo import Photo
from maskwright.inference.explain import (
    DIMMED,
    KEPT_RGB,
    KEPT_TINT,
    OUTLINE_RGB,
    Routing,
    as_json,
    as_markdown,
    explain,
    pictures,
)
from maskwright.inference.matte import Matter, network_input
from maskwright.inference.memory import resident_bytes
from maskwright.inference.planning import LimitPlanner, TilePlanner
from maskwright.models.mematte.limits import Limits
from maskwright.structures.trimap import Trimap

sys.path.append(str(Path(__file__).parents[1] / "models" / "mematte"))
from tiny_networks import TEACHER, TINY, network

SIZE = HEIGHT, WIDTH = 53, 101  # 4 x 7 tokens; filled up to 64 x 128, 4 x 8 tokens
ROUTERS = 2


def scene():
    generator = np.random.default_rng(0)
    trimap = np.zeros(SIZE, np.uint8)
    trimap[20:47, 30:83], trimap[31:37, 41:67] = 128, 255
    return generator.integers(0, 256, (*SIZE, 3), np.uint8), trimap


def decisions():
    return np.random.default_rng(1).random((ROUTERS, 4, 8)) < 0.4


def matter(config=TINY, **options):
    return Matter(network(config), LimitPlanner(config), device="cpu", **options)


def test_shares_count_the_tokens_of_the_photo():
    keep, (_, trimap) = decisions(), scene()
    routing = explain(keep, trimap)
    tokens = [(row, column) for row in range(4) for column in range(7)]
    open_ = {
        (row, column)
        for row, column in tokens
        if (trimap[16 * row : 16 * row + 16, 16 * column : 16 * column + 16] == 128).any()
    }
    assert 0 < len(open_) < len(tokens)
    assert {tuple(at) for at in np.argwhere(routing.unknown)} == open_
    for router, shares in enumerate(routing.shares):
        kept = [at for at in tokens if keep[router][at]]
        assert shares.all == pytest.approx(len(kept) / 28)
        assert shares.unknown == pytest.approx(len(open_ & set(kept)) / len(open_))
        assert shares.known == pytest.approx(len(set(kept) - open_) / (28 - len(open_)))


def test_there_is_no_share_of_no_tokens():
    known, unknown = (explain(decisions(), np.full(SIZE, v, np.uint8)) for v in (255, 128))
    assert {shares.unknown for shares in known.shares} == {None}
    assert {shares.known for shares in unknown.shares} == {None}
    assert [s.all for s in known.shares] == [s.known for s in known.shares]
    assert "| 1 | 39.3% |  | 39.3% |" in as_markdown(known, photo="a.jpg")
    assert as_json(known, photo="a.jpg")["routers"][0]["with_unknown"] is None


def test_json_has_counts_and_a_row_per_router():
    keep, (_, trimap) = decisions(), scene()
    report = as_json(explain(keep, trimap, max_tokens=1000), photo="a.jpg")
    routers = report.pop("routers")
    assert report == {
        "photo": "a.jpg",
        "size": [HEIGHT, WIDTH],
        "token_px": 16,
        "tokens": 28,
        "with_unknown": 10,
        "max_tokens": 1000,
    }
    assert [row["router"] for row in routers] == [1, 2]
    for row, kept in zip(routers, keep[:, :, :7], strict=True):
        assert row["kept"] == kept.sum() and row["all"] == pytest.approx(kept.mean())
        assert row["kept"] == pytest.approx(10 * row["with_unknown"] + 18 * row["without"])


def test_the_table_has_a_line_per_router():
    keep = np.zeros((ROUTERS, 4, 8), bool)
    keep[0, 1, 2] = keep[1] = True
    lines = as_markdown(explain(keep, scene()[1], max_tokens=99), photo="a.jpg").splitlines()
    assert lines[0] == (
        "a.jpg, 101 x 53: 28 tokens of 16 x 16 pixels, 10 with unknown pixels."
        " Sent to global attention, at most 99 per router:"
    )
    assert lines[2:] == [
        "| router | all tokens | with unknown pixels | without |",
        "|---|--:|--:|--:|",
        "| 1 | 3.6% | 10.0% | 0.0% |",
        "| 2 | 100.0% | 100.0% | 100.0% |",
    ]


def test_a_picture_tints_kept_tokens_dims_others_and_outlines_the_band():
    (photo, trimap), keep = scene(), decisions()
    drawn = list(pictures(Photo(photo), trimap, explain(keep, trimap)))
    assert len(drawn) == ROUTERS
    band = trimap == 128
    for picture, kept in zip(drawn, keep, strict=True):
        assert picture.shape == photo.shape and picture.dtype == np.uint8
        for row, column in np.ndindex(*SIZE):
            around = band[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
            colour = photo[row, column] / 255
            if band[row, column] and not around.all():
                expected = np.array(OUTLINE_RGB)
            elif kept[row // 16, column // 16]:
                expected = colour + KEPT_TINT * (np.array(KEPT_RGB) - colour)
            else:
                expected = DIMMED * colour
            np.testing.assert_allclose(picture[row, column], 255 * expected, atol=0.51)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_deep_photo_gives_the_same_picture(dtype):
    photo, trimap = scene()
    deep = photo.astype(np.uint16) * 257 if dtype == np.uint16 else (photo / 255).astype(dtype)
    routing = explain(decisions(), trimap)
    for one, other in zip(
        pictures(Photo(photo), trimap, routing), pictures(Photo(deep), trimap, routing), strict=True
    ):
        np.testing.assert_allclose(one.astype(int), other, atol=1)


@pytest.mark.parametrize("size", [(1000, 640), (640, 1000), (1, 1000)])
def test_a_large_photo_is_shrunk_and_the_thinnest_band_stays_visible(size):
    trimap = np.zeros(size, np.uint8)
    trimap[size[0] // 2, : size[1] // 2] = 128
    rows, columns = (-(-length // 16) for length in size)
    keep = np.arange(columns) % 2 == np.arange(rows)[:, None] % 2
    grey = Photo(np.full((*size, 3), 200, np.uint8))
    (picture,) = pictures(grey, trimap, explain(keep[None], trimap), long_side_px=250)
    scale = 250 / 1000
    assert picture.shape == (max(1, round(size[0] * scale)), round(size[1] * scale), 3)
    line = picture[picture.shape[0] // 2, : picture.shape[1] // 2 - 2]
    if size[0] > 1:  # a band that fills the picture's height has ends, and no sides
        assert (line == np.round(255 * np.array(OUTLINE_RGB)).astype(np.uint8)).all()
    right = picture[0, -2]  # the last token of the first row
    tinted = right[0] > right[2]
    assert tinted == keep[0, -1]


def test_pictures_of_24_megapixels_cost_little_memory():
    size = (4000, 6000)
    photo = Photo(np.full((*size, 3), 99, np.uint8))
    trimap = np.zeros(size, np.uint8)
    trimap[1000:3000, 1500:4500] = 128
    keep = np.ones((4, 250, 375), bool)
    tracemalloc.start()
    drawn = sum(1 for _ in pictures(photo, trimap, explain(keep, trimap)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert drawn == 4
    assert peak < 4 * size[0] * size[1]  # float32 RGB of the whole photo would be 12 per pixel


def test_what_is_not_of_one_photo_is_refused():
    (photo, trimap), routing = scene(), explain(decisions(), scene()[1])
    with pytest.raises(ShapeError, match="photo, trimap and routing must have one size, got"):
        next(pictures(Photo(photo[:-1].copy()), trimap, routing))
    with pytest.raises(ShapeError, match=r"has \(4, 7\) tokens, got kept of \(2, 3, 7\)"):
        explain(decisions()[:, :3], trimap)
    with pytest.raises(ShapeError, match=r"unknown of \(4, 8\); cut off"):
        Routing(routing.kept, np.zeros((4, 8), bool), SIZE)


def test_explaining_mattes_as_matte_does_and_shows_what_the_network_decided():
    photo, trimap = scene()
    loaded = matter()
    matte, routing = loaded.explain(photo, trimap)
    np.testing.assert_array_equal(matte.alpha, loaded.matte(photo, trimap).alpha)
    x = torch.from_numpy(network_input(photo / np.float32(255), trimap))[..., :HEIGHT, :WIDTH]
    with torch.inference_mode():
        keep = network().trace(x).keep[0].numpy()
    np.testing.assert_array_equal(routing.kept, keep[:, :4, :7])
    assert routing.size == SIZE and routing.max_tokens is None
    assert 0 < routing.kept.mean() < 1 and loaded.routers == len(routing.kept) == ROUTERS


def test_a_photo_that_is_known_everywhere_is_routed_all_the_same():
    known = np.where(scene()[1] == 128, np.uint8(0), scene()[1])
    matte, routing = matter().explain(scene()[0], Trimap(known))
    np.testing.assert_array_equal(matte.alpha, known == 255)
    assert routing.kept.any() and not routing.unknown.any()


def test_the_cap_on_tokens_is_part_of_the_explanation():
    capped = Matter(network(), TilePlanner(None, 32, 1, pad_px=1), device="cpu")
    capped.model.limits = Limits(max_tokens=3)
    _, routing = capped.explain(*scene())
    assert routing.max_tokens == 3 and (routing.kept.sum((1, 2)) <= 3).all()


def test_a_budget_holds_for_explanations_too():
    _, routing = matter(max_memory=resident_bytes() + 2**28).explain(*scene())
    np.testing.assert_array_equal(routing.kept, matter().explain(*scene())[1].kept)


@pytest.mark.parametrize(
    "without", [network(TEACHER), nn.Conv2d(4, 1, 1)], ids=["vitmatte", "other"]
)
def test_a_network_without_routers_is_refused_before_it_runs(without):
    loaded = Matter(without, TilePlanner(None, 32, 1), device="cpu")
    loaded.model.register_forward_pre_hook(lambda *_: pytest.fail("the network ran"))
    assert loaded.routers == 0
    with pytest.raises(UsageError, match="expected a network with routers to explain, this one"):
        loaded.explain(*scene())
