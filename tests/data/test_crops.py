import numpy as np
import pytest
import torch

from maskwright.data.crops import CompositeCrops, CropPlan
from maskwright.data.sources import ProceduralBackgrounds, ProceduralForegrounds
from maskwright.data.trimaps import wavering_trimap

PLAN = CropPlan(side_px=96)


@pytest.fixture(scope="module")
def crops():
    drawn = ProceduralForegrounds(3, (200, 240), kinds=("hair", "lace"))
    return CompositeCrops([(1.0, drawn)], ProceduralBackgrounds(2, (150, 170)), plan=PLAN)


def test_the_clean_image_is_the_composite(crops):
    for index in range(6):
        sample = crops[0, index]
        share = sample["alpha"]
        again = share * sample["foreground"] + (1 - share) * sample["background"]
        torch.testing.assert_close(sample["clean"], again)
        assert sample["image"].min() >= 0 and sample["image"].max() <= 1
        assert (sample["image"] - sample["clean"]).abs().mean() < 0.1


def test_a_sample_depends_on_its_key_alone(crops):
    first = crops[2, 7]
    crops[0, 1]
    assert all(torch.equal(value, crops[2, 7][name]) for name, value in first.items())
    assert not torch.equal(first["image"], crops[3, 7]["image"])


def test_crops_lie_on_edges(crops):
    alphas = [crops[0, index]["alpha"] for index in range(12)]
    assert all(((alpha > 0.02) & (alpha < 0.98)).any() for alpha in alphas)


@pytest.mark.parametrize("band_px", [1.0, 9.0])
def test_what_the_trimap_calls_known_is_known(band_px):
    y, x = np.mgrid[:83, :71]
    alpha = np.clip((25 - np.hypot(y - 40, x - 35)) / 6, 0, 1).astype(np.float32)
    trimap = wavering_trimap(alpha, np.random.default_rng(0), band_px=band_px)
    assert (alpha[trimap == 255] >= 0.98).all() and (alpha[trimap == 0] <= 0.02).all()
    assert {0, 128, 255} == set(np.unique(trimap))


def test_wider_bands_leave_less_known():
    alpha = np.zeros((90, 90), np.float32)
    alpha[30:60, 30:60] = 1
    shares = [
        (wavering_trimap(alpha, np.random.default_rng(0), band_px=band) == 128).mean()
        for band in (2.0, 6.0, 12.0)
    ]
    assert shares == sorted(shares) and shares[0] < shares[2] / 2
