"""Numbers events and hands them to whoever listens.

Owns the sequence numbers and a ring of the last events. Must not know what an event means. Invariant: publishing
never waits; a reader that falls behind the ring gets one `Gap` and goes on from there.
"""

import time
from collections import deque
from collections.abc import AsyncIterator

import anyio

from devenv.domain.events import Event, Gap, Numbered

RING = 4096


class Bus:
    """A ring of events and a bell that rings for each new one."""

    def __init__(self, *, capacity: int = RING) -> None:
        self._ring: deque[Numbered] = deque(maxlen=capacity)
        self._seq = 0
        self._bell = anyio.Event()

    @property
    def seq(self) -> int:
        """Return the number of the last event."""
        return self._seq

    def publish(self, event: Event) -> Numbered:
        """Number `event`, keep it, wake every reader."""
        self._seq += 1
        numbered = Numbered(seq=self._seq, at=time.time(), event=event)
        self._ring.append(numbered)
        bell, self._bell = self._bell, anyio.Event()
        bell.set()
        return numbered

    async def subscribe(self, after: int) -> AsyncIterator[Numbered]:
        """Yield every event numbered above `after`, for ever."""
        position = min(after, self._seq)
        while True:
            bell = self._bell
            fresh = self._after(position)
            for numbered in fresh:
                position = numbered.seq
                yield numbered
            if not fresh:
                await bell.wait()

    def _after(self, position: int) -> list[Numbered]:
        if position >= self._seq:
            return []
        first = self._ring[0].seq
        if position < first - 1:
            missed = first - 1 - position
            return [Numbered(seq=first - 1, at=time.time(), event=Gap(missed=missed))]
        return list(self._ring)[position - self._seq :]
