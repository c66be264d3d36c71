import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from accelerate.state import AcceleratorState

from maskwright.errors import UsageError
from maskwright.training.recipe import Sharing

HERE = Path(__file__).parent
sys.path.append(str(HERE))
import shared_jobs as jobs  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
DOUBLE = ("matting", "routing", "depth")  # computed in double precision


@pytest.fixture(autouse=True)
def fresh_process():
    """Forget the settings of the run before, as a new process would."""
    AcceleratorState._reset_state(reset_partial_state=True)


def torchrun(*arguments, **options):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen([*command, *arguments], env=environment, **options)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder in which two processes have run all jobs."""
    folder = tmp_path_factory.mktemp("two")
    names = [*jobs.JOBS, *jobs.SHARED]
    run = torchrun(
        *(str(HERE / "shared_jobs.py"), str(folder), str(jobs.STEPS), *names),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output, _ = run.communicate(timeout=900)
    assert run.returncode == 0, output[-3000:]
    return folder


def assert_agree(found, expected, name):
    closeness = 1e-9 if name.split("-")[0] in DOUBLE else 1e-4
    assert len(found) == len(expected) > 0
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            assert value == pytest.approx(theirs[key], rel=closeness, abs=1e-12), (name, key)


@pytest.mark.parametrize("name", [*jobs.JOBS, *jobs.SHARED])
def test_two_processes_have_the_losses_and_weights_of_one(two, tmp_path, name):
    together = json.loads((two / "losses.json").read_text())[name]
    alone = jobs.run(name, tmp_path, sharing=Sharing())
    assert_agree(together, alone, name)
    if name.split("-")[0] not in DOUBLE:
        return  # AdamW makes a whole step of the rounding of a gradient that is nothing
    states = [
        torch.load(folder / name / "checkpoint.pt", weights_only=True) for folder in (two, tmp_path)
    ]
    for part in ("model", "average"):
        assert states[0][part].keys() == states[1][part].keys()
        for key, value in states[1][part].items():
            torch.testing.assert_close(states[0][part][key], value, rtol=1e-6, atol=1e-8, msg=key)


@pytest.mark.parametrize("name", ["matting", "depth-shard"])
def test_one_process_goes_on_from_a_checkpoint_of_two(two, tmp_path, name):
    whole = jobs.run(name, tmp_path / "whole", steps=6, sharing=Sharing())
    (tmp_path / "parts" / name).mkdir(parents=True)
    state = (two / name / "checkpoint.pt").read_bytes()
    (tmp_path / "parts" / name / "checkpoint.pt").write_bytes(state)
    AcceleratorState._reset_state(reset_partial_state=True)
    rest = jobs.run(name, tmp_path / "parts", steps=6, sharing=Sharing())
    assert len(rest) == 2
    assert_agree(rest, whole[4:], name)


def test_one_process_goes_on_where_two_were_killed(tmp_path):
    command = (str(HERE / "shared_jobs.py"), str(tmp_path), "100000", "matting")
    run = torchrun(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoint = tmp_path / "matting" / "checkpoint.pt"
    while not checkpoint.exists() and run.poll() is None:
        time.sleep(0.1)
    for process in [*psutil.Process(run.pid).children(recursive=True), run]:
        process.kill()
    run.wait()
    done = torch.load(checkpoint, weights_only=True)["step"]
    whole = jobs.run("matting", tmp_path / "whole", steps=done + 3)
    AcceleratorState._reset_state(reset_partial_state=True)
    rest = jobs.run("matting", tmp_path, steps=done + 3)
    assert len(rest) == 3 and 2 <= done < 10_000
    assert_agree(rest, whole[-3:], "matting")


@pytest.mark.parametrize(
    ("name", "sharing"),
    [
        ("depth", Sharing(accumulate=4, checkpointing=True)),
        ("segments", Sharing(accumulate=4)),
    ],
)
def test_parts_have_the_losses_of_the_whole(tmp_path, name, sharing):
    whole = jobs.run(name, tmp_path / "whole")
    AcceleratorState._reset_state(reset_partial_state=True)
    assert_agree(jobs.run(name, tmp_path / "parts", sharing=sharing), whole, name)


def test_what_cannot_be_shared_is_named(tmp_path):
    with pytest.raises(UsageError, match="got 4 samples, 1 processes and accumulate=3"):
        jobs.run("matting", tmp_path, sharing=Sharing(accumulate=3))
    with pytest.raises(UsageError, match="there is one; start it with torchrun"):
        jobs.run("matting", tmp_path, sharing=Sharing(shard=True))
    with pytest.raises(UsageError, match="this network has none; leave out --set checkpointing"):
        jobs.run("matting", tmp_path, sharing=Sharing(checkpointing=True))
