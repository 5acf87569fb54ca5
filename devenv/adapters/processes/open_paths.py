"""What the processes of any devenv stack have open: folders, files, programs, mapped libraries.

Must not know what is asked for. Invariant: a process counts that carries a stack's marker, and whatever descends from
one, also where it has overwritten its environment; what may not be looked at counts for nothing.
"""

import os
from collections.abc import Iterator
from contextlib import suppress

from devenv.adapters.processes import identity
from devenv.adapters.processes.tree import Table, find_members

_MAPPED = 5
"""The column of /proc/PID/maps that holds the path."""


def find_open_paths() -> dict[str, str]:
    """Return every real path that such a process has open, with who it is."""
    return {path: f"pid {pid}{name}" for pid, name in _list_ours() for path in _read_paths(pid)}


def _list_ours() -> Iterator[tuple[int, str]]:
    """Yield pid and ` (service)` of every live process of a stack."""
    processes = {pid: stat for pid in identity.list_pids() if (stat := identity.read_stat(pid)) and not stat.ended}
    services = {pid: service for pid in processes for stack, service in [identity.read_markers(pid)] if stack}
    members = find_members(Table(processes=processes, services=services), (), set(services))
    for pid in sorted({one.pid for one in members} | set(services)):
        yield pid, f" ({services[pid]})" if services.get(pid) else ""


def _read_paths(pid: int) -> Iterator[str]:
    if not identity.IS_LINUX:
        yield from _ask_psutil(pid)
        return
    links = [f"/proc/{pid}/{name}" for name in ("cwd", "exe", "root")]
    with suppress(OSError):
        links += [f"/proc/{pid}/fd/{name}" for name in os.listdir(f"/proc/{pid}/fd")]  # noqa: PTH208 - a few strings
    for link in links:
        with suppress(OSError):
            yield os.readlink(link)  # noqa: PTH115 - a string is wanted
    for line in os.fsdecode(identity.read_file(f"/proc/{pid}/maps") or b"").splitlines():
        fields = line.split(None, _MAPPED)
        if len(fields) > _MAPPED and fields[_MAPPED].startswith("/"):
            yield fields[_MAPPED].replace("\\012", "\n")


def _ask_psutil(pid: int) -> Iterator[str]:
    import psutil  # noqa: PLC0415 - 10 ms that Linux does not pay

    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        yield process.cwd()
        yield process.exe()
        for file in process.open_files():
            yield file.path
