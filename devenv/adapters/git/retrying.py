"""Does again what a remote refused for a moment: the one place that knows how often, and after how long.

Must not know what is retried. Invariant: it gives up after three attempts, and never retries what it was not told to.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_ATTEMPTS = 3
_FIRST_WAIT_S = 0.3
_LONGEST_WAIT_S = 2.0
_JITTER_S = 0.2


async def retry(work: Callable[[], Awaitable[T]], *, on: Callable[[Exception], bool]) -> T:
    """Return what `work` returns; it is done again where it raises an error that `on` takes for a passing one."""
    import stamina  # noqa: PLC0415 - 25 ms that only a sync pays

    stamina.instrumentation.set_on_retry_hooks(())  # it would log to stderr
    caller = stamina.AsyncRetryingCaller(
        attempts=_ATTEMPTS,
        timeout=None,
        wait_initial=_FIRST_WAIT_S,
        wait_max=_LONGEST_WAIT_S,
        wait_jitter=_JITTER_S,
    )
    return await caller(on, work)
