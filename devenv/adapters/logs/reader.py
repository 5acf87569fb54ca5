"""Reading logs for people: lines of several services in the order of time, what was and what comes.

Standard library only and cheap to import: the command line uses it without the daemon. Must not write anything.
Invariant: every complete line appears exactly once, also while its file is rotated.
"""

import heapq
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devenv.adapters.logs.index import TimeIndex, read_index
from devenv.adapters.logs.layout import LogNames, read_bytes, read_layout
from devenv.adapters.logs.text import clean_text

LONGEST_PIECE = 1 << 16
_CHUNK = 1 << 18
_POLL_S = 0.05
_PARTIAL_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line of a service, or a piece of 64 KiB of a longer one. `at` is UTC seconds, 50 ms exact."""

    service: str
    at: float
    text: str


def list_services(folder: Path) -> tuple[str, ...]:
    """Return the services that have a log, by name."""
    return tuple(sorted(path.name.removesuffix(".log") for path in folder.glob("*.log")))


def read_lines(
    folder: Path,
    services: Iterable[str],
    *,
    since: float | None = None,
    last: int | None = None,
    grep: re.Pattern[str] | None = None,
    keep_colour: bool = False,
) -> Iterator[LogLine]:
    """Yield the lines of `services` merged by time, old pieces included: those from `since` (UTC seconds) on, those
    that `grep` finds, the `last` ones of what is left.
    """
    choose = _Choice(since=since, last=last, grep=grep, keep_colour=keep_colour)
    sources = [_read_service(LogNames(folder=folder, service=service), choose) for service in services]
    merged: Iterable[LogLine] = heapq.merge(*sources, key=lambda line: line.at)
    if last is not None:
        merged = deque(merged, maxlen=max(0, last))
    yield from merged


def ends(folder: Path, services: Iterable[str]) -> dict[str, int]:
    """Return where each service's log ends now: what `follow` starts from, asked before `read_lines`."""
    return {service: read_layout(LogNames(folder=folder, service=service)).end for service in services}


def follow(
    folder: Path,
    starts: Mapping[str, int],
    *,
    grep: re.Pattern[str] | None = None,
    keep_colour: bool = False,
    is_over: Callable[[], bool] = lambda: False,
) -> Iterator[LogLine]:
    """Yield the lines that come after `starts`, until `is_over` says so, looking every 50 ms.

    A line without its end is yielded after a second, so that a prompt or a last word is seen.
    """
    choose = _Choice(grep=grep, keep_colour=keep_colour)
    readers = [_Follower(names=LogNames(folder=folder, service=name), at=start) for name, start in starts.items()]
    while True:
        over = is_over()  # asked first: what was written before it became true is still read
        found = [line for reader in readers for line in reader.take(choose, flush=over)]
        yield from sorted(found, key=lambda line: line.at)
        if any(reader.moved for reader in readers):
            continue
        if over:
            return
        time.sleep(_POLL_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    since: float | None = None
    last: int | None = None
    grep: re.Pattern[str] | None = None
    keep_colour: bool = False

    def line(self, service: str, at: float, raw: bytes) -> LogLine | None:
        """Return the line, None where it was not asked for."""
        if self.since is not None and at < self.since:
            return None
        text = clean_text(raw, keep_colour=self.keep_colour)
        if self.grep and not self.grep.search(text):
            return None
        return LogLine(service=service, at=at, text=text)


def _read_service(names: LogNames, choose: _Choice) -> Iterator[LogLine]:
    layout = read_layout(names)
    index = read_index(names.index, layout.changed)
    start = max(layout.first, index.offset_at(choose.since)) if choose.since is not None else layout.first
    if choose.last is not None:
        return iter(_read_backwards(names, start, layout.end, index, choose))
    return _read_forwards(names, start, layout.end, index, choose)


def _read_forwards(names: LogNames, start: int, end: int, index: TimeIndex, choose: _Choice) -> Iterator[LogLine]:
    for offset, raw in _split_range(names, start, end):
        line = choose.line(names.service, index.time_at(offset), raw)
        if line:
            yield line


def _read_backwards(names: LogNames, start: int, end: int, index: TimeIndex, choose: _Choice) -> list[LogLine]:
    """Return the last chosen lines, looking at four times as much from the end until they are enough."""
    wanted, block = max(0, choose.last or 0), _CHUNK
    while True:
        begin = max(start, end - block)
        found = deque(_read_forwards(names, begin, end, index, choose), maxlen=wanted)
        if len(found) == wanted or begin == start:
            return list(found)
        block *= 4


def _split_range(names: LogNames, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that begin in a range with their offsets; a first piece of a line is skipped."""
    splitter = _Splitter(at=start)
    if start > 0:
        # Where that byte is gone, the range most likely begins within a line: pieces are cut at blocks.
        splitter.skipping = read_bytes(names, start - 1, 1) != (start - 1, b"\n")
    at = start
    while at < end:
        begin, data = read_bytes(names, at, min(_CHUNK, end - at))
        if not data:
            break
        if begin != at:
            splitter.restart(begin)
        yield from splitter.feed(data)
        at = begin + len(data)
    yield from splitter.flush()


@dataclass(slots=True, kw_only=True)
class _Splitter:
    """Cuts a stream into lines of at most 64 KiB. `at` is the offset of the first byte of `rest`."""

    at: int
    rest: bytes = b""
    skipping: bool = False

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Take more bytes and yield the lines that they complete."""
        data = self.rest + data
        if self.skipping:
            head, newline, data = data.partition(b"\n")
            self.at += len(head) + len(newline)
            self.skipping = not newline
        *lines, self.rest = data.split(b"\n")
        for line in lines:
            yield from self._cut(line)
            self.at += len(line) + 1
        while len(self.rest) > LONGEST_PIECE:
            yield self.at, self.rest[:LONGEST_PIECE]
            self.at += LONGEST_PIECE
            self.rest = self.rest[LONGEST_PIECE:]

    def flush(self) -> Iterator[tuple[int, bytes]]:
        """Yield a last line that has no end."""
        if self.rest:
            yield self.at, self.rest
            self.at += len(self.rest)
            self.rest = b""

    def restart(self, at: int) -> None:
        """Go on after a gap: what was before it is gone, and so is the beginning of the line after it."""
        self.at, self.rest, self.skipping = at, b"", True

    def _cut(self, line: bytes) -> Iterator[tuple[int, bytes]]:
        for place in range(0, len(line) or 1, LONGEST_PIECE):
            yield self.at + place, line[place : place + LONGEST_PIECE]


@dataclass(slots=True, kw_only=True)
class _Follower:
    """One followed log. `at` is the offset of the next byte to read."""

    names: LogNames
    at: int
    splitter: _Splitter = field(init=False)
    grown_at: float = 0.0
    moved: bool = False

    def __post_init__(self) -> None:
        self.splitter = _Splitter(at=self.at)

    def take(self, choose: _Choice, *, flush: bool) -> list[LogLine]:
        """Return the lines that have come."""
        begin, data = read_bytes(self.names, self.at, _CHUNK)
        now = time.time()
        self.moved = bool(data)
        if data:
            if begin != self.at:
                self.splitter.restart(begin)
            self.at, self.grown_at = begin + len(data), now
        raw = list(self.splitter.feed(data)) if data else []
        if not data and (flush or now - self.grown_at > _PARTIAL_S):
            raw += self.splitter.flush()
        return [line for _, one in raw if (line := choose.line(self.names.service, now, one))]
