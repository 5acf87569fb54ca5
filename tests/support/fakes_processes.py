"""Processes, run record and logs in memory, for the shell's tests.

Held to the same contract suite as the real adapters. Must not touch the machine. Invariant: a fake process ends only
by `end`, by being stopped, or by itself where its command says so (`exit N`).
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import anyio
import anyio.lowlevel

from devenv.app.ports import Launch, Record
from devenv.domain.cleaning import LogRules, Reclaimed
from devenv.domain.errors import StartFailed
from devenv.domain.holders import ProcessId
from devenv.domain.model import Stop
from devenv.domain.probe import Executed


@dataclass(slots=True, kw_only=True)
class FakeProcess:
    """One process; `status` is None while it runs."""

    id: ProcessId
    launch: Launch
    status: int | None = None
    adopted: bool = False
    ended: anyio.Event = field(default_factory=anyio.Event)


class FakeProcesses:
    """Understands `sleep N` (runs on), `sh -c "exit N"` (ends at once) and `sh -c "echo TEXT"`; knows no other.

    Services in `stubborn` ignore their signal and are killed after the grace, those in `immortal` cannot be ended.
    """

    def __init__(self, logs: FakeLogs | None = None) -> None:
        self.started: list[Launch] = []
        self.stops: list[tuple[str, Stop]] = []
        self.stubborn: set[str] = set()
        self.immortal: set[str] = set()
        self.programs: set[str] = {"sleep", "sh"}
        self._logs = logs
        self._all: dict[ProcessId, FakeProcess] = {}

    def spawn(self, launch: Launch) -> ProcessId:
        """Start it; raises StartFailed for an unknown program or the folder /nonexistent."""
        self._check(launch)
        self.started.append(launch)
        process = FakeProcess(id=ProcessId(pid=1000 + len(self._all), started=float(len(self._all))), launch=launch)
        self._all[process.id] = process
        status, output = _interpret(launch.argv)
        if self._logs and output:
            self._logs.write(launch.service, output)
        if status is not None:
            self.end(process.id, status)
        return process.id

    def end(self, process: ProcessId, status: int) -> None:
        """Let it end with `status`."""
        one = self._all[process]
        if one.status is None:
            one.status = status
            one.ended.set()

    def add_running(self, launch: Launch) -> ProcessId:
        """Put a process there that somebody else started: its exit status is not to be had."""
        process = self.spawn(launch)
        self._all[process].adopted = True
        return process

    def is_alive(self, process: ProcessId) -> bool:
        """Tell whether it runs."""
        return process in self._all and self._all[process].status is None

    async def wait_exit(self, process: ProcessId) -> int | None:
        """Wait for its end."""
        one = self._all.get(process)
        if one is None:
            await anyio.lowlevel.checkpoint()
            return None
        await one.ended.wait()
        return None if one.adopted else one.status

    async def stop_tree(self, roots: Iterable[ProcessId], service: str, stop: Stop) -> tuple[ProcessId, ...]:
        """End the roots and everything of the service."""
        self.stops.append((service, stop))
        number = signal.Signals[f"SIG{(stop.signal or 'TERM').removeprefix('SIG')}"]
        known = {one for one in roots if one in self._all}
        mine = sorted(known | {one.id for one in self._all.values() if one.launch.service == service})
        left = [one for one in mine if self.is_alive(one)]
        await anyio.sleep(stop.grace_s if service in self.stubborn | self.immortal and left else 0)
        if service in self.immortal:
            return tuple(left)
        for one in left:
            self.end(one, -(signal.SIGKILL if service in self.stubborn else number))
        return ()

    async def stop_foreign(
        self, holder: ProcessId, grace_s: float, *, protect: frozenset[int] = frozenset()
    ) -> tuple[ProcessId, ...]:
        """End one process."""
        await anyio.lowlevel.checkpoint()
        if holder.pid in protect:
            return (holder,)
        if self.is_alive(holder):
            self.end(holder, -signal.SIGTERM)
        return ()

    def find_marked(self) -> Mapping[str, tuple[ProcessId, ...]]:
        """Return what runs, by service."""
        found: dict[str, tuple[ProcessId, ...]] = {}
        for one in self._all.values():
            if one.status is None:
                found[one.launch.service] = (*found.get(one.launch.service, ()), one.id)
        return found

    def tree_pids(self, root: ProcessId, service: str) -> frozenset[int]:
        """Return the pids of the service."""
        marked = {one.pid for one in self.find_marked().get(service, ())}
        return frozenset(marked | ({root.pid} if self.is_alive(root) else set()))

    async def run(self, launch: Launch, timeout_s: float) -> Executed:
        """Interpret it; a `sleep` longer than `timeout_s` is killed."""
        try:
            self._check(launch)
        except StartFailed as error:
            return Executed(status=127, output=f"{error.what}: {error.why}")
        status, output = _interpret(launch.argv)
        if status is None:
            await anyio.sleep(min(timeout_s, float(launch.argv[1])))
            return Executed(status=-signal.SIGKILL, output=f"\n(killed after {timeout_s:g} s)")
        return Executed(status=status, output=output)

    def _check(self, launch: Launch) -> None:
        what = f"cannot start {launch.service}"
        if launch.working_dir.startswith("/nonexistent"):
            raise StartFailed(what, why=f"its working directory {launch.working_dir} does not exist", fix="mkdir")
        if launch.argv[0] not in self.programs:
            raise StartFailed(what, why=f"the program {launch.argv[0]} was not found in PATH", fix="install it")


class FakeRunRecord:
    """The run record as a value; `saves` counts."""

    def __init__(self, boot: str = "boot") -> None:
        self.boot = boot
        self.record: Record | None = None
        self.saves = 0

    def load(self) -> Record | None:
        """Return it, without the processes of another boot."""
        if self.record is None or self.record.boot == self.boot:
            return self.record
        services = {
            name: replace(one, process=None, view=replace(one.view, pid=None, started=None))
            for name, one in self.record.services.items()
        }
        return replace(self.record, services=services)

    def save(self, record: Record) -> None:
        """Keep it."""
        self.record = record
        self.saves += 1

    def clear(self) -> None:
        """Forget it."""
        self.record = None


class FakeLogs:
    """Logs as texts; `write` is what a service does."""

    def __init__(self) -> None:
        self._texts: dict[str, bytes] = {}
        self.rules = LogRules()

    def limit(self, rules: LogRules) -> None:
        """Keep the rules."""
        self.rules = rules

    async def prune(self, services: Iterable[str], *, dry_run: bool) -> Reclaimed:
        """Forget the texts of all but `services`."""
        needless = set(self._texts) - set(services)
        size = sum(len(self._texts[name]) for name in needless)
        if not dry_run:
            self._texts = {name: text for name, text in self._texts.items() if name not in needless}
        return Reclaimed(kind="logs", names=tuple(sorted(needless)), bytes=size)

    def write(self, service: str, text: str) -> None:
        """Append `text`."""
        self._texts[service] = self._texts.get(service, b"") + text.encode()

    def path(self, service: str) -> str:
        """Return a name."""
        return f"/fake/{service}.log"

    def size(self, service: str) -> int:
        """Return the number of bytes."""
        return len(self._texts.get(service, b""))

    def read_since(self, service: str, offset: int, limit: int) -> str:
        """Return the end of what came after `offset`."""
        return self._texts.get(service, b"")[offset:][-limit:].decode()

    def tail(self, service: str, lines: int, since: int = 0) -> tuple[str, ...]:
        """Return the last lines."""
        found = self._texts.get(service, b"")[since:].decode().splitlines()
        return tuple(line[:500] for line in found[-lines:]) if lines > 0 else ()

    async def tend(self) -> None:
        """Do nothing, for ever."""
        await anyio.sleep_forever()


def _interpret(argv: tuple[str, ...]) -> tuple[int | None, str]:
    """Return exit status (None: it runs on) and output of the few commands that the fake knows."""
    if argv[0] == "sleep":
        return None, ""
    word, _, rest = argv[-1].partition(" ")
    match word:
        case "exit":
            return int(rest), ""
        case "echo":
            return 0, f"{rest}\n"
        case _:
            return None, ""
