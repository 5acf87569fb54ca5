"""The exits of a project's containers, from the engine's event stream.

Owns one subscription and its renewal. Must not know why a container ended. Invariant: a stream that ends says nothing
about containers: after the engine is back, only what its own list shows as ended is reported.
"""

import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, cast

import anyio

from devenv.adapters.engine.line import EngineLine
from devenv.adapters.engine.look import PROJECT, read_container, read_map, read_text
from devenv.adapters.engine.stream import EngineStream
from devenv.app.ports import ContainerExit
from devenv.domain.errors import HostError

if TYPE_CHECKING:
    from docker import APIClient

FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 2.0
_RUNNING = frozenset({"running", "restarting", "paused"})

ReportOutage = Callable[[HostError | None], None]


class ExitWatch:
    """Follows `project`'s containers from the moment it is made, also while nobody has asked for the first exit yet.

    `report_outage` is told once when the engine stops answering, with the reason, and once with None when it is back.
    """

    def __init__(self, line: EngineLine, project: str, report_outage: ReportOutage) -> None:
        self._line = line
        self._labels = [f"{PROJECT}={project}"]
        self._report_outage = report_outage
        self._since: float | None = time.time()
        self._alive: set[str] = set()

    async def follow(self) -> AsyncIterator[ContainerExit]:
        """Yield exits for ever; an engine that is away, at first or later, is waited for."""
        while True:
            stream = await self._connect()
            try:
                for one in await self._look():
                    yield one
                while (event := await stream.take()) is not None:
                    for one in self._read(event):
                        yield one
            except HostError:  # went away while the list was asked for
                continue
            finally:
                stream.close()
                self._since = None  # from now on the list tells what happened meanwhile
            await anyio.sleep(FIRST_RETRY_S)

    async def _connect(self) -> EngineStream[object]:
        pause_s, told = FIRST_RETRY_S, False
        while True:
            try:
                await self._line.greet()  # the SDK leaks a socket for each attempt that nobody answers
                stream = await self._line.ask(self._subscribe)
            except HostError as error:
                if not told:
                    self._report_outage(error)
                told = True
                await anyio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_RETRY_S)
            else:
                if told:
                    self._report_outage(None)
                return stream

    def _subscribe(self, client: "APIClient") -> EngineStream[object]:
        filters = {"type": ["container"], "event": ["die", "destroy", "start"], "label": self._labels}
        since = None if self._since is None else f"{self._since:.6f}"
        source = client.events(since=cast("int | None", since), filters=filters, decode=True)
        return EngineStream(source, lambda event: event)

    async def _look(self) -> tuple[ContainerExit, ...]:
        """Compare with the engine's list; return the ends that no event told of."""
        filters = {"label": self._labels}
        rows = cast("list[object]", await self._line.ask(lambda client: client.containers(all=True, filters=filters)))
        found = {one.id: one for row in rows if (one := read_container(row))}
        missed = [id_ for id_ in sorted(self._alive) if id_ not in found or found[id_].state not in _RUNNING]
        self._alive = {id_ for id_, one in found.items() if one.state in _RUNNING}
        return tuple(
            ContainerExit(id=id_, exit_code=found[id_].exit_code if id_ in found else None, removed=id_ not in found)
            for id_ in missed
        )

    def _read(self, event: object) -> tuple[ContainerExit, ...]:
        id_ = read_text(event, "Actor", "ID")
        # After a renewal the list may have told of an exit before its event is read: it must not come twice, as the
        # container may have been started again by then.
        is_news = self._since is not None or id_ in self._alive
        match read_text(event, "Action"):
            case "start":
                self._alive.add(id_)
                return ()
            case "die":
                self._alive.discard(id_)
                code = read_text(read_map(event, "Actor", "Attributes"), "exitCode")
                exit_code = int(code) if code.lstrip("-").isdigit() else None
                return (ContainerExit(id=id_, exit_code=exit_code),) if is_news else ()
            case "destroy":
                self._alive.discard(id_)
                return (ContainerExit(id=id_, exit_code=None, removed=True),)
            case _:
                return ()
