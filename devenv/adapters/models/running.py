"""Runs a probe to its end: here in the service's interpreter, or in the container that its code lives in.

Must not know models. Invariants: when it returns, within the deadline and a second, the probe and its process group are
gone, and they go as well when we are killed, because the probe holds a pipe whose other end is ours alone; what the
user's code prints is read while it runs, and only its end is kept.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from devenv.adapters.processes.identity import read_stat

_KEPT_STDERR = 16_384
_LARGEST_ANSWER = 64 << 20
_READ_SIZE = 1 << 16
_LOOK_S = 0.05
_REAP_S = 5.0
_INSIDE_S = 1.0
_MOST_READS = 64

_FIND_PYTHON = r"""
program=$(command -v "$1" 2>/dev/null) || program=
case "${program##*/}" in
  python*) exec "$program" -B - ;;
esac
if [ -f "$program" ]; then
  IFS= read -r line <"$program" || :
  found=${line#\#!}
  found=${found%% *}
  case "${found##*/}" in
    python*) [ -x "$found" ] && exec "$found" -B - ;;
  esac
fi
for found in "${VIRTUAL_ENV:+$VIRTUAL_ENV/bin/python}" .venv/bin/python venv/bin/python /opt/venv/bin/python; do
  [ -x "$found" ] && exec "$found" -B -
done
command -v python3 >/dev/null && exec python3 -B -
exec python -B -
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a probe ended: `answer` is its line on file descriptor 1, '' for none; `status` as `Popen.returncode`."""

    answer: str
    stderr: str
    status: int
    is_late: bool


Check = Callable[[], None]
"""Raises where nobody waits for the answer any more."""


def run_here(
    python: str, script: str, *, folder: str, environment: Mapping[str, str], deadline_s: float, check: Check
) -> Ran:
    """Run the script from its standard input. Raises OSError where the interpreter cannot be started."""
    lifeline, ours = os.pipe()
    try:
        argv = (python, "-B", "-", str(lifeline))
        return _run(
            argv, script, folder=folder, environment=environment, deadline_s=deadline_s, check=check, inherited=lifeline
        )
    finally:
        os.close(lifeline)
        os.close(ours)


def run_inside(container: str, program: str, script: str, *, folder: str, deadline_s: float, check: Check) -> Ran:
    """Run the script in a container, in its own environment, on the Python that `program` is started by.

    The probe ends itself there, within `deadline_s`; the docker command is given a second more.
    """
    where = ("-w", folder) if folder else ()
    argv = ("docker", "exec", "-i", *where, container, "/bin/sh", "-c", _FIND_PYTHON, "sh", program or "python3")
    began = time.monotonic()
    ran = _run(argv, script, folder=None, environment=os.environ, deadline_s=deadline_s + _INSIDE_S, check=check)
    is_late = ran.is_late or (not ran.answer and time.monotonic() - began >= deadline_s)
    return replace(ran, is_late=is_late)


def _run(
    argv: Sequence[str],
    script: str,
    *,
    folder: str | None,
    environment: Mapping[str, str],
    deadline_s: float,
    check: Check,
    inherited: int | None = None,
) -> Ran:
    deadline = time.monotonic() + deadline_s
    with tempfile.TemporaryFile() as text:  # a pipe would need a writer beside the reader
        text.write(script.encode("utf-8", "surrogateescape"))
        text.seek(0)
        child = subprocess.Popen(
            argv,
            cwd=folder,
            env=dict(environment),
            stdin=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            pass_fds=() if inherited is None else (inherited,),
        )
    with child:
        try:
            answer, stderr, is_late = _follow(child, deadline, check)
        finally:
            _end(child)
    return Ran(
        answer=answer.decode("ascii", "replace"),
        stderr=stderr.decode("utf-8", "replace"),
        status=child.returncode,
        is_late=is_late,
    )


def _follow(child: "subprocess.Popen[bytes]", deadline: float, check: Check) -> tuple[bytes, bytes, bool]:
    """Read until the answer is whole, or nobody is left to give one."""
    assert child.stdout is not None
    assert child.stderr is not None
    answer, stderr = bytearray(), bytearray()
    kept = {child.stdout.fileno(): (answer, _LARGEST_ANSWER), child.stderr.fileno(): (stderr, _KEPT_STDERR)}
    is_late = False
    with selectors.DefaultSelector() as selector:
        for descriptor in kept:
            os.set_blocking(descriptor, False)
            selector.register(descriptor, selectors.EVENT_READ)
        while not answer.endswith(b"}\n") and len(answer) < _LARGEST_ANSWER and not is_late:
            check()
            has_ended = _has_ended(child)  # asked before the read: what it wrote is there by now
            ready = {key.fd for key, _ in selector.select(0 if has_ended else _LOOK_S)}
            for descriptor in ready:
                if _take(descriptor, *kept[descriptor]) == 0:
                    selector.unregister(descriptor)
            if has_ended and child.stdout.fileno() not in ready:
                break
            is_late = time.monotonic() >= deadline
    for _ in range(_MOST_READS):  # a child that it left behind may write for ever
        if _take(child.stderr.fileno(), *kept[child.stderr.fileno()]) <= 0:
            break
    return bytes(answer), bytes(stderr), is_late


def _take(descriptor: int, kept: bytearray, limit: int) -> int:
    """Read what is there, keeping the end of it; return its size, 0 at the end of the stream, -1 where it is silent."""
    try:
        chunk = os.read(descriptor, _READ_SIZE)
    except BlockingIOError:
        return -1
    kept += chunk
    del kept[:-limit]
    return len(chunk)


def _has_ended(child: "subprocess.Popen[bytes]") -> bool:
    """Tell it without reaping: until then the number of its group is its own."""
    stat = read_stat(child.pid)
    return stat is None or stat.ended


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Kill the group, which is the probe's own: it may have left children behind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_REAP_S)
