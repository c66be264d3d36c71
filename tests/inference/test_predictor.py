import numpy as np
import pytest
from clicking import HEIGHT, MOBILE, WIDTH, photo, small_clicker

from maskwright.errors import FeaturesError, UsageError
from maskwright.inference.predictor import Predictor, expected_iou
from maskwright.structures.click import Click


@pytest.fixture(scope="module")
def predictor():
    predictor = Predictor(small_clicker(MOBILE))
    predictor.set_image(photo())
    return predictor


def test_predict_answers_as_the_clicker_does(predictor):
    masks, scores, margins = predictor.predict(
        point_coords=np.array([[100, 60], [31.5, 17]]), point_labels=np.array([1, 0])
    )
    clicks = [Click(100, 60), Click(31.5, 17, positive=False)]
    answer = predictor.clicker.answer(predictor.features, clicks)
    np.testing.assert_array_equal(masks[0], answer.mask)
    assert masks.shape == (1, HEIGHT, WIDTH) and scores.shape == (1,) and margins.shape[0] == 1
    assert scores[0] == pytest.approx(expected_iou(answer))


def test_the_score_is_what_the_probabilities_expect(predictor):
    answer = predictor.clicker.answer(predictor.features, [Click(100, 60)])
    p, m = answer.probability, answer.mask
    assert expected_iou(answer) == pytest.approx((p * m).sum() / np.maximum(p, m).sum(), abs=0.02)


def test_margins_of_before_and_masks_are_inputs(predictor):
    point = ([[100, 60]], [1])
    masks, _, margins = predictor.predict(*point)
    by_margins = predictor.predict(*point, mask_input=margins)[2]
    by_mask = predictor.predict(*point, mask_input=masks)[2]
    np.testing.assert_array_equal(by_margins, by_mask)
    assert not np.allclose(by_margins, margins)
    with pytest.raises(UsageError, match=r"as mask_input, got \(3, 5\)"):
        predictor.predict(*point, mask_input=np.zeros((3, 5)))


def test_a_box_is_enough(predictor):
    masks, _, _ = predictor.predict(box=np.array([20, 30, 120, 100]), multimask_output=True)
    assert masks.shape == (1, HEIGHT, WIDTH)


def test_an_encoded_photo_can_be_set(predictor):
    other = Predictor(predictor.clicker)
    with pytest.raises(UsageError, match="got none; call set_image first"):
        other.predict([[1, 1]], [1])
    other.set_image(predictor.features)
    assert other.predict([[1, 1]], [1])[0].shape == (1, HEIGHT, WIDTH)
    other.reset_image()
    assert other.features is None
    with pytest.raises(FeaturesError, match="made with these weights"):
        Predictor(small_clicker(MOBILE, change=1e-3)).set_image(predictor.features)


@pytest.mark.parametrize(
    "coords,labels,message",
    [
        ([[1, 2]], [1, 0], "as many labels, got the shapes"),
        ([[1, 2, 3]], [1], "expected points"),
        ([[1, 2]], [2], r"expected labels 1 .* got \[2\]"),
        ([[1, float("nan")]], [1], "two finite coordinates"),
        ([[1, HEIGHT]], [1], "a click must lie in the photo"),
        (None, None, "needs a click"),
    ],
)
def test_points_that_mean_nothing_are_refused(predictor, coords, labels, message):
    with pytest.raises(UsageError, match=message):
        predictor.predict(coords, labels)


def test_a_box_has_four_edges(predictor):
    with pytest.raises(UsageError, match="expected a box x0, y0, x1, y1"):
        predictor.predict(box=[1, 2, 3])
