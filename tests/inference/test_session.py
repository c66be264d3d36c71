import numpy as np
import pytest
from clicking import HEIGHT, MOBILE, WIDTH, photo, small_clicker

from maskwright.errors import FeaturesError, UsageError
from maskwright.inference.session import Session
from maskwright.structures.click import Click

ON, BESIDE = Click(100, 60), Click(31, 17, positive=False)


@pytest.fixture(scope="module")
def clicker():
    return small_clicker(MOBILE)


@pytest.fixture
def session(clicker, features):
    return Session(clicker, features)


@pytest.fixture(scope="module")
def features(clicker):
    return clicker.encode(photo())


def same(one, other):
    np.testing.assert_array_equal(one.mask, other.mask)
    np.testing.assert_array_equal(one.reference, other.reference)
    return True


def test_clicks_go_on_from_the_last_answer(session, clicker, features):
    session.add(1, [ON])
    second = session.add(1, [BESIDE])
    assert same(second, clicker.answer(features, [BESIDE], clicker.answer(features, [ON])))
    assert session.answer(1) is second


def test_undo_and_redo_walk_through_the_answers(session):
    first, second = session.add(1, [ON]), session.add(1, [BESIDE])
    assert same(session.undo(1), first)
    assert not session.undo(1).mask.any() and session.is_untouched(1)
    with pytest.raises(UsageError, match="nothing to undo about object 1"):
        session.undo(1)
    assert same(session.redo(1), first) and same(session.redo(1), second)
    with pytest.raises(UsageError, match="nothing to redo about object 1"):
        session.redo(1)


def test_a_new_click_forgets_what_was_undone(session):
    session.add(1, [ON])
    session.undo(1)
    session.add(1, [BESIDE])
    with pytest.raises(UsageError, match="nothing to redo"):
        session.redo(1)


def test_a_reset_begins_anew_and_can_be_undone(session):
    first = session.add(1, [ON])
    assert session.reset(1).area == 0 and session.is_untouched(1)
    assert same(session.add(1, [ON]), first)
    session.undo(1)
    assert same(session.undo(1), first)


def test_objects_know_nothing_of_each_other(session, clicker, features):
    session.add(1, [ON])
    other = session.add(2, [BESIDE])
    assert same(other, clicker.answer(features, [BESIDE]))
    session.undo(2)
    assert not session.is_untouched(1) and session.is_untouched(2) and session.is_untouched(3)
    with pytest.raises(UsageError, match="nothing to undo about object 3"):
        session.undo(3)


def test_an_error_changes_nothing(session):
    first = session.add(1, [ON])
    with pytest.raises(UsageError, match="must lie in the photo"):
        session.add(1, [Click(WIDTH, 3)])
    assert session.answer(1) is first


def test_a_mask_begins_anew(session):
    session.add(1, [ON])
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[:50] = True
    np.testing.assert_array_equal(session.start(1, mask).mask, mask)
    session.add(1, [ON])
    np.testing.assert_array_equal(session.undo(1).mask, mask)


def test_only_the_newest_answer_keeps_its_mask(session):
    for click in (ON, BESIDE, ON):
        assert session.add(1, [click]).mask.shape == (HEIGHT, WIDTH)
    session.undo(1)
    kept = [
        a for a in (*session._objects[1].past, *session._objects[1].undone) if "mask" in vars(a)
    ]
    assert kept == []


def test_features_of_other_weights_are_refused_at_once(features):
    with pytest.raises(FeaturesError, match="made with these weights"):
        Session(small_clicker(MOBILE, change=1e-3), features)
