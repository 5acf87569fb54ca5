"""Lets a few starts run at once, the most urgent first.

Owns nothing but the queue. Invariant: of those that wait, the one with the highest priority goes next; equal ones
go in the order in which they came.
"""

import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import anyio
import anyio.lowlevel


class StartQueue:
    """A limiter of `width` places, given out by priority."""

    def __init__(self, width: int) -> None:
        self._free = width
        self._order = count()
        self._waiting: list[tuple[float, int, anyio.Event]] = []

    @asynccontextmanager
    async def turn(self, priority: float) -> AsyncIterator[None]:
        """Wait for a place, hold it, pass it on."""
        await self._acquire(priority)
        try:
            yield
        finally:
            self._release()

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
                self._release()
            else:
                self._waiting.remove(entry)
                heapq.heapify(self._waiting)
            raise

    def _release(self) -> None:
        self._free += 1
        self._grant()

    def _grant(self) -> None:
        while self._free > 0 and self._waiting:
            self._free -= 1
            heapq.heappop(self._waiting)[2].set()
