"""What a container's init can do with a signal, as Linux tells on this machine.

Owns the look into /proc and the gentle signal to an init's children. Must not talk to the engine. Invariant: a process
is looked at or signalled only when its cgroup carries the container's id (so it is here, and it is that container) and,
for a child, when the init is its parent at the moment of the signal.
"""

import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio

_KILL = 9
_SHORTEST_ID = 12
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Inmate:
    """A process of a container; `inner_pid` is its pid as seen inside, `handled` its mask of caught or awaited signals.

    `program` is what it executes: its path, or its short name where this user may not know more.

    A signal that is blocked counts as awaited: small inits such as tini take theirs with sigwait.
    """

    pid: int
    inner_pid: int
    parent: int
    handled: int
    program: str = ""

    def reacts_to(self, number: int) -> bool:
        """Tell whether the signal can have any effect on it as the first process of its container."""
        return number == _KILL or bool(self.handled >> (number - 1) & 1)


def is_inside(pid: int, container: str) -> bool:
    """Tell whether `pid` is a process of this machine that runs in `container` (its full id)."""
    known = sys.platform == "linux" and pid > 1 and len(container) >= _SHORTEST_ID
    return known and container in _read(f"/proc/{pid}/cgroup")


def find_init(pid: int, container: str) -> Inmate | None:
    """Return the first process of `container`, None where it can not be looked at or where its pids are the host's."""
    init = _find_inmate(pid) if is_inside(pid, container) else None
    return init if init and init.inner_pid == 1 and init.pid != 1 else None


def find_children(init: Inmate) -> tuple[Inmate, ...]:
    """Return the processes that `init` started and that still run."""
    words = " ".join(_read(str(path)) for path in Path(f"/proc/{init.pid}/task").glob("*/children")).split()
    found = [_find_inmate(int(word)) for word in words]
    return tuple(one for one in found if one is not None and one.parent == init.pid)


def send(children: tuple[Inmate, ...], number: int) -> tuple[Inmate, ...]:
    """Signal them; return those that this user may not signal."""
    return tuple(child for child in children if not _send(child, number))


async def wait_changed(init: Inmate, number: int) -> None:
    """Wait until it can react to a signal that what it was cannot have taken: it executed a program, or set a handler.

    No event tells of that to whom is not its parent.
    """
    while not (has_changed(init, number) and _reacts(init, number)):  # noqa: ASYNC110 - that is why
        await anyio.sleep(_LOOK_S)


def has_changed(init: Inmate, number: int) -> bool:
    """Tell whether it is another program by now, or reacts to the signal as it did not before."""
    now = _find_inmate(init.pid)
    if now is None or now.inner_pid != init.inner_pid:
        return False
    return now.program != init.program or (now.reacts_to(number) and not init.reacts_to(number))


def _reacts(init: Inmate, number: int) -> bool:
    now = _find_inmate(init.pid)
    return now is not None and now.reacts_to(number)


def has_ended(inmate: Inmate) -> bool:
    """Tell whether it runs no more, as far as can be seen."""
    now = _find_inmate(inmate.pid)
    return now is None or now.inner_pid != inmate.inner_pid


async def wait_gone(children: tuple[Inmate, ...]) -> None:
    """Wait until all have ended, or may not be waited for."""
    async with anyio.create_task_group() as group:
        for child in children:
            group.start_soon(_wait_gone, child)


def read_signal(name: str) -> int:
    """Return a signal's number from TERM, SIGTERM, 15 or RTMIN+3; an unknown name means TERM."""
    word = name.upper().removeprefix("SIG")
    if word.isdigit():
        return int(word)
    real_time = re.fullmatch(r"(RTMIN|RTMAX)([+-]\d+)?", word)
    if real_time:
        return int(signal.Signals[f"SIG{real_time[1]}"]) + int(real_time[2] or 0)
    known = getattr(signal, f"SIG{word}", signal.SIGTERM)
    return int(known)


def _find_inmate(pid: int) -> Inmate | None:
    fields = dict(line.split(":", 1) for line in _read(f"/proc/{pid}/status").splitlines() if ":" in line)
    inner = fields.get("NSpid", "").split()
    if not inner or fields.get("State", "Z").split()[0] in {"Z", "X"}:
        return None
    caught, blocked = int(fields.get("SigCgt", "0"), 16), int(fields.get("SigBlk", "0"), 16)
    return Inmate(
        pid=pid,
        inner_pid=int(inner[-1]),
        parent=int(fields.get("PPid", "0")),
        handled=caught | blocked,
        program=_read_program(pid) or fields.get("Name", "").strip(),
    )


def _send(child: Inmate, number: int) -> bool:
    with _hold(child) as handle:
        if handle is None:
            return True
        try:
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
    return True


async def _wait_gone(child: Inmate) -> None:
    with _hold(child) as handle:
        if handle is not None:
            await anyio.wait_readable(handle)


@contextmanager
def _hold(child: Inmate) -> Iterator[int | None]:
    """Give a handle of exactly this process, None when it has gone: pids come back, handles do not."""
    try:
        handle = os.pidfd_open(child.pid)
    except (OSError, AttributeError):
        yield None
        return
    try:
        now = _find_inmate(child.pid)
        yield handle if now is not None and now.parent == child.parent and now.inner_pid == child.inner_pid else None
    finally:
        os.close(handle)


def _read_program(pid: int) -> str:
    with suppress(OSError):
        return str(Path(f"/proc/{pid}/exe").readlink())
    return ""


def _read(path: str) -> str:
    with suppress(OSError):
        return Path(path).read_text()
    return ""
