"""Who a process is: pid and start time, the boot it belongs to, and devenv's marks in its environment.

Must not know stacks, records or signals, and imports nothing beyond the standard library (psutil late, on macOS), so
that the command line may use it. Invariant: a start time is what the system says, unrounded; it is only ever compared
for equality, and a pid alone proves nothing.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from devenv.domain.holders import ProcessId

STACK_MARKER = "DEVENV_STACK"
SERVICE_MARKER = "DEVENV_SERVICE"
IS_LINUX = sys.platform == "linux"

_READ_SIZE = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStat:
    """One process as the system lists it. `ended` is true of a zombie, `stopped` of one that SIGSTOP holds."""

    id: ProcessId
    parent: int
    group: int
    session: int
    ended: bool = False
    stopped: bool = False


def read_stat(pid: int) -> ProcessStat | None:
    """Return the process that has `pid` now, a zombie included; None where there is none."""
    return _read_proc_stat(pid) if IS_LINUX else read_psutil_stat(pid)


def read_identity(pid: int) -> ProcessId | None:
    """Return the identity of the process that runs as `pid`; None for nobody and for a zombie."""
    stat = read_stat(pid)
    return stat.id if stat and not stat.ended else None


def is_running(process: ProcessId) -> bool:
    """Tell whether exactly this process still runs; a zombie does not."""
    return read_identity(process.pid) == process


def read_began_at(process: ProcessId) -> float | None:
    """Return when the process began, in UTC seconds to some hundredths; None where it has ended."""
    if not is_running(process):
        return None
    if not IS_LINUX:
        return process.started
    since_boot_s = process.started / os.sysconf("SC_CLK_TCK")
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot_s


def list_pids() -> list[int]:
    """Return the pids of all processes."""
    if IS_LINUX:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - five times as fast
    import psutil  # noqa: PLC0415 - 10 ms that Linux does not pay

    return psutil.pids()


def read_markers(pid: int) -> tuple[str, str]:
    """Return the values of DEVENV_STACK and DEVENV_SERVICE in the environment that `pid` was started with.

    Both are empty where it has none, may not be looked at (another user's), or has overwritten its environment with
    its title, as PostgreSQL's children do.
    """
    if IS_LINUX:
        environ = read_file(f"/proc/{pid}/environ")
        if environ is None or STACK_MARKER.encode() not in environ:
            return "", ""
        return _variable(environ, STACK_MARKER), _variable(environ, SERVICE_MARKER)
    return read_psutil_markers(pid)


def read_outputs(pid: int) -> tuple[str, ...]:
    """Return the files that `pid` has as standard output and error; none where it may not be looked at, or on macOS."""
    found = []
    for fd in (1, 2) if IS_LINUX else ():
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))  # noqa: PTH115 - a string is wanted
        except OSError:
            continue
    return tuple(found)


def read_environment(pid: int) -> dict[str, str]:
    """Return the environment that `pid` was started with; empty where it may not be looked at."""
    if IS_LINUX:
        raw = os.fsdecode(read_file(f"/proc/{pid}/environ") or b"")
        pairs = (entry.partition("=") for entry in raw.split("\0"))
        return {name: value for name, equals, value in pairs if name and equals}
    return _ask_psutil_environment(pid)


def read_working_dir(pid: int) -> str:
    """Return the working directory of `pid`; empty where it may not be looked at."""
    if IS_LINUX:
        try:
            return os.readlink(f"/proc/{pid}/cwd")  # noqa: PTH115 - a string is wanted
        except OSError:
            return ""
    import psutil  # noqa: PLC0415 - 10 ms that Linux does not pay

    try:
        return psutil.Process(pid).cwd()
    except (psutil.Error, OSError):
        return ""


def read_boot_id() -> str:
    """Return what tells this boot of the machine from every other one."""
    if IS_LINUX:
        text = read_file("/proc/sys/kernel/random/boot_id")
        return text.decode().strip() if text else ""
    import psutil  # noqa: PLC0415 - 10 ms that Linux does not pay

    return f"{psutil.boot_time():.0f}"


def list_ancestors(pid: int) -> tuple[int, ...]:
    """Return the pids from the parent of `pid` up to 1."""
    found: list[int] = []
    stat = read_stat(pid)
    while stat and stat.parent > 0 and stat.parent not in found:
        found.append(stat.parent)
        stat = read_stat(stat.parent)
    return tuple(found)


def read_file(path: str) -> bytes | None:
    """Return all of a file below /proc; None where its process is gone or not ours to look at."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        chunks = [os.read(fd, _READ_SIZE)]
        while chunks[-1]:
            chunks.append(os.read(fd, _READ_SIZE))
        return b"".join(chunks)
    except OSError:
        return None
    finally:
        os.close(fd)


def read_psutil_stat(pid: int) -> ProcessStat | None:
    """Do as `read_stat` where there is no /proc."""
    import psutil  # noqa: PLC0415 - 10 ms that Linux does not pay

    try:
        process = psutil.Process(pid)
        status = process.status()
        return ProcessStat(
            id=ProcessId(pid=pid, started=process.create_time()),
            parent=process.ppid(),
            group=_look_up(os.getpgid, pid),
            session=_look_up(os.getsid, pid),
            ended=status in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD},
            stopped=status == psutil.STATUS_STOPPED,
        )
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return ProcessStat(id=ProcessId(pid=pid, started=-1), parent=0, group=0, session=0)


def read_psutil_markers(pid: int) -> tuple[str, str]:
    """Do as `read_markers` where there is no /proc."""
    environ = _ask_psutil_environment(pid)
    return environ.get(STACK_MARKER, ""), environ.get(SERVICE_MARKER, "")


def _ask_psutil_environment(pid: int) -> dict[str, str]:
    import psutil  # noqa: PLC0415 - 10 ms that Linux does not pay

    try:
        return psutil.Process(pid).environ()
    except (psutil.Error, OSError, SystemError):  # SystemError: psutil on a process that is just ending
        return {}


def _read_proc_stat(pid: int) -> ProcessStat | None:
    raw = read_file(f"/proc/{pid}/stat")
    if not raw:
        return None
    # The command's name may hold spaces and brackets: the fields begin after the last bracket, with the state.
    fields = raw[raw.rindex(b")") + 2 :].split()
    state, threads = fields[0], int(fields[17])
    return ProcessStat(
        id=ProcessId(pid=pid, started=int(fields[19])),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        # A main thread that ended while others go on looks like a zombie, too.
        ended=state in b"ZXx" and threads <= 1,
        stopped=state in b"Tt",
    )


def _variable(environ: bytes, name: str) -> str:
    start = f"{name}=".encode()
    for entry in environ.split(b"\0"):
        if entry.startswith(start):
            return entry[len(start) :].decode(errors="surrogateescape")
    return ""


def _look_up(ask: Callable[[int], int], pid: int) -> int:
    try:
        return ask(pid)
    except OSError:
        return 0
