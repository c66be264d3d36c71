"""A lane: work waits its turn, the most urgent first, and one thread (or a few) does it.

Networks use all cores, so several clicks at once would only make each other slow; and what waits
is bounded, so that a full queue says so at once instead of growing.
"""

import asyncio
import heapq
import itertools
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

from maskwright.app.refusals import Refusal, busy

NOW, SOON, LATER, IDLE = range(4)
_CLOSING_S = 5.0
_LOOK_S = 0.5  # how often is looked whether the page still waits

log = logging.getLogger(__name__)


class Lane:
    """Threads that work off a queue.

    Args:
        name: Of the threads.
        workers: How many.
        most_waiting: So much may wait, work for idle times not counted.
    """

    def __init__(self, name: str, *, workers: int = 1, most_waiting: int = 32) -> None:
        self.most_waiting = most_waiting
        self._waiting: list[tuple[int, int, Callable[[], Any], Future[Any]]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._is_open = True
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{index}", daemon=True)
            for index in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[], Any], *, urgency: int = NOW) -> Future[Any]:
        """Return the future result of work; cancelling it takes it out of the queue.

        Args:
            work: What to do.
            urgency: NOW, SOON, LATER, or IDLE: when nothing else waits.

        Raises:
            Refusal: If too much is waiting, or the lane is closed.
        """
        future: Future[Any] = Future()
        with self._changed:
            if not self._is_open:
                raise Refusal(429, "expected a running server, it is shutting down; start it again")
            waiting = sum(
                urgency < IDLE and not future.cancelled() for urgency, _, _, future in self._waiting
            )
            if urgency < IDLE and waiting >= self.most_waiting:
                raise busy()
            heapq.heappush(self._waiting, (urgency, next(self._order), work, future))
            self._changed.notify()
        return future

    async def run(
        self,
        work: Callable[[], Any],
        *,
        urgency: int = NOW,
        is_gone: Callable[[], Awaitable[bool]],
        limit_s: float = 60.0,
    ) -> Any:
        """Return the result of work, waited for as long as somebody wants it.

        Args:
            work: What to do.
            urgency: See `submit`.
            is_gone: Says whether whoever asked has gone; work that still waits is dropped then.
            limit_s: Work that has not begun by then is dropped.

        Raises:
            Refusal: If too much is waiting, it waited too long, or whoever asked has gone.
        """
        future = self.submit(work, urgency=urgency)
        result = asyncio.wrap_future(future)
        started = time.monotonic()
        try:
            while not (await asyncio.wait([result], timeout=_LOOK_S))[0]:
                if await is_gone() and future.cancel():
                    raise Refusal(408, "whoever asked has gone; nothing was done")
                if time.monotonic() - started > limit_s and future.cancel():
                    raise busy()
        except asyncio.CancelledError:
            future.cancel()
            raise
        return result.result()

    def close(self) -> bool:
        """Drop what waits, and return whether what was being done is done; not for long.

        Nothing is lost then: what a lane computes is written by others, whole or not at all.
        """
        with self._changed:
            self._is_open = False
            for *_, future in self._waiting:
                future.cancel()
            self._waiting.clear()
            self._changed.notify_all()
        deadline = time.monotonic() + _CLOSING_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while True:
            with self._changed:
                while self._is_open and not self._waiting:
                    self._changed.wait()
                if not self._waiting:
                    return
                *_, work, future = heapq.heappop(self._waiting)
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
            del work, future  # else the last photo would stay in memory
