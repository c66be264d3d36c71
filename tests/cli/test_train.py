import pytest

from maskwright.cli.main import run


@pytest.mark.parametrize(
    "arguments,line",
    [
        (
            ["a2u_maxi"],
            "expected a recipe's name or a Python file, got 'a2u_maxi'; there are a2u",
        ),
        (["a2u_mini", "--set", "stops=3"], "--set expects one of data, steps, batch"),
        (["a2u_mini", "--set", "steps=few"], "--set steps expects int, got 'few'"),
    ],
)
def test_a_recipe_or_setting_that_does_not_exist_is_one_line(capsys, arguments, line):
    assert run(["train", *arguments]) == 1
    told = capsys.readouterr().err
    assert line in told and told.count("\n") == 1


def test_a_recipe_of_ones_own_runs_with_its_settings_changed(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.py").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    assert run(["train", "mine.py", "--set", "steps=2", "-q"]) == 0
    assert (tmp_path / "runs" / "mine" / "mine.safetensors").is_file()


RECIPE = '''
"""The smallest recipe: the compact network learns to answer 0."""

from dataclasses import dataclass

import torch

from maskwright.models.a2u import build
from maskwright.models.a2u.config import MINI
from maskwright.training.recipe import Job


@dataclass(frozen=True)
class Settings:
    steps: int = 1
    seed: int = 0


class Greys(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, key):
        return {"x": torch.zeros(4, 32, 32)}


def job(settings):
    model = build(MINI)
    return Job(
        model=model,
        dataset=Greys(),
        losses=lambda model, batch: {"answer": model(batch["x"]).square().mean()},
        optimizer=torch.optim.SGD(model.parameters(), lr=1e-3),
        rate=lambda step: 1.0,
        steps=settings.steps,
        batch=2,
        paper="a2u",
        config=MINI,
        source="a test",
        workers=0,
    )
'''
