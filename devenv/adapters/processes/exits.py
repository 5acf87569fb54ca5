"""Waiting for the end of processes, also of those that are not our children.

Must not know services or signals. Invariant: on Linux the end is an event (a pidfd becomes readable), never a poll,
and no thread is spent; every descriptor opened here is closed here.
"""

import os
from collections.abc import Iterable

import anyio

from devenv.adapters.processes.identity import is_running
from devenv.domain.holders import ProcessId

_HAS_PIDFD = hasattr(os, "pidfd_open")
_FIRST_POLL_S = 0.01
_LONGEST_POLL_S = 0.1


async def wait_ended(process: ProcessId) -> None:
    """Return as soon as exactly this process has ended; a zombie has."""
    if not _HAS_PIDFD:
        await poll_ended(process)
        return
    try:
        fd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    except OSError:  # no descriptors left, or a kernel that refuses
        await poll_ended(process)
        return
    try:
        if is_running(process):  # asked with the descriptor open, so that the pid cannot change hands in between
            await anyio.wait_readable(fd)
    finally:
        os.close(fd)


async def wait_all_ended(processes: Iterable[ProcessId], deadline_s: float) -> bool:
    """Wait until all have ended, at most `deadline_s`; tell whether they have."""
    with anyio.move_on_after(max(0.0, deadline_s)) as scope:
        async with anyio.create_task_group() as group:
            for process in processes:
                group.start_soon(wait_ended, process)
    return not scope.cancelled_caught


async def poll_ended(process: ProcessId) -> None:
    """Do as `wait_ended` where the system has no event for it."""
    pause_s = _FIRST_POLL_S
    while is_running(process):
        await anyio.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_POLL_S)
