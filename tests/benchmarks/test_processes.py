import csv
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks import processes
from benchmarks.processes import ALLOWED, HEADER, RECIPES, compare, draw_data, move, write_table
from maskwright.training.recipe import HERE

DATA = Path(__file__).parents[3] / "shared/data"


def test_every_recipe_is_compared():
    recipes = {file.stem for file in HERE.glob("[!_]*.py")}
    assert {name.split()[0] for name in RECIPES} == recipes


def test_the_table_has_the_last_row_of_each_recipe(tmp_path):
    file = tmp_path / "processes.csv"
    with file.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, HEADER)
        writer.writeheader()
        for precision, difference in (("fp32", "3e-03"), ("fp32", "2e-06"), ("fp64", "1e-08")):
            row = ["a2u", precision, "", "2", "1", difference, "5e-05", "4e-07", "0e+00"]
            writer.writerow(dict(zip(HEADER, row, strict=True)))
    text = write_table(file)
    assert "| a2u | 2 | 1 | 2e-06 | 4e-07 | 0e+00 | 1e-08 | 5e-05 |" in text
    assert "3e-03" not in text
    assert (tmp_path / "processes.md").read_text() == text


def test_losses_are_read_from_a_run_s_events_and_a_difference_is_seen(tmp_path, monkeypatch):
    settings = ["operator=nearest", "drawn=14", "batch=4", "side_px=16", "steps=3"]
    runs = [
        processes.losses_of("reconstruction", [*settings, f"seed={seed}"], folder, launcher="")
        for seed, folder in ((0, tmp_path / "a"), (1, tmp_path / "b"))
    ]
    assert len(runs[0]) == len(runs[1]) == 3
    found = iter([runs[0] * 7, runs[1] * 7, runs[0] * 7, runs[1] * 7])
    monkeypatch.setattr(processes, "STEPS", 21)
    monkeypatch.setattr(processes, "losses_of", lambda *_, **__: next(found))
    nowhere = {"data": "", "real": "", "drawn": ""}
    row = compare("mask2former", nowhere, tmp_path, launcher="torchrun")
    expected = max(abs(b - a) / a for a, b in zip(*runs, strict=True))
    assert float(row["largest_difference"]) == pytest.approx(expected, rel=0.1) and expected > 0
    expected = abs(sum(runs[1]) / sum(runs[0]) - 1)
    assert float(row["difference_of_mean"]) == pytest.approx(expected, rel=0.1) and expected > 0
    assert float(row["start_moved"]) == float(row["one_in_parts"]) == 0


def test_weights_are_moved_by_one_unit_in_the_last_place():
    layer, moved = nn.Linear(40, 30), nn.Linear(40, 30)
    moved.load_state_dict(layer.state_dict())
    move(moved)
    by = ((moved.weight - layer.weight).abs() / layer.weight.abs()).detach()
    assert 0 < by.min() and by.max() <= torch.finfo(torch.float32).eps


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_two_processes_train_as_one_does(recipe, tmp_path):
    if "real" in RECIPES[recipe] and not DATA.exists():
        pytest.skip("needs ../shared/data beside the checkout")
    real = str(DATA) if DATA.exists() else ""
    places = {"data": f"data={real}" if real else "", "real": real, "drawn": str(tmp_path)}
    draw_data(tmp_path)
    row = compare(recipe, places, tmp_path / "runs", launcher="torchrun")
    assert float(row["one_in_parts"] or row["largest_difference"]) <= ALLOWED
