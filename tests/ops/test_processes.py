import json
from pathlib import Path

import pytest
import torch
from torch import distributed

from maskwright.ops.draws import image_seeds
from maskwright.ops.processes import count, mean_over_processes, rank, ratio, sum_over_processes

PARTS, WHOLES = (3.0, 5.0), (0.25, 0.5)


def test_one_process_is_alone():
    x = torch.rand(3)
    assert (count(), rank()) == (1, 0)
    assert mean_over_processes(x) is x and torch.equal(sum_over_processes(x), x)


def test_a_ratio_is_not_divided_by_less_than_one():
    part = torch.tensor(6.0)
    assert ratio(part, torch.tensor(4.0)) == 1.5
    assert ratio(part, torch.tensor(0.0)) == 6


def _meet(number, folder):
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=number, world_size=2
    )
    x = torch.tensor([PARTS[number], 1.0], requires_grad=True)
    mean = mean_over_processes(x)
    (mean[0] * (number + 1)).backward()  # each makes something else of the mean
    whole = torch.tensor(WHOLES[number])
    torch.manual_seed(0)
    found = {
        "number": (count(), rank()),
        "mean": mean.tolist(),
        "sum": sum_over_processes(x.detach()).tolist(),
        "gradient": x.grad.tolist(),
        "ratio": ratio(x[0], whole).item(),
        "ratio of enough": ratio(x[0], 8 * whole).item(),
        "seeds": image_seeds(3),
        "state": int(torch.randint(2**62, ())),
    }
    (Path(folder) / f"{number}.json").write_text(json.dumps(found))
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What each of two processes has found."""
    folder = tmp_path_factory.mktemp("two")
    torch.multiprocessing.spawn(_meet, (str(folder),), nprocs=2)
    return [json.loads((folder / f"{number}.json").read_text()) for number in (0, 1)]


def test_sums_and_means_are_the_same_everywhere(two):
    assert [each["number"] for each in two] == [[2, 0], [2, 1]]
    for each in two:
        assert each["mean"] == [4, 1] and each["sum"] == [8, 2]


def test_each_process_learns_from_what_all_make_of_the_mean(two):
    # 1 * mean + 2 * mean, and each has half of the mean.
    assert [each["gradient"] for each in two] == [[1.5, 0], [1.5, 0]]


def test_the_mean_of_ratios_is_the_ratio_of_the_sums(two):
    means = [(two[0][key] + two[1][key]) / 2 for key in ("ratio", "ratio of enough")]
    assert means == pytest.approx([8 / 1, 8 / 6])  # the wholes are 0.75 together, and 6


def test_seeds_of_images_are_those_that_one_process_draws(two):
    torch.manual_seed(0)
    assert [*two[0]["seeds"], *two[1]["seeds"]] == image_seeds(6)
    assert two[0]["state"] == two[1]["state"] == int(torch.randint(2**62, ()))
