"""Holds a repository for one sync, against every other sync of it, also in another work tree.

Must not know what is done meanwhile. Invariant: the lock is a descriptor's, so that the end of its holder, however it
comes, frees it; the file stays.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from devenv.adapters.git.command import Git
from devenv.adapters.git.looking import find_places
from devenv.adapters.git.scratch import clear_rooms
from devenv.adapters.state.paths import Lock, translate
from devenv.domain.errors import HostError
from devenv.sync.ports import Say

PATIENCE_S = 15 * 60.0
"""How long one sync waits for another: longer than any of its own deadlines add up to."""

_FIRST_WAIT_S = 0.02
_LONGEST_WAIT_S = 0.5


@asynccontextmanager
async def hold(git: Git, say: Say, *, patience_s: float = PATIENCE_S) -> AsyncIterator[None]:
    """Hold the repository; where another sync does, wait and say so once. Raises HostError when that takes too long,
    and as a look does.
    """
    path = Path((await find_places(git)).common, "devenv", "sync.lock")
    lock = Lock(path)
    try:
        _prepare(path)
        if not lock.acquire():
            other = "another part of this sync" if lock.holder_pid() == os.getpid() else "another sync"
            say(f"waiting for {other} of {git.folder}{_name_holder(lock)}")
            with anyio.move_on_after(patience_s) as limit:
                await _wait_for(lock)
            if limit.cancelled_caught:
                raise _lose_patience(git.folder, lock, patience_s)
        clear_rooms(str(path.parents[1]))
        yield
    finally:
        lock.release()


def _prepare(path: Path) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise translate(error, f"cannot make the folder {path.parent}") from error


async def _wait_for(lock: Lock) -> None:
    pause_s = _FIRST_WAIT_S
    while not lock.acquire():
        await anyio.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_WAIT_S)


def _name_holder(lock: Lock) -> str:
    pid = lock.holder_pid()
    return f" (pid {pid})" if pid else ""


def _lose_patience(folder: str, lock: Lock, patience_s: float) -> HostError:
    pid = lock.holder_pid()
    return HostError(
        f"cannot sync {folder}",
        why=f"another sync{_name_holder(lock)} has been at it for {patience_s / 60:g} min",
        fix=f"ps -fp {pid}" if pid else "devenv sync",
    )
