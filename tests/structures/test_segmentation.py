import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco

import maskwright
from maskwright.errors import DataError, ShapeError, UsageError
from maskwright.structures import rle
from maskwright.structures.segment import Segment
from maskwright.structures.segmentation import (
    VOID,
    Segmentation,
    as_semantic,
    semantic_segmentation,
)

SIZE = (7, 11)
NAMES = ("person", "dog", "grass")


def rectangle(top, bottom, left, right):
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return rle.encode(mask)


def segment(id, category=0, code=None, **more):
    code = rectangle(0, 2, 0, 3) if code is None else code
    return Segment(id, category, NAMES[category], code, **more)


def panoptic(*segments):
    return Segmentation(SIZE, "panoptic", NAMES, segments)


masks = arrays.arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 11)))
label_maps = arrays.arrays(
    np.int32,
    st.tuples(st.integers(1, 7), st.integers(1, 11)),
    elements=st.sampled_from([0, 2, 255]),
)


@given(masks)
def test_a_segment_knows_its_area_and_box_without_decoding(mask):
    code = rle.encode(mask)
    if not mask.any():
        with pytest.raises(UsageError, match=r"segment 4 \(dog\) must have one pixel or more"):
            Segment(4, 1, "dog", code)
        return
    found = Segment(4, 1, "dog", code)
    rows, columns = np.nonzero(mask)
    assert found.area == mask.sum()
    assert found.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert (found.mask() == mask).all()
    assert found.size == mask.shape
    x, y, w, h = coco.toBbox({"size": list(mask.shape), "counts": code["counts"].encode()})
    assert found.box == (x, y, x + w, y + h)


@given(masks.filter(np.any), st.data())
def test_codes_of_one_mask_make_equal_segments(mask, data):
    runs = []
    for run in [0, *np.diff(rle.spans(rle.encode(mask)).ravel(), prepend=0).tolist()][1:]:
        cut = data.draw(st.integers(0, run))
        runs += [cut, 0, run - cut]  # a run in two, by one of no length between
    runs.append(mask.size - sum(runs))
    loose = Segment(1, 0, "person", {"size": list(mask.shape), "counts": runs})
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert loose == Segment(1, 0, "person", theirs) == Segment(1, 0, "person", rle.encode(mask))
    assert loose.rle["counts"] == theirs["counts"].decode()


@given(label_maps)
def test_the_run_lengths_of_a_label_map_are_those_of_its_masks(labels):
    found = rle.encode_labels(labels)
    assert list(found) == np.unique(labels).tolist()
    for value, code in found.items():
        assert code == rle.encode(labels == value)


def test_an_empty_label_map_has_no_run_lengths():
    assert rle.encode_labels(np.zeros((0, 5), np.int32)) == {}


def test_a_box_of_nothing_is_refused():
    with pytest.raises(ShapeError, match="one pixel or more, got none"):
        rle.box_of_spans(np.zeros((0, 2), int), 3)


@given(label_maps)
def test_a_semantic_label_map_comes_back(labels):
    found = semantic_segmentation(labels, NAMES, is_thing=[True, True, False])
    np.testing.assert_array_equal(found.label_map(), labels)
    assert found.label_map().dtype == np.int32
    assert [s.category_id for s in found.segments] == [v for v in np.unique(labels) if v != VOID]
    assert all(s.is_thing == (s.category_id == 0) for s in found.segments)
    assert as_semantic(found) is found


def test_a_panoptic_label_map_holds_ids_and_0():
    found = panoptic(
        segment(1, 1, rectangle(0, 7, 3, 5)),
        segment(2, 1, rectangle(2, 4, 0, 3)),
        segment(3, 2, rectangle(6, 7, 6, 11), is_thing=False),
    )
    expected = np.zeros(SIZE, int)
    expected[:, 3:5], expected[2:4, :3], expected[6:, 6:] = 1, 2, 3
    np.testing.assert_array_equal(found.label_map(), expected)
    united = as_semantic(found)
    np.testing.assert_array_equal(united.label_map(), np.array([VOID, 1, 1, 2])[expected])
    assert [s.is_thing for s in united.segments] == [True, False]


def test_instances_may_overlap_and_have_no_label_map():
    found = Segmentation(SIZE, "instance", NAMES, (segment(1), segment(2, 1)))
    with pytest.raises(UsageError, match="got instances; take each segment's"):
        found.label_map()
    with pytest.raises(UsageError, match="got instances"):
        as_semantic(found)


def test_overlaps_are_named():
    tall = segment(2, 2, rectangle(1, 2, 2, 4))
    match = r"got 1 \(person\) and 2 \(grass\) with pixels in common"
    with pytest.raises(UsageError, match=match):
        panoptic(segment(1), tall, segment(3, 1, rectangle(5, 6, 0, 2)))
    with pytest.raises(UsageError, match=match):
        Segmentation(SIZE, "semantic", NAMES, (segment(1), tall))


@given(st.lists(masks.filter(np.any), min_size=2, max_size=4))
def test_overlaps_are_found_exactly_when_there_is_one(found):
    height, width = (min(mask.shape[axis] for mask in found) for axis in (0, 1))
    found = [mask[:height, :width] for mask in found]
    found = [mask for mask in found if mask.any()]
    segments = tuple(Segment(i, 0, "person", rle.encode(m)) for i, m in enumerate(found, start=1))
    overlaps = sum(mask.astype(int) for mask in found).max(initial=0) > 1 if found else False
    if overlaps:
        with pytest.raises(UsageError, match="in common"):
            Segmentation((height, width), "panoptic", NAMES, segments)
    else:
        Segmentation((height, width), "panoptic", NAMES, segments)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: segment(0), UsageError, "id must be 1 or more, got 0"),
        (lambda: Segment(1, -1, "x", rectangle(0, 1, 0, 1)), UsageError, "category_id must be 0"),
        (lambda: Segment(1, 0, "", rectangle(0, 1, 0, 1)), UsageError, "category must be a name"),
        (lambda: segment(1, score=1.5), UsageError, r"score must lie in \[0, 1\], got 1.5"),
        (lambda: segment(1, score=float("nan")), UsageError, "score must lie in"),
        (lambda: segment(1, code={"size": [7, 11], "counts": [3]}), DataError, "sum up to 77"),
        (lambda: panoptic(segment(2)), UsageError, "segment 1 must have the id 1, got 2"),
        (
            lambda: panoptic(Segment(1, 5, "cow", rectangle(0, 1, 0, 1))),
            UsageError,
            "its category 5, None, got 'cow'",
        ),
        (
            lambda: panoptic(Segment(1, 1, "cow", rectangle(0, 1, 0, 1))),
            UsageError,
            "its category 1, 'dog', got 'cow'",
        ),
        (
            lambda: Segmentation((7, 12), "panoptic", NAMES, (segment(1),)),
            ShapeError,
            r"as large as its photo, \(7, 12\), got \(7, 11\)",
        ),
        (lambda: Segmentation((0, 11), "panoptic", NAMES, ()), ShapeError, "a height and a width"),
        (lambda: Segmentation(SIZE, "boxes", NAMES, ()), UsageError, "one of panoptic, instance"),
        (
            lambda: Segmentation(
                SIZE, "semantic", NAMES, (segment(1), segment(2, code=rectangle(4, 5, 0, 1)))
            ),
            UsageError,
            "one segment for each category, got 1 and 2 for person",
        ),
        (
            lambda: semantic_segmentation(np.full(SIZE, 3, np.int32), NAMES),
            UsageError,
            "one of the 3 categories from 0 on, or 255 for none, got 3",
        ),
        (
            lambda: Segmentation(
                SIZE,
                "semantic",
                tuple(str(i) for i in range(300)),
                (Segment(1, 255, "255", rectangle(0, 1, 0, 1)),),
            ),
            UsageError,
            r"below 255, which stands for none, got 255 \(255\)",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()


def test_the_names_are_public():
    assert maskwright.Segmentation is Segmentation
    assert maskwright.Segment is Segment
