import asyncio
import threading
import time

import pytest

from maskwright.app.lane import IDLE, LATER, NOW, Lane
from maskwright.app.refusals import Refusal


@pytest.fixture
def lane():
    lane = Lane("test", most_waiting=3)
    yield lane
    lane.close()


@pytest.fixture
def gate(lane):
    """Return an event; until it is set, the lane is busy."""
    started, event = threading.Event(), threading.Event()
    lane.submit(lambda: (started.set(), event.wait(10)))
    assert started.wait(10)
    yield event
    event.set()


async def never():
    return False


def test_the_most_urgent_goes_first_and_equals_in_their_order(lane, gate):
    done = []
    futures = [
        lane.submit(lambda name=name: done.append(name), urgency=urgency)
        for name, urgency in (("d", IDLE), ("c", LATER), ("a", NOW), ("b", NOW))
    ]
    gate.set()
    for future in futures:
        future.result(10)
    assert done == ["a", "b", "c", "d"]


def test_a_full_queue_says_so_and_idle_work_does_not_fill_it(lane, gate):
    for _ in range(5):
        lane.submit(int, urgency=IDLE)
    waiting = [lane.submit(int) for _ in range(3)]
    with pytest.raises(Refusal, match="retry after 1 s") as refused:
        lane.submit(int)
    assert refused.value.status == 429
    waiting[0].cancel()
    assert lane.submit(int).cancel()


def test_errors_reach_whoever_waits_and_the_lane_goes_on(lane):
    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(lane.run(fail, is_gone=never))
    assert asyncio.run(lane.run(lambda: 3, is_gone=never)) == 3


def test_what_nobody_waits_for_any_more_is_not_begun(lane, gate):
    done = []

    async def gone():
        return True

    with pytest.raises(Refusal, match="has gone"):
        asyncio.run(lane.run(lambda: done.append(1), is_gone=gone))
    gate.set()
    lane.submit(int).result(10)
    assert done == []


def test_what_a_cancelled_request_wanted_is_not_begun(lane, gate):
    done = []

    async def cancelled():
        await asyncio.wait_for(lane.run(lambda: done.append(1), is_gone=never), 0.1)

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())
    gate.set()
    lane.submit(int).result(10)
    assert done == []


def test_what_waits_too_long_is_refused(lane, gate):
    with pytest.raises(Refusal, match="too many are waiting"):
        asyncio.run(lane.run(int, is_gone=never, limit_s=0.1))


def test_closing_finishes_what_was_begun_and_drops_the_rest():
    lane, done = Lane("test"), []
    lane.submit(lambda: (time.sleep(0.2), done.append(1)))
    time.sleep(0.1)
    dropped = lane.submit(lambda: done.append(2))
    lane.close()
    assert done == [1] and dropped.cancelled()
    with pytest.raises(Refusal, match="shutting down"):
        lane.submit(int)


def test_several_workers_work_at_once():
    lane, both = Lane("test", workers=2), threading.Barrier(2, timeout=10)
    futures = [lane.submit(both.wait) for _ in range(2)]
    assert sorted(future.result(10) for future in futures) == [0, 1]
    lane.close()


def test_what_takes_too_long_is_not_waited_for_at_the_end(monkeypatch):
    monkeypatch.setattr("maskwright.app.lane._CLOSING_S", 0.1)
    lane, event = Lane("test"), threading.Event()
    lane.submit(lambda: event.wait(20))
    time.sleep(0.05)
    assert not lane.close()
    event.set()
    time.sleep(0.2)
    assert lane.close()
