import json

import numpy as np
import pytest
import torch
from torch import nn

from maskwright.cli.main import run
from maskwright.image.io import write_image
from maskwright.models.a2u.samplers import SAMPLERS
from maskwright.training.loop import train
from maskwright.training.recipes.reconstruction import (
    Restoration,
    Settings,
    job,
    losses,
    pictures,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
TINY = Settings(operator="max_unpool", drawn=35, side_px=16, steps=80, batch=5, learning_rate=0.05)


def test_a_short_training_restores_unseen_pictures_better(tmp_path):
    torch.manual_seed(0)
    wanted = job(TINY)
    before, _ = wanted.validate(wanted.model.eval())
    checkpoint = train(wanted, folder=tmp_path)
    after = json.loads((tmp_path / "scores.jsonl").read_text())
    assert after["l1"] < 0.7 * before["l1"]
    assert after["psnr"] > before["psnr"] + 3
    assert checkpoint == tmp_path / "checkpoint.pt" and checkpoint.is_file()


def test_a_run_is_kept_under_its_operator_s_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    changes = ["operator=nearest", "steps=1", "batch=2", "drawn=14", "side_px=16"]
    assert run(["train", "reconstruction", "-q", *(f"--set={text}" for text in changes)]) == 0
    folder = tmp_path / "runs" / "reconstruction-nearest"
    assert json.loads((folder / "scores.jsonl").read_text()).keys() == {
        "step",
        "l1",
        "psnr",
        "ssim",
    }
    assert len(list((folder / "sheets").iterdir())) == 1


def test_all_operators_meet_the_same_pictures_in_the_same_order():
    jobs = [job(Settings(operator=name, drawn=14, side_px=8)) for name in SAMPLERS]
    for other in jobs[1:]:
        np.testing.assert_array_equal(other.dataset.greys, jobs[0].dataset.greys)
        assert (other.seed, other.batch, other.steps) == (0, 100, 6000)


def test_every_seventh_picture_of_a_folder_is_held_out(tmp_path):
    for number in range(15):
        write_image(tmp_path / f"{number:02d}.png", np.full((9, 7), number, np.uint8))
    training, held_out = pictures(Settings(images=str(tmp_path), side_px=8))
    assert held_out[:, 0, 0].tolist() == [0, 7, 14]
    assert sorted(training[:, 5, 5].tolist()) == [n for n in range(15) if n % 7]


def test_the_rate_falls_to_a_tenth_at_50_70_and_85_percent():
    rate = job(Settings(steps=200, drawn=14)).rate
    found = [rate(step) for step in (0, 99, 100, 139, 140, 169, 170, 199)]
    assert found == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


class Shift(nn.Module):
    def __init__(self, by):
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by))

    def forward(self, x):
        return x + self.by


def test_scores_are_means_over_pictures_of_clipped_answers():
    greys = np.zeros((203, 16, 16), np.uint8)
    greys[100:] = 255
    scores, sheets = Restoration(greys)(Shift(0.1))
    assert scores["l1"] == pytest.approx(0.1 * 100 / 203, rel=1e-5)
    assert np.isinf(scores["psnr"])  # the white ones are clipped to perfection
    scores, _ = Restoration(greys[:100])(Shift(0.1))
    assert scores["psnr"] == pytest.approx(20, abs=1e-4)
    assert sheets[0].shape == (2 * 16, 16 * 16, 3) and sheets[0].dtype == np.uint8
    assert (sheets[0][:16] == 0).all() and (sheets[0][16:] == 26).all()


def test_the_loss_is_the_mean_absolute_difference():
    found = losses(Shift(0.25), {"image": torch.rand(3, 1, 8, 8)})
    assert found["l1"].item() == pytest.approx(0.25)
