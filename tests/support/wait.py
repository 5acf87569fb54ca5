"""Waiting for a condition with a deadline: the tests' only way to wait.

Must not know what is waited for. Invariant: never sleeps past the deadline, and a failure says what was waited for and
what was last seen.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

T = TypeVar("T")
_POLL_S = 0.01


def until(condition: Callable[[], T], *, deadline_s: float, what: str, poll_s: float = _POLL_S) -> T:
    """Return the first true value of `condition`, asked every `poll_s`; raises AssertionError after `deadline_s`."""
    end = time.monotonic() + deadline_s
    while not (seen := condition()):
        if (left_s := end - time.monotonic()) <= 0:
            raise AssertionError(_describe(what, deadline_s, seen))
        time.sleep(min(poll_s, left_s))
    return seen


async def until_async(
    condition: Callable[[], Awaitable[T]], *, deadline_s: float, what: str, poll_s: float = _POLL_S
) -> T:
    """Do as `until` with an async condition, on the clock of the event loop; a condition that hangs is cancelled."""
    seen: object = "nothing: the condition did not return"
    with anyio.move_on_after(deadline_s):
        while True:
            value = await condition()
            if value:
                return value
            seen = value
            await anyio.sleep(poll_s)
    raise AssertionError(_describe(what, deadline_s, seen))


def _describe(what: str, deadline_s: float, seen: object) -> str:
    return f"waited {deadline_s:g} s in vain for {what}; last seen: {seen!r}"
