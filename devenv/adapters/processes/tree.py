"""All processes of the machine in one look, and which of them make up a service's tree.

Owns the scan and the rule of membership; must not know signals or waiting. Invariant: pid 1, this process and its
ancestors are never members, and neither is a process whose pid is known but whose start time has changed.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import anyio

from devenv.adapters.processes import identity
from devenv.adapters.processes.identity import ProcessStat
from devenv.domain.holders import ProcessId

_GATHER_S = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Every process by pid, and for those of the stack the service that they are marked as."""

    processes: Mapping[int, ProcessStat]
    services: Mapping[int, str]

    def marked(self, service: str) -> set[int]:
        """Return the pids that are marked as `service`'s."""
        return {pid for pid, name in self.services.items() if name == service}

    def is_ended(self, process: ProcessId) -> bool:
        """Tell whether `process` had ended when the table was read; a zombie has."""
        stat = self.processes.get(process.pid)
        return stat is None or stat.ended or stat.id != process


class Scanner:
    """Reads tables for one stack. `read_shared` serves everyone who asks within 2 ms from one reading.

    `logs` is the folder that the services' output goes to: whoever writes into one of their logs is theirs, too, also
    where it has cleared its environment and has nothing to do with them otherwise.
    """

    def __init__(self, stack_key: str, logs: str = "") -> None:
        self._stack_key = stack_key
        self._logs = logs
        self._next: _Reading | None = None

    def read(self) -> Table:
        """Read all processes now: 20 us a process."""
        processes: dict[int, ProcessStat] = {}
        services: dict[int, str] = {}
        for pid in identity.list_pids():
            stat = identity.read_stat(pid)
            if stat is None:
                continue
            processes[pid] = stat
            stack, service = identity.read_markers(pid)
            if stack == self._stack_key or (
                not stack and self._logs and not stat.ended and (service := self._find_log(pid))
            ):
                services[pid] = service
        return Table(processes=processes, services=services)

    def _find_log(self, pid: int) -> str:
        """Return the service whose log `pid` writes to, '' for none."""
        for path in identity.read_outputs(pid):
            folder, _, name = path.removesuffix(" (deleted)").rpartition("/")
            if folder == self._logs and name.endswith(".log"):
                return name.removesuffix(".log")
        return ""

    async def read_shared(self) -> Table:
        """Return a table read after this call; a `down` of 100 services takes a handful of readings, not 300."""
        reading = self._next
        if reading is not None:
            await reading.done.wait()
        else:
            reading = self._next = _Reading()
            with anyio.CancelScope(shield=True):
                await anyio.sleep(_GATHER_S)
            self._next = None
            reading.table = self.read()
            reading.done.set()
        return reading.table


class _Reading:
    def __init__(self) -> None:
        self.done = anyio.Event()
        self.table = Table(processes={}, services={})


def find_members(table: Table, known: Iterable[ProcessId], marked: set[int]) -> set[ProcessId]:
    """Return the tree that grows from `known` and `marked`: children, sessions and groups, of those, again and again.

    Zombies are members, because what they led is still theirs. A pid of `known` that a stranger has now counts for
    nothing; one that is gone still names the session and group that it led, which keep its pid from being reused.
    """
    forbidden = list_protected()
    tree = {one.pid for one in known if _is_same_or_gone(table, one)} | marked
    tree -= forbidden
    size = -1
    while len(tree) != size:
        size = len(tree)
        for pid, stat in table.processes.items():
            if (stat.parent in tree or stat.session in tree or stat.group in tree) and pid not in forbidden:
                tree.add(pid)
    return {table.processes[pid].id for pid in tree if pid in table.processes}


def find_live(table: Table, known: Iterable[ProcessId], service: str) -> set[int]:
    """Return the pids of those members that have not ended."""
    return {one.pid for one in find_members(table, known, table.marked(service)) if not table.is_ended(one)}


def find_roots(table: Table) -> Mapping[str, tuple[ProcessId, ...]]:
    """Return by service the live marked processes whose parent is not marked as the same service's."""
    roots: dict[str, list[ProcessId]] = {}
    for pid, service in sorted(table.services.items()):
        stat = table.processes[pid]
        if not stat.ended and table.services.get(stat.parent) != service:
            roots.setdefault(service, []).append(stat.id)
    return {service: tuple(found) for service, found in roots.items()}


def list_protected() -> frozenset[int]:
    """Return the pids that are never to be signalled from here: 0, 1, this process and its ancestors."""
    own = os.getpid()
    return frozenset({0, 1, own, *identity.list_ancestors(own)})


def _is_same_or_gone(table: Table, process: ProcessId) -> bool:
    stat = table.processes.get(process.pid)
    return stat is None or stat.id == process
