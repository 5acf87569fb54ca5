"""Ending process trees: gently, then hard, then looking again until nothing is left.

Owns signals. Must not know why something is to end. Invariant: a signal goes only to a process whose pid and start
time were just seen together, once per process, and never to pid 1, ourselves or our ancestors.
"""

import os
import signal
from collections.abc import Callable, Iterable

import anyio

from devenv.adapters.processes import exits as process_exit
from devenv.adapters.processes.identity import ProcessStat, is_running, read_stat
from devenv.adapters.processes.tree import Scanner, Table, find_members
from devenv.domain.holders import ProcessId

_HARD_DEADLINE_S = 5.0


class TreeEnd:
    """One tree on its way out: everything that grew from `roots`, and what is marked as `service`'s ('' for none)."""

    def __init__(
        self,
        scanner: Scanner,
        roots: Iterable[ProcessId],
        *,
        service: str = "",
        protect: frozenset[int] = frozenset(),
        reap: Callable[[], None],
    ) -> None:
        self._scanner = scanner
        self._service = service
        self._protect = protect
        self._reap = reap
        self._known: set[ProcessId] = set(roots)
        self._signalled: set[tuple[ProcessId, int]] = set()

    async def finish(self, number: int, grace_s: float) -> tuple[ProcessId, ...]:
        """Send `number`, wait for `grace_s`, then kill for at most 5 s; return what is left."""
        left = set() if number == signal.SIGKILL else await self._press(number, grace_s)
        if left or number == signal.SIGKILL:  # also what is killed at once takes its time to end
            left = await self._press(signal.SIGKILL, _HARD_DEADLINE_S)
        return tuple(sorted(left))

    async def _press(self, number: int, within_s: float) -> set[ProcessId]:
        """Signal all members, and those that appear meanwhile, until none is left or the time is over."""
        end = anyio.current_time() + within_s
        while True:
            table = await self._scanner.read_shared()
            left = self._look(table)
            if not left:
                return set()
            self._signal(table, left, number)
            remaining_s = end - anyio.current_time()
            ended = await process_exit.wait_all_ended((one.id for one in left), remaining_s)
            self._reap()
            if not ended or remaining_s <= 0:
                return {one.id for one in left if is_running(one.id)}

    def _look(self, table: Table) -> list[ProcessStat]:
        """Return the live members, and keep all of them in mind: their children stay ours when they are gone."""
        marked = table.marked(self._service) if self._service else set()
        members = {one for one in find_members(table, self._known, marked) if one.pid not in self._protect}
        self._known |= members
        return [table.processes[one.pid] for one in members if not table.is_ended(one)]

    def _signal(self, table: Table, members: list[ProcessStat], number: int) -> None:
        """Send `number` once to each; a second one means "give up cleaning" to many programs."""
        new = [one for one in members if (one.id, number) not in self._signalled]
        self._signalled |= {(one.id, number) for one in new}
        groups = _own_groups(table, {one.id.pid for one in members})
        for group in sorted(groups & {one.group for one in new}):
            send_to_group([one for one in new if one.group == group], number)
        for one in new:
            if one.group not in groups:
                send(one.id, number)
            if one.stopped and number != signal.SIGKILL:
                send(one.id, signal.SIGCONT)


def _own_groups(table: Table, pids: set[int]) -> set[int]:
    """Return the groups that hold nobody else; one signal to a group also reaches what is forked at this moment."""
    others = {stat.group for pid, stat in table.processes.items() if pid not in pids and not stat.ended}
    return {table.processes[pid].group for pid in pids} - others - {0, 1, os.getpgrp()}


def send_to_group(members: list[ProcessStat], number: int) -> None:
    """Signal the group of `members` in one step, as long as one of them is still in it."""
    for member in members:
        now = read_stat(member.id.pid)
        if now is None or now.id != member.id or now.group != member.group:
            continue
        try:
            os.killpg(member.group, number)
        except (ProcessLookupError, PermissionError):
            continue
        return


def send(process: ProcessId, number: int) -> None:
    """Signal exactly this process; nothing happens where it is gone, or is not ours to signal."""
    try:
        fd = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else -1
    except OSError:
        return
    try:
        stat = read_stat(process.pid)  # after opening: from here on the descriptor means this process and no other
        if stat is None or stat.id != process or stat.ended:
            return
        if fd >= 0:
            signal.pidfd_send_signal(fd, number)
        else:
            os.kill(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return
    finally:
        if fd >= 0:
            os.close(fd)
