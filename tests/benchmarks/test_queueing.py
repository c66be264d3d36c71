import pytest

from benchmarks.queueing import Machine, Stage, highest_rate, simulate


def line(decode, infer, encode):
    return [
        Stage("decode", [decode], "codecs"),
        Stage("infer", [infer], "networks"),
        Stage("encode", [encode], "codecs"),
    ]


def machine(*, cores=8, codecs=1, window=6):
    return Machine(cores, {"codecs": codecs, "networks": 1}, window)


def test_the_slowest_crew_decides():
    stages, alone = line(0.1, 0.5, 0.2), machine()
    assert highest_rate(stages, alone) == pytest.approx(2)
    trial = simulate(stages, alone, photos=400)
    assert trial.rate == pytest.approx(2, rel=0.01)
    assert trial.busy["infer"] > 0.99 and trial.busy["decode"] == pytest.approx(0.2, rel=0.02)


def test_a_crew_does_all_its_stages():
    stages = line(0.3, 0.4, 0.3)
    assert highest_rate(stages, machine()) == pytest.approx(1 / 0.6)
    assert simulate(stages, machine(), photos=400).rate == pytest.approx(1 / 0.6, rel=0.02)
    assert highest_rate(stages, machine(codecs=2)) == pytest.approx(1 / 0.4)
    assert simulate(stages, machine(codecs=2), photos=400).rate == pytest.approx(2.5, rel=0.02)


def test_cores_are_shared():
    stages = line(0.3, 0.4, 0.3)
    one, two = machine(cores=1, codecs=2), machine(cores=2, codecs=2)
    assert highest_rate(stages, one) == pytest.approx(1)
    assert simulate(stages, one, photos=200).rate == pytest.approx(1, rel=0.01)
    assert 1.7 < simulate(stages, two, photos=200).rate <= highest_rate(stages, two) + 1e-9


def test_a_stage_that_needs_two_cores_works_alone_on_two():
    stages = [Stage("decode", [0.2], "codecs"), Stage("infer", [0.3], "networks", cores=2)]
    assert highest_rate(stages, machine(cores=2)) == pytest.approx(2 / 0.8)
    rate = simulate(stages, machine(cores=2), photos=200).rate
    assert 1.99 <= rate <= 2.5  # 0.2 s of one core, 0.3 s of two, one after the other or better


def test_times_that_vary_cost_something_where_few_are_on_their_way():
    stages = [Stage("decode", [0.0, 2.0], "codecs"), Stage("infer", [0.0, 2.0], "networks")]
    few, many = (machine(window=count) for count in (2, 64))
    most = highest_rate(stages, few)
    assert simulate(stages, few, photos=2000).rate < 0.85 * most
    assert simulate(stages, many, photos=2000).rate > 0.95 * most


def test_a_photo_that_waits_takes_longer():
    stages = line(0.1, 0.5, 0.1)
    trial = simulate(stages, machine(window=4), photos=100)
    assert trial.latency > 1.5  # three others are before the networks
    assert simulate(stages, machine(window=1), photos=100).latency == pytest.approx(0.7)
    assert trial.seconds == pytest.approx(100 / trial.rate)
