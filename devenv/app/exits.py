"""Remembers which containers ended, as the engine's event stream tells it.

Owns the one subscription. Must not know what an exit means. Invariant: an exit that happens after `forget` was
called for a container is never missed, because the subscription stands before anything starts.
"""

from collections.abc import Callable

import anyio
from anyio.abc import TaskStatus

from devenv.app.ports import ContainerExit, Containers


class ExitBoard:
    """The last exit of each container, and a bell for each new one."""

    def __init__(self) -> None:
        self._exits: dict[str, ContainerExit] = {}
        self._bell = anyio.Event()

    async def listen(
        self, containers: Containers, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Follow the engine's events until cancelled; reports started at once, the first step subscribes."""
        stream = containers.exits()
        task_status.started()
        async for exit_ in stream:
            self.post(exit_)

    def post(self, exit_: ContainerExit) -> None:
        """Put up an exit."""
        self._exits[exit_.id] = exit_
        bell, self._bell = self._bell, anyio.Event()
        bell.set()

    def forget(self, container: str) -> None:
        """Forget an earlier exit: the container is about to start again."""
        self._exits.pop(container, None)

    async def wait(self, container: str) -> ContainerExit:
        """Return the exit of `container`, now or when it comes."""
        return await self._wait(lambda: self._exits.get(container))

    async def _wait(self, look: Callable[[], ContainerExit | None]) -> ContainerExit:
        while True:
            bell = self._bell
            if found := look():
                return found
            await bell.wait()
