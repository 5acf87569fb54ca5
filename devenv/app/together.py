"""Several awaited things at once, where one that fails keeps the others from nothing.

Must not know what they are. Invariant: all have come to their end when it returns; nothing but a bug is raised.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import anyio

from devenv.domain.errors import DevenvError

T = TypeVar("T")


async def attempt_all(calls: Iterable[Callable[[], Awaitable[T]]]) -> list[T | DevenvError]:
    """Make all calls at once; return what each returned, or its failure, in their order."""
    results: dict[int, T | DevenvError] = {}

    async def attempt(position: int, call: Callable[[], Awaitable[T]]) -> None:
        try:
            results[position] = await call()
        except DevenvError as error:
            results[position] = error

    async with anyio.create_task_group() as group:
        for position, call in enumerate(calls):
            group.start_soon(attempt, position, call)
    return [results[position] for position in sorted(results)]
