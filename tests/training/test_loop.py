import json

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn, optim
from torch.utils.data import Dataset

from maskwright.errors import TrainingError, UsageError, WeightsError
from maskwright.models import a2u
from maskwright.models.a2u.config import MINI
from maskwright.training.loop import run, train, update_average
from maskwright.training.recipe import (
    HERE,
    Job,
    Sharing,
    all_with_overrides,
    find_recipe,
    staircase,
    warmup_cosine,
    with_overrides,
)
from maskwright.weights.load import load_model

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def fresh_process():
    """Forget the precision of the run before, as a new process would."""
    AcceleratorState._reset_state(reset_partial_state=True)


class Noise(Dataset):
    def __len__(self):
        return 5

    def __getitem__(self, key):
        rng = np.random.default_rng(key)
        return {"x": torch.from_numpy(rng.random((4, 16, 32), dtype=np.float32))}


def job(steps, *, losses=None, precision="no"):
    torch.manual_seed(0)
    model = a2u.build(MINI)

    def toward_zero(model, batch):
        y = model(nn.functional.dropout(batch["x"], 0.1))  # draws from the run's random state
        return {"square": y.square().mean(), "absolute": 0.1 * y.abs().mean()}

    return Job(
        model=model,
        dataset=Noise(),
        losses=losses or toward_zero,
        optimizer=optim.AdamW(model.parameters(), lr=1e-3),
        rate=warmup_cosine(warmup=2, steps=8),
        steps=steps,
        batch=2,
        paper="a2u",
        config=MINI,
        source="a test",
        validate=lambda model: ({"score": 1.5}, [np.zeros((8, 8, 3), np.uint8)]),
        validate_every=2,
        save_every=2,
        average=0.9,
        precision=precision,
        workers=0,
    )


def test_interrupted_and_resumed_is_uninterrupted(tmp_path):
    whole = torch.load(_state(train(job(4), folder=tmp_path / "whole")), weights_only=True)
    train(job(2), folder=tmp_path / "parts")
    torch.manual_seed(99)
    parts = torch.load(_state(train(job(4), folder=tmp_path / "parts")), weights_only=True)
    assert parts["step"] == whole["step"] == 4
    for part in ("model", "average"):
        for name, value in whole[part].items():
            assert torch.equal(parts[part][name], value), (part, name)


def _state(weights):
    return weights.parent / "checkpoint.pt"


def test_the_weights_load_and_scores_and_sheets_are_kept(tmp_path):
    path = train(job(2), folder=tmp_path / "run")
    model, paper, config = load_model(path)
    assert (paper, config) == ("a2u", MINI)
    assert model(torch.zeros(1, 4, 16, 16)).isfinite().all()
    (line,) = (tmp_path / "run" / "scores.jsonl").read_text().splitlines()
    assert json.loads(line) == {"step": 2, "score": 1.5}
    assert (tmp_path / "run" / "sheets" / "sheet-0000002-0.png").is_file()


def test_a_resumed_run_s_events_have_every_step_once(tmp_path):
    for steps in (2, 3):  # the second starts the log anew, at the state after step 2
        train(job(steps), folder=tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run" / "events"))
    events.Reload()
    assert [each.step for each in events.Scalars("train/square")] == [1, 2, 3]


def test_mixed_precision_trains_and_stores_full_weights(tmp_path):
    train(job(2, precision="bf16"), folder=tmp_path / "run")
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["model"]
    assert {v.dtype for v in state.values() if v.is_floating_point()} == {torch.float32}
    start = job(2).model.state_dict()
    assert not torch.equal(state["head.weight"], start["head.weight"])


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(tmp_path):
    steps = []

    def explode(model, batch):
        steps.append(0)
        return {"alpha": model(batch["x"]).mean() * (float("nan") if len(steps) == 3 else 1)}

    with pytest.raises(
        TrainingError, match=r"step 3: expected finite losses, got \{'alpha': nan\}"
    ):
        train(job(4, losses=explode), folder=tmp_path / "run")
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"] == 2


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"no zip")
    with pytest.raises(WeightsError, match=r"checkpoint.pt is damaged or belongs to another run"):
        train(job(2), folder=tmp_path / "run")


def test_the_average_moves_a_share_of_the_way():
    old, new = nn.Linear(3, 5), nn.Linear(3, 5)
    expected = 0.75 * old.weight + 0.25 * new.weight
    update_average(old, new, keep=0.75)
    torch.testing.assert_close(old.weight, expected)


def test_overrides_keep_the_types_of_the_settings():
    settings = find_recipe("a2u-mini")[1].Settings()
    changed = with_overrides(settings, {"steps": "7", "learning_rate": "1", "data": "here"})
    assert (changed.steps, changed.learning_rate, changed.data) == (7, 1.0, "here")
    with pytest.raises(UsageError, match="--set expects one of data, steps"):
        with_overrides(settings, {"speed": "1"})
    with pytest.raises(UsageError, match="--set steps expects int, got 'many'"):
        with_overrides(settings, {"steps": "many"})


def test_how_a_step_is_computed_is_set_for_every_recipe(tmp_path):
    settings = find_recipe("a2u-mini")[1].Settings()
    changes = {"steps": "7", "accumulate": "2", "shard": "true"}
    changed, sharing = all_with_overrides((settings, Sharing()), changes)
    assert changed.steps == 7 and sharing == Sharing(accumulate=2, shard=True)
    with pytest.raises(UsageError, match="one of data, steps, .*, checkpointing, shard, got 'x'"):
        all_with_overrides((settings, Sharing()), {"x": "1"})
    with pytest.raises(UsageError, match="--set shard expects bool, got '2'"):
        all_with_overrides((settings, Sharing()), {"shard": "2"})
    # A recipe's own setting of the same name stays its own.
    twice = all_with_overrides((Sharing(), Sharing()), {"accumulate": "3"})
    assert [each.accumulate for each in twice] == [3, 1]
    refused = {"operator": "nearest", "drawn": "14", "side_px": "8", "accumulate": "3"}
    with pytest.raises(UsageError, match="got 100 samples, 1 processes and accumulate=3"):
        run("reconstruction", refused, folder=tmp_path)


def test_unknown_and_incomplete_recipes_are_named(tmp_path):
    with pytest.raises(UsageError, match="got 'dreams'; there are a2u, a2u_mini"):
        find_recipe("dreams")
    (tmp_path / "half.py").write_text("Settings = dict\n")
    with pytest.raises(UsageError, match="half.py lacks job"):
        find_recipe(str(tmp_path / "half.py"))


def test_a_recipe_of_one_s_own_may_have_annotations_that_are_strings(tmp_path):
    (tmp_path / "own.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from maskwright.training.recipe import Precision\n"
        "@dataclass(frozen=True)\n"
        "class Settings:\n"
        "    steps: int = 3\n"
        "    precision: Precision = 'no'\n"
        "job = print\n"
    )
    settings = find_recipe(str(tmp_path / "own.py"))[1].Settings()
    changed = with_overrides(settings, {"steps": "5", "precision": "bf16"})
    assert (changed.steps, changed.precision) == (5, "bf16")
    with pytest.raises(UsageError, match="precision expects no or bf16, got 'float16'"):
        with_overrides(settings, {"precision": "float16"})


@pytest.mark.parametrize("name", [file.stem for file in HERE.glob("[!_]*.py")])
def test_every_recipe_refuses_an_unknown_precision(name):
    settings = find_recipe(name)[1].Settings()
    if hasattr(settings, "precision"):
        with pytest.raises(UsageError, match="expects no or bf16"):
            with_overrides(settings, {"precision": "fp16"})
    else:
        assert name == "reconstruction"


def test_schedules():
    rate = warmup_cosine(warmup=4, steps=12, last=0.1)
    assert [rate(step) for step in (0, 3)] == [0.25, 1.0]
    assert rate(8) == pytest.approx(0.55)
    assert rate(12) == pytest.approx(0.1)
    stairs = staircase(milestones=(2, 5))
    assert [stairs(step) for step in (1, 2, 5)] == pytest.approx([1, 0.1, 0.01])
