"""Logs of processes and containers together, in an event loop; and those that come.

Must not decide which services are wanted. Invariant: a line that was there is not shown twice when following begins,
and none between is lost; every thread ends within a moment of Ctrl-C.
"""

import heapq
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from devenv.adapters.logs import reader as log_reader
from devenv.adapters.logs.reader import LogLine
from devenv.cli.logs.choice import Choice, read_past
from devenv.cli.logs.lines import LinePrinter, is_output_closed
from devenv.cli.logs.sources import Sources, find_sources
from devenv.cli.onlooker import open_onlooker
from devenv.cli.output import print_aside
from devenv.cli.session import Session
from devenv.domain.errors import HostError

if TYPE_CHECKING:
    from devenv.adapters.engine.containers import DockerEngine

LOOK_S = 1.0
"""How often a follower asks which services there are."""


def show_past(session: Session, sources: Sources, choice: Choice, printer: LinePrinter) -> None:
    """Print what was, merged by time."""
    anyio.run(_show_past, _Reader(session, choice, printer), sources)


def follow_all(
    session: Session, wanted: tuple[str, ...], sources: Sources, choice: Choice, printer: LinePrinter
) -> None:
    """Print what was and what comes, until the stack ends, nobody reads any more, or Ctrl-C."""
    anyio.run(_follow, _Reader(session, choice, printer), wanted, sources)


async def merge(streams: list[AsyncIterator[LogLine]]) -> AsyncIterator[LogLine]:
    """Yield the lines of all `streams`, each in the order of time, in the order of time."""
    heads: list[tuple[float, int, LogLine]] = []
    for number, stream in enumerate(streams):
        if (line := await anext(stream, None)) is not None:
            heads.append((line.at, number, line))
    heapq.heapify(heads)
    while heads:
        _, number, line = heads[0]
        yield line
        following = await anext(streams[number], None)
        if following is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (following.at, number, following))


class _Reader:
    """Reads single logs, and remembers how far each container's was read."""

    def __init__(self, session: Session, choice: Choice, printer: LinePrinter) -> None:
        self.session = session
        self.choice = choice
        self.printer = printer
        self.over = threading.Event()
        self._engine: DockerEngine | None = None
        self._seen: dict[str, float] = {}
        self._was_told = False

    @property
    def engine(self) -> "DockerEngine":
        """Return the engine, opened on first use. Raises HostError."""
        if self._engine is None:
            self._engine = open_onlooker(self.session.paths.folder, self.session.environment)
        return self._engine

    def close(self) -> None:
        """Let threads end and connections go."""
        self.over.set()
        if self._engine is not None:
            self._engine.close()

    def past(self, sources: Sources) -> AsyncIterator[LogLine]:
        """Yield what all of `sources` hold so far."""
        files = [self._past_of_file(name) for name in sources.files]
        return merge([*files, *(self._past_of_container(*pair) for pair in sources.containers.items())])

    async def _past_of_file(self, service: str) -> AsyncIterator[LogLine]:
        for line in read_past(self.session.paths.logs, service, self.choice):
            yield line

    async def _past_of_container(self, service: str, container: str) -> AsyncIterator[LogLine]:
        choice = self.choice
        if choice.last is None:
            async for line in self._read_container(service, container):
                yield line
            return
        # A search, or an end in time, leaves out lines that the engine would have counted.
        tail = choice.last if choice.grep is None and choice.until is None else None
        kept = deque([line async for line in self._read_container(service, container, tail=tail)], maxlen=choice.last)
        for line in kept:
            yield line

    async def _read_container(self, service: str, container: str, *, tail: int | None = None) -> AsyncIterator[LogLine]:
        async for line in self._ask_engine(service, container, since=self.choice.since or 0.0, tail=tail):
            self._seen[container] = line.at
            if self.choice.until is not None and line.at > self.choice.until:
                return
            if self._fits(line.text):
                yield line

    async def follow_container(self, service: str, container: str, *, joined: bool) -> None:
        """Print what the container writes from here on, until it ends; all of it for one that has just `joined`."""
        seen = self._seen.get(container)
        since = seen if seen is not None else self.choice.since or 0.0
        tail = None if joined or seen is not None else self.choice.last
        async for line in self._ask_engine(service, container, since=since, tail=tail, follow=True):
            if seen is not None and line.at <= seen:
                continue
            self._seen[container] = seen = line.at
            if self._fits(line.text):
                self.printer.show(line, live=True)

    async def _ask_engine(
        self, service: str, container: str, *, since: float, tail: int | None, follow: bool = False
    ) -> AsyncIterator[LogLine]:
        """Yield a container's lines; nothing while the engine is away, which is said once."""
        try:
            lines = self.engine.iter_logs(container, since=since, tail=tail, follow=follow)
            async with aclosing(lines):  # type: ignore[type-var]
                async for at, text in lines:
                    yield LogLine(service=service, at=at, text=text)
        except HostError as error:
            if not self._was_told:
                print_aside(f"warning: the logs of containers are missing: {error.what}: {error.why}")
            self._was_told = True

    def follow_files(self, starts: dict[str, int]) -> None:
        """Print what comes into these files; blocks its thread until it is all over."""
        choice = self.choice
        lines = log_reader.follow(
            self.session.paths.logs,
            starts,
            grep=choice.grep,
            keep_colour=choice.keep_colour,
            is_over=self.over.is_set,
        )
        for line in lines:
            self.printer.show(line, live=True)

    def _fits(self, text: str) -> bool:
        return self.choice.grep is None or bool(self.choice.grep.search(text))


async def _show_past(reader: _Reader, sources: Sources) -> None:
    try:
        async for line in reader.past(sources):
            reader.printer.show(line)
    finally:
        reader.close()


async def _follow(reader: _Reader, wanted: tuple[str, ...], sources: Sources) -> None:
    folder = reader.session.paths.logs
    # Of services that join later, too: what they wrote in an earlier life is no news.
    ends = log_reader.ends(folder, {*sources.files, *log_reader.list_services(folder)})
    try:
        async for line in reader.past(sources):
            reader.printer.show(line)
        reader.printer.flush()
        await _follow_on(reader, wanted, sources, ends)
    except BaseExceptionGroup as group:
        raise _first(group) from None
    finally:
        reader.close()


def _first(group: BaseExceptionGroup) -> BaseException:
    """Return the first error of a task group: the others only follow from it."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def _follow_on(reader: _Reader, wanted: tuple[str, ...], sources: Sources, ends: dict[str, int]) -> None:
    """Follow what there is, and look every second for what has joined."""
    followed: set[str] = set()
    was_up, joined = sources.is_up, False
    async with anyio.create_task_group() as tasks:
        _start_files(tasks, reader, {name: ends[name] for name in sources.files})
        followed_files = set(sources.files)
        while True:
            for service, container in sources.containers.items():
                if container not in followed:
                    followed.add(container)
                    tasks.start_soon(partial(_follow_container, reader, service, container, followed, joined=joined))
            await anyio.sleep(LOOK_S)
            if is_output_closed():
                raise BrokenPipeError
            sources = await to_thread.run_sync(partial(find_sources, reader.session, wanted), abandon_on_cancel=True)
            if was_up and not sources.is_up:
                break
            was_up, joined = sources.is_up, True
            reader.printer.make_room(sources.names)
            _start_files(
                tasks, reader, {name: ends.get(name, 0) for name in sources.files if name not in followed_files}
            )
            followed_files.update(sources.files)
        reader.over.set()  # the stack has ended: what is written is still read
        followed.clear()
        tasks.cancel_scope.deadline = anyio.current_time() + LOOK_S


def _start_files(tasks: TaskGroup, reader: _Reader, starts: dict[str, int]) -> None:
    if starts:
        tasks.start_soon(partial(to_thread.run_sync, reader.follow_files, starts, abandon_on_cancel=True))


async def _follow_container(reader: _Reader, service: str, container: str, followed: set[str], *, joined: bool) -> None:
    await reader.follow_container(service, container, joined=joined)
    followed.discard(container)  # it ended: the next look finds it again, or its successor
