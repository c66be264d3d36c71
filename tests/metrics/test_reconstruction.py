import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from maskwright.errors import ShapeError, UsageError
from maskwright.metrics.reconstruction import psnr, ssim

HEIGHT, WIDTH = 23, 37


def pair(noise=0.2, dtype=np.float32):
    rng = np.random.default_rng(0)
    image = rng.random((HEIGHT, WIDTH))
    prediction = (image + noise * rng.normal(size=image.shape)).clip(0, 1)
    return prediction.astype(dtype), image.astype(dtype)


@pytest.mark.parametrize("noise", [0.01, 0.2, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_equal_those_of_scikit_image(noise, dtype):
    prediction, image = pair(noise, dtype)
    assert psnr(prediction, image) == pytest.approx(
        peak_signal_noise_ratio(image.astype(float), prediction.astype(float), data_range=1)
    )
    theirs = structural_similarity(
        image.astype(float),
        prediction.astype(float),
        data_range=1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(prediction, image) == pytest.approx(theirs, abs=1e-9)


def test_equal_pictures_score_infinite_and_one():
    _, image = pair()
    assert psnr(image, image) == math.inf
    assert ssim(image, image) == pytest.approx(1)


def test_a_difference_of_a_tenth_everywhere_is_twenty_decibels():
    image = np.full((HEIGHT, WIDTH), 0.5)
    assert psnr(image + 0.1, image) == pytest.approx(20)


@pytest.mark.parametrize("score", [psnr, ssim])
def test_what_cannot_be_compared_is_refused_by_name(score):
    prediction, image = pair()
    with pytest.raises(ShapeError, match=r"arrays \(h, w\) of one size.*take one channel"):
        score(prediction[:, :-1], image)
    with pytest.raises(ShapeError, match=r"arrays \(h, w\) of one size"):
        score(prediction[None], image[None])
    with pytest.raises(UsageError, match="prediction must be float32 or float64.*got uint8"):
        score(prediction.astype(np.uint8), image)
    with pytest.raises(UsageError, match=r"image must lie in \[0, 1\], got 0.* to 2; clip it"):
        score(prediction, np.where(image > 0.9, 2, image).astype(np.float32))
    with pytest.raises(UsageError, match=r"prediction must lie in \[0, 1\], got nan"):
        score(prediction * np.float32(np.nan), image)


def test_a_picture_smaller_than_the_window_has_no_similarity():
    with pytest.raises(ShapeError, match="SSIM needs pictures of 11 x 11 pixels or more"):
        ssim(np.zeros((10, 40)), np.zeros((10, 40)))
