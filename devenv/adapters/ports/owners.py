"""Which processes have a socket open, and what is known of a process.

Reads /proc, on macOS psutil. Must not know ports or verdicts. Invariant: facts that may not be read are empty, and a
process that ended meanwhile is None; nothing here raises for either.
"""

import os
import pwd
import shlex
import time
from collections.abc import Collection, Iterable, Iterator, Mapping

from devenv.adapters.processes import identity
from devenv.domain.holders import ProcessFacts, ProcessId

_LOW_FDS = 256
_COMMAND_LIMIT = 4096
_DELETED = " (deleted)"


def find_owners(inodes: Collection[int], pids: Iterable[int] | None = None) -> Mapping[int, frozenset[int]]:
    """Return by socket inode the pids that have it open, as far as they may be looked at (of `pids` only, if given).

    A process with thousands of sockets opened its listeners first: its other descriptors are only read for inodes
    that have no owner yet.
    """
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[int, set[int]] = {}
    candidates = identity.list_pids() if pids is None else list(pids)
    crowded: list[int] = []
    for pid in candidates:
        seen = 0
        for link in _list_links(pid, 0, _LOW_FDS):
            seen += 1
            if link in wanted:
                found.setdefault(wanted[link], set()).add(pid)
        if seen == _LOW_FDS:
            crowded.append(pid)
    missing = {link: inode for link, inode in wanted.items() if inode not in found}
    for pid in crowded if missing else ():
        for link in _list_links(pid, _LOW_FDS, None):
            if link in missing:
                found.setdefault(missing[link], set()).add(pid)
    return {inode: frozenset(owners) for inode, owners in found.items()}


def list_roots(pids: Collection[int]) -> tuple[int, ...]:
    """Return those of `pids` that descend from no other of them: the master of its workers."""
    return tuple(pid for pid in sorted(pids) if not set(identity.list_ancestors(pid)) & set(pids))


def read_facts(pid: int) -> ProcessFacts | None:
    """Return what is known of the process that runs as `pid`; None where there is none."""
    stat = identity.read_stat(pid)
    if stat is None or stat.ended:
        return None
    ancestors = identity.list_ancestors(pid)
    parent = identity.read_stat(stat.parent) if stat.parent > 0 else None
    uid = _read_uid(pid)
    stack, service = identity.read_markers(pid)
    facts = ProcessFacts(
        id=stat.id,
        command=read_command(pid),
        working_dir=_read_folder(pid),
        user=_name_user(uid),
        uid=uid,
        age_s=_age_s(stat.id),
        parent=parent.id if parent else None,
        parent_command=read_command(stat.parent) if parent else "",
        ancestors=ancestors,
        marker_stack=stack,
        marker_service=service,
        leads_terminal=stat.session == pid and _has_terminal(pid),
    )
    # the pid may have changed hands while it was read: then these are facts of nobody
    return facts if identity.read_identity(pid) == stat.id else None


def read_command(pid: int) -> str:
    """Return the command line of `pid`, quoted for a shell; its name in brackets where it has none."""
    if not identity.IS_LINUX:
        return _ask_psutil_command(pid)
    raw = identity.read_file(f"/proc/{pid}/cmdline") or b""
    words = os.fsdecode(raw[:_COMMAND_LIMIT].rstrip(b"\0")).split("\0")
    if words == [""]:
        name = identity.read_file(f"/proc/{pid}/comm")
        return f"[{os.fsdecode(name).strip()}]" if name else ""
    # a title that a server gave itself (`nginx: master process`) is one word and no command line
    return words[0].strip() if len(words) == 1 else shlex.join(words)


def _list_links(pid: int, first: int, end: int | None) -> Iterator[str]:
    """Yield the targets of the descriptors `first` to `end` of `pid`, in the kernel's (rising) order."""
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            for position, entry in enumerate(entries):
                if end is not None and position >= end:
                    return
                if position >= first:
                    yield _read_link(entry.path)
    except OSError:
        return


def _read_link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - ten thousand of these: a Path each would double the time
    except OSError:
        return ""


def _read_folder(pid: int) -> str:
    """Return the working directory; of a folder that was removed, where it was."""
    folder = identity.read_working_dir(pid)
    removed = folder.endswith(_DELETED) and not os.path.lexists(folder)
    return folder.removesuffix(_DELETED) if removed else folder


def _read_uid(pid: int) -> int:
    """Return the effective user, which is whom a signal to it needs."""
    if not identity.IS_LINUX:
        return _ask_psutil_uid(pid)
    for line in (identity.read_file(f"/proc/{pid}/status") or b"").splitlines():
        if line.startswith(b"Uid:"):
            return int(line.split()[2])
    return -1


def _name_user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name if uid >= 0 else ""
    except KeyError:
        return str(uid)


def _age_s(process: ProcessId) -> float:
    if not identity.IS_LINUX:
        return max(0.0, time.time() - process.started)
    uptime = identity.read_file("/proc/uptime")
    since_boot_s = float(uptime.split()[0]) if uptime else 0.0
    return max(0.0, since_boot_s - process.started / os.sysconf("SC_CLK_TCK"))


def _has_terminal(pid: int) -> bool:
    if not identity.IS_LINUX:
        return _ask_psutil_terminal(pid)
    raw = identity.read_file(f"/proc/{pid}/stat") or b""
    fields = raw[raw.rfind(b")") + 2 :].split()
    return len(fields) > 4 and fields[4] != b"0"


def _ask_psutil_command(pid: int) -> str:
    import psutil  # noqa: PLC0415 - 10 ms that Linux does not pay

    try:
        words = psutil.Process(pid).cmdline()
    except (psutil.Error, OSError, SystemError):
        return ""
    return words[0] if len(words) == 1 else shlex.join(words)


def _ask_psutil_uid(pid: int) -> int:
    import psutil  # noqa: PLC0415 - 10 ms that Linux does not pay

    try:
        return psutil.Process(pid).uids().effective
    except (psutil.Error, OSError):
        return -1


def _ask_psutil_terminal(pid: int) -> bool:
    import psutil  # noqa: PLC0415 - 10 ms that Linux does not pay

    try:
        return psutil.Process(pid).terminal() is not None
    except (psutil.Error, OSError):
        return False
