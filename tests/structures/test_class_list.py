import numpy as np
import pytest

from maskwright.errors import UsageError
from maskwright.structures.class_list import ClassList

STREET = ClassList(("road, route", "sky", "screen door, screen", "crt, screen"))


def test_what_is_left_out_is_filled_in():
    assert STREET.is_thing == (True,) * 4
    assert STREET.numbers == (0, 1, 2, 3) and STREET.void == (255,)
    assert len(set(STREET.colours)) == len(STREET) == 4


def test_made_up_colours_are_never_black_white_or_twice_the_same():
    colours = ClassList(tuple(str(i) for i in range(150))).colours
    assert len(set(colours)) == 150
    assert not {(0, 0, 0), (255, 255, 255)} & set(colours)


@pytest.mark.parametrize(
    ("name", "index"), [("sky", 1), (" SKY ", 1), ("route", 0), ("screen door, screen", 2)]
)
def test_a_class_is_found_by_name_and_synonym(name, index):
    assert STREET.find(name) == index


@pytest.mark.parametrize("name", ["cow", "", "screen"])
def test_an_unknown_or_shared_name_is_refused(name):
    with pytest.raises(UsageError, match=f"one of road, route, sky, .* got '{name}'"):
        STREET.find(name)


def test_labels_become_classes_by_their_numbers():
    classes = ClassList(("a", "b"), numbers=(7, 5), void=(0, 255))
    labels = np.array([[7, 5, 0], [255, 5, 7]], np.uint8)
    found = classes.classes_of(labels)
    np.testing.assert_array_equal(found, [[0, 1, 255], [255, 1, 0]])
    assert found.dtype == np.int32
    with pytest.raises(UsageError, match=r"2 classes \(5, 7\) or void \(0, 255\), got 4, 6, 254"):
        classes.classes_of(labels - 1 + (labels == 0))
    with pytest.raises(UsageError, match="got -1"):
        classes.classes_of(np.array([[5, -1]]))
    assert classes.index_map() == {7: 0, 5: 1}


def test_a_palette_has_each_class_at_its_index_and_white_for_void():
    palette = STREET.palette()
    assert palette.shape == (256, 3) and (palette[255] == 255).all()
    assert [tuple(row) for row in palette[:4].tolist()] == list(STREET.colours)
    with pytest.raises(UsageError, match="255 classes of the numbers 0 to 255, got 256"):
        ClassList(tuple(str(i) for i in range(256))).palette()
    with pytest.raises(UsageError, match="got 2 of 3, 300; write a 16-bit label map"):
        ClassList(("a", "b"), numbers=(300, 3)).palette()


@pytest.mark.parametrize(
    ("numbers", "void", "nothing"),
    [
        ((7, 5), (255,), 255),
        ((7, 5), (0, 255), 255),
        ((7, 5), (0,), 0),
        ((7, 5), (-1, 9), 9),
        ((7, 255), (3,), 3),
        ((255, 1), (255,), 0),  # a class has it, so that void needs another
    ],
)
def test_values_of_an_8_bit_picture_are_numbers(numbers, void, nothing):
    classes = ClassList(("a", "b"), numbers=numbers, void=void)
    found = np.array([[0, 1, 255]], np.int32)
    values = classes.values_of(found)
    assert values.dtype == np.uint8 and values.tolist() == [[*numbers, nothing]]
    assert (classes.palette()[list(numbers)] == classes.colours).all()
    assert (classes.palette()[nothing] == 255).all()
    if nothing in classes.void:
        np.testing.assert_array_equal(classes.classes_of(values), found)


def test_many_classes_are_listed_but_not_in_one_label_picture():
    classes = ClassList(tuple(map(str, range(1203))))
    assert classes.void == () and classes.numbers[255] == 255
    with pytest.raises(UsageError, match="255 classes at most, got 1203"):
        classes.classes_of(np.zeros((2, 2), np.int32))


def test_labels_far_apart_take_no_room_between_them():
    classes = ClassList(("a", "b"), numbers=(7, 2**30), void=(-(2**30),))
    found = classes.classes_of(np.array([[7, 2**30], [-(2**30), 7]]))
    np.testing.assert_array_equal(found, [[0, 1], [255, 0]])
    with pytest.raises(UsageError, match="got 8"):
        classes.classes_of(np.array([[8, 2**30]]))


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"names": ()}, "names that are not empty, got"),
        ({"names": ("a", " ")}, "names that are not empty, got"),
        ({"names": ("a", "a")}, "a name may be in a class list once, got a twice"),
        ({"numbers": (3, 3)}, "a number may be in a class list once, got 3 twice"),
        ({"numbers": (3, 255), "void": (0, 255)}, r"for a class or for void, got \[255\]"),
        ({"is_thing": (True,)}, "must have 2 is_thing, one for each name, got 1"),
        ({"colours": ((1, 2, 3),) * 3}, "must have 2 colours, one for each name, got 3"),
    ],
)
def test_what_does_not_fit_together_is_refused(more, match):
    with pytest.raises(UsageError, match=match):
        ClassList(**({"names": ("a", "b")} | more))
