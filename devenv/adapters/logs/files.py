"""The log files of processes: sizes, tails, times and rotation.

Implements `Logs`. Services append to their files themselves; nothing here stands between a service and its file. Must
not know services' states. Invariant: offsets are logical (see `log_layout`), so that "since its last start" stays
true over rotations.
"""

import logging
import os
import threading
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from devenv.adapters.logs import index as log_index
from devenv.adapters.logs import layout as log_layout
from devenv.adapters.logs.layout import Base, LogNames
from devenv.adapters.logs.rotation import Rotation, find_excess
from devenv.adapters.logs.text import clean_text
from devenv.domain.cleaning import LogRules, Reclaimed

CAP_BYTES = 16 << 20
KEPT_PIECES = 3
_BUSY_TICK_S = 0.05
_IDLE_TICK_S = 0.5
_RETRY_S = 5.0
_BURST_CAPS = 4  # a log that is growing at this moment may reach this many caps first: a burst is not slowed down
_LINE_LENGTH = 500
_TAIL_BLOCK = 1 << 16
_TAIL_LIMIT = 1 << 22

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class _Watched:
    """One log between two looks. `end` and `time` are its last index record; `retry_at` delays a failed rotation."""

    names: LogNames
    base: int
    end: int
    time: float
    growing: bool = False
    retry_at: float = 0.0


class LogFiles:
    """The logs in `folder`; each is rotated at `cap_bytes`, and `keep` older pieces stay."""

    def __init__(self, folder: str | os.PathLike[str], *, cap_bytes: int = CAP_BYTES, keep: int = KEPT_PIECES) -> None:
        self._folder = Path(folder)
        self._cap_bytes = cap_bytes
        self._keep = keep
        self._watched: dict[str, _Watched] = {}
        self._complaints: set[str] = set()
        self._changing = threading.Lock()
        """Held by the one that moves or removes files; both are done beside the event loop."""

    def limit(self, rules: LogRules) -> None:
        """Rotate by these rules from now on."""
        self._cap_bytes, self._keep = rules.size_bytes, rules.keep

    async def prune(self, services: Iterable[str], *, dry_run: bool) -> Reclaimed:
        """Remove the logs of all but `services`, and older pieces beyond the rules; return what went."""
        return await anyio.to_thread.run_sync(self.prune_now, frozenset(services), dry_run)

    def prune_now(self, services: Collection[str], dry_run: bool) -> Reclaimed:  # noqa: FBT001 - a thread's argument
        """Do as `prune`, in this thread."""
        names: list[str] = []
        size = 0
        with self._changing:
            for path in self._find_needless(services):
                try:
                    blocks = path.stat().st_blocks
                    if not dry_run:
                        path.unlink()
                except OSError as error:
                    self._complain(f"cannot remove {path}", error)
                    continue
                names.append(path.name)
                size += blocks * 512
            if not dry_run:
                for service in [one for one in self._watched if one not in services]:
                    del self._watched[service]
        return Reclaimed(kind="logs", names=tuple(names), bytes=size)

    def _find_needless(self, services: Collection[str]) -> list[Path]:
        """Return the files of other services, and the older pieces of these that the rules have no room for."""
        try:
            found = sorted(os.listdir(self._folder))  # noqa: PTH208 - plain names
        except FileNotFoundError:
            return []
        owners = {name: log_layout.service_of(name) for name in found}
        needless = [self._folder / name for name, owner in owners.items() if owner and owner not in services]
        for service in services:
            names = self._names(service)
            needless += [names.old(start) for start in find_excess(names, self._keep)]
        return needless

    def path(self, service: str) -> str:
        """Return where a service's output goes."""
        return str(self._names(service).log)

    def size(self, service: str) -> int:
        """Return how many bytes it has written so far, counted over rotations."""
        return log_layout.read_layout(self._names(service)).end

    def read_since(self, service: str, offset: int, limit: int) -> str:
        """Return at most the last `limit` bytes that it wrote after `offset`, as text without control codes."""
        return clean_text(self._read_last(service, offset, limit))

    def tail(self, service: str, lines: int, since: int = 0) -> tuple[str, ...]:
        """Return its last lines, each cut to 500 characters and without control codes."""
        if lines <= 0:
            return ()
        block = _TAIL_BLOCK
        raw = self._read_last(service, since, block)
        while raw.count(b"\n") <= lines and len(raw) == block < _TAIL_LIMIT:
            block *= 4
            raw = self._read_last(service, since, block)
        found = raw.removesuffix(b"\n").split(b"\n")[-lines:] if raw else []
        return tuple(clean_text(line[: 4 * _LINE_LENGTH])[:_LINE_LENGTH] for line in found)

    async def tend(self) -> None:
        """Index times and rotate files, for ever.

        A look is one listing and a `stat` a file, every 50 ms while something grows and every 500 ms when nothing
        does. inotify would cost a wake-up for every write of a service that prints a line at a time.
        """
        await anyio.to_thread.run_sync(self.recover)
        pause_s = _BUSY_TICK_S
        while True:
            pause_s = _BUSY_TICK_S if self.look() else min(pause_s * 1.5, _IDLE_TICK_S)
            for service in self.due(time.monotonic()):
                await anyio.to_thread.run_sync(self.rotate, service)
            await anyio.sleep(pause_s)

    def recover(self) -> None:
        """Finish the rotations that an earlier daemon left half-done."""
        for name in self._list_sizes():
            try:
                Rotation(self._names(name), keep=self._keep).recover()
            except OSError as error:
                self._complain(f"cannot finish the rotation of {name}'s log", error)

    def look(self) -> bool:
        """Note the time of everything that was written since the last look; tell whether there was anything."""
        grown = False
        for service, (size, changed) in self._list_sizes().items():
            try:
                grown |= self._note(service, size, changed)
            except OSError as error:
                self._complain(f"cannot index {service}'s log", error)
        return grown

    def due(self, now: float) -> list[str]:
        """Return the services whose log has reached the cap, by the last look."""
        return [name for name, one in self._watched.items() if one.retry_at <= now and self._is_due(one)]

    def rotate(self, service: str) -> None:
        """Rotate one log now; what fails is said in the daemon's log and tried again later."""
        watched = self._watch(service)
        rotation = Rotation(watched.names, keep=self._keep)
        try:
            with self._changing:
                rotation.recover()
                rotation.rotate()
                log_index.prune_records(watched.names.index, log_layout.read_layout(watched.names).first)
        except OSError as error:
            self._complain(f"cannot rotate {service}'s log", error)
            watched.retry_at = time.monotonic() + _RETRY_S
        watched.base = log_layout.read_base(watched.names).base

    def _is_due(self, one: _Watched) -> bool:
        size = one.end - one.base
        return size >= self._cap_bytes * (_BURST_CAPS if one.growing else 1)

    def _names(self, service: str) -> LogNames:
        return LogNames(folder=self._folder, service=service)

    def _read_last(self, service: str, offset: int, limit: int) -> bytes:
        names = self._names(service)
        start = max(offset, log_layout.read_layout(names).end - limit)
        return log_layout.read_bytes(names, start, limit)[1]

    def _list_sizes(self) -> dict[str, tuple[int, float]]:
        """Return size and time of change of every service's current file."""
        found: dict[str, tuple[int, float]] = {}
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if entry.name.endswith(".log"):
                        seen = entry.stat()
                        found[entry.name.removesuffix(".log")] = (seen.st_size, seen.st_mtime)
        except FileNotFoundError:  # no folder yet, or a log that was just removed
            pass
        return found

    def _note(self, service: str, size: int, changed: float) -> bool:
        watched = self._watch(service)
        end = watched.base + size
        watched.growing = end != watched.end
        if not watched.growing:
            return False
        if end < watched.end:  # somebody emptied or removed it: what comes now is still later than what was
            if log_layout.read_base(watched.names).step:
                return False  # or it was us, and the rotation is still to be finished
            watched.base = watched.end
            log_layout.write_base(watched.names, Base(base=watched.base))
            end = watched.base + size
        watched.end, watched.time = end, max(watched.time, changed)
        log_index.append_record(watched.names.index, end, watched.time)
        return True

    def _watch(self, service: str) -> _Watched:
        if service not in self._watched:
            names = self._names(service)
            end, at = log_index.last_record(names.index)
            base = log_layout.read_base(names).base
            self._watched[service] = _Watched(names=names, base=base, end=end, time=at)
        return self._watched[service]

    def _complain(self, what: str, error: OSError) -> None:
        """Say it once; a full disk would otherwise be said twenty times a second."""
        if what not in self._complaints:
            self._complaints.add(what)
            _log.warning("%s: %s", what, error)
