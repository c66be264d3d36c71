import pytest

from benchmarks.queueing import Stage, highest_rate, simulate


def line(*seconds, workers=(1, 1, 1), queue=4):
    names = ("decode", "infer", "encode")
    return [
        Stage(name, [time], workers=count, queue=queue)
        for name, time, count in zip(names, seconds, workers, strict=True)
    ]


def test_the_slowest_stage_decides():
    stages = line(0.1, 0.5, 0.2)
    assert highest_rate(stages, cores=8) == pytest.approx(2)
    trial = simulate(stages, photos=400, cores=8)
    assert trial.rate == pytest.approx(2, rel=0.01)
    assert trial.busy["infer"] > 0.99 and trial.busy["decode"] == pytest.approx(0.2, rel=0.02)


def test_two_workers_halve_the_time_of_a_stage():
    stages = line(0.1, 0.2, 0.6, workers=(1, 1, 2))
    assert highest_rate(stages, cores=8) == pytest.approx(1 / 0.3)
    assert simulate(stages, photos=400, cores=8).rate == pytest.approx(1 / 0.3, rel=0.02)


def test_cores_are_shared():
    stages = line(0.3, 0.4, 0.3)
    assert highest_rate(stages, cores=1) == pytest.approx(1)
    assert simulate(stages, photos=200, cores=1).rate == pytest.approx(1, rel=0.01)
    two = simulate(stages, photos=200, cores=2)
    assert 1.7 < two.rate <= highest_rate(stages, cores=2) + 1e-9


def test_a_stage_that_needs_two_cores_works_alone_on_two():
    stages = [Stage("decode", [0.2]), Stage("infer", [0.3], cores=2)]
    assert highest_rate(stages, cores=2) == pytest.approx(2 / 0.8)
    rate = simulate(stages, photos=200, cores=2).rate
    assert 1.99 <= rate <= 2.5  # 0.2 s of one core and 0.3 s of two after each other, or better


def test_times_that_vary_cost_something_where_queues_are_short():
    uneven = [Stage("decode", [0.0, 2.0], queue=1), Stage("infer", [0.0, 2.0], queue=1)]
    short = simulate(uneven, photos=2000, cores=4).rate
    roomy = simulate([uneven[0], Stage("infer", [0.0, 2.0], queue=64)], photos=2000, cores=4).rate
    assert short < 0.85 * highest_rate(uneven, cores=4) < roomy


def test_a_photo_that_waits_is_counted():
    stages = line(0.1, 0.5, 0.1, queue=2)
    trial = simulate(stages, photos=100, cores=8)
    assert trial.wait > 0.1 + 0.5 + 0.1  # queues before the slowest stage are full
    assert trial.seconds == pytest.approx(100 / trial.rate)
