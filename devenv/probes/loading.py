"""Loads libraries away from the event loop, one after the other.

Must not know what they are for. Invariant: those that are asked for at once load in the order of asking: side by side
all would be late, because they share one interpreter.
"""

from collections.abc import Callable

import anyio
import anyio.lowlevel
import anyio.to_thread

_TURN: anyio.lowlevel.RunVar[anyio.CapacityLimiter] = anyio.lowlevel.RunVar("_TURN")


async def load_apart(load: Callable[[], object]) -> None:
    """Call `load` in a thread when its turn comes; return when it has ended."""
    turn = _TURN.get(None)
    if turn is None:
        turn = anyio.CapacityLimiter(1)
        _TURN.set(turn)
    await anyio.to_thread.run_sync(load, limiter=turn)
