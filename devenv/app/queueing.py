"""Lets a few starts run at once, the most urgent first.

Owns nothing but the queue. Invariant: of those that wait, the one with the highest priority goes next; equal ones
go in the order in which they came. Only what is less urgent than something under way is held back for its sake.
"""

import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import anyio
import anyio.lowlevel

_EQUAL = 0.8
"""This share of a priority counts as much as the whole: durations that were learned are never quite the same."""


class StartQueue:
    """A limiter of `width` places, given out by priority; `crowd` of them to those as urgent as all under way."""

    def __init__(self, width: int, *, crowd: int = 0) -> None:
        self._width = width
        self._crowd = max(width, crowd)
        self._under_way: list[float] = []
        self._order = count()
        self._waiting: list[tuple[float, int, anyio.Event]] = []

    @asynccontextmanager
    async def turn(self, priority: float) -> AsyncIterator[None]:
        """Wait for a place, hold it, pass it on."""
        await self._acquire(priority)
        try:
            yield
        finally:
            self._release(priority)

    async def _acquire(self, priority: float) -> None:
        granted = anyio.Event()
        entry = (-priority, next(self._order), granted)
        heapq.heappush(self._waiting, entry)
        try:
            # those that come at the same moment compete by priority, not by the order in which they were woken
            await anyio.lowlevel.checkpoint()
            self._grant()
            await granted.wait()
        except BaseException:
            # Cancelled: leave the queue, or hand on the place that was given in the meantime.
            if granted.is_set():
                self._release(priority)
            else:
                self._waiting.remove(entry)
                heapq.heapify(self._waiting)
            raise

    def _release(self, priority: float) -> None:
        self._under_way.remove(priority)
        self._grant()

    def _grant(self) -> None:
        while self._waiting and self._has_place(-self._waiting[0][0]):
            priority, _, granted = heapq.heappop(self._waiting)
            self._under_way.append(-priority)
            granted.set()

    def _has_place(self, priority: float) -> bool:
        count = len(self._under_way)
        return count < self._width or (count < self._crowd and priority >= _EQUAL * max(self._under_way))
