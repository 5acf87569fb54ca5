"""Processes that hold a port, each in a way of its own; run as a script it is such a process.

Must not know devenv. Invariant: every holder ends with the `with` that started it, and with the test run however that
ends: each watches a pipe from here (its stdin), and is killed by pid and start time besides.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from tests.support.processes import Identity

_START_DEADLINE_S = 10.0
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nheld\n"


class Holder(StrEnum):
    """How the port is held."""

    HTTP = "http"  # answers every request with 200 `held`
    NEVER_ACCEPTS = "never-accepts"  # listens, and connections pile up in the kernel
    NEVER_READS = "never-reads"  # accepts, and leaves what arrives in the kernel
    NEVER_ANSWERS = "never-answers"  # accepts and reads, and that is all
    UDP = "udp"
    IPV6_ONLY = "ipv6-only"  # TCP on ::1 alone, whatever the host asked for; answers as HTTP does
    IGNORES_TERM = "ignores-term"  # HTTP, and deaf to TERM, INT and HUP
    FORKS_AWAY = "forks-away"  # HTTP, forked twice into a session of its own: its parent is not the test
    RESPAWNED = "respawned"  # HTTP, and a parent that starts it again whenever it ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A port that is held by now: who has it, and who started it (the same process, but for two kinds)."""

    holder: Holder
    port: int
    pid: int
    parent_pid: int


@contextmanager
def hold(
    holder: Holder,
    port: int,
    *,
    host: str = "127.0.0.1",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Held]:
    """Hold `port` until the end of the `with`; `env` adds to the environment; raises AssertionError if it cannot."""
    from tests.support import processes  # here, as the process below has the standard library alone

    with subprocess.Popen(
        [sys.executable, "-S", "-E", str(Path(__file__).resolve()), holder, host, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        start_new_session=True,
    ) as started:
        seen: set[Identity] = set()
        try:
            pid = _read_pid(started, holder, port)
            seen = {who for who in (processes.identify(pid), processes.identify(started.pid)) if who}
            yield Held(holder=holder, port=port, pid=pid, parent_pid=started.pid)
        finally:
            assert started.stdin is not None
            started.stdin.close()
            started.kill()
            started.wait()
            for who in seen:
                processes.end(who)


def _read_pid(started: subprocess.Popen[bytes], holder: Holder, port: int) -> int:
    assert started.stdout is not None
    giving_up = threading.Timer(_START_DEADLINE_S, started.kill)
    giving_up.start()
    line = started.stdout.readline()
    giving_up.cancel()
    giving_up.join()
    assert line, f"holder {holder} did not get port {port}, exit status {started.poll()}"
    return int(line)


# --- the process itself ---------------------------------------------------------------------------------------------


def _main(holder: Holder, host: str, port: int) -> None:
    if holder is Holder.RESPAWNED:
        _respawn(host, port)
    if holder is Holder.FORKS_AWAY:
        _fork_away()
    threading.Thread(target=_end_with_the_test, daemon=True).start()
    if holder is Holder.IGNORES_TERM:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    held = _open(holder, host, port)
    print(os.getpid(), flush=True)
    match holder:
        case Holder.NEVER_ACCEPTS | Holder.UDP:
            threading.Event().wait()
        case Holder.NEVER_READS | Holder.NEVER_ANSWERS:
            _keep_connections(held, reads=holder is Holder.NEVER_ANSWERS)
        case _:
            _answer(held)


def _end_with_the_test() -> NoReturn:
    while os.read(0, 1):
        pass
    os._exit(0)


def _open(holder: Holder, host: str, port: int) -> socket.socket:
    host = "::1" if holder is Holder.IPV6_ONLY else host
    held = socket.socket(
        socket.AF_INET6 if ":" in host else socket.AF_INET,
        socket.SOCK_DGRAM if holder is Holder.UDP else socket.SOCK_STREAM,
    )
    if held.family == socket.AF_INET6:
        held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if holder is not Holder.UDP:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((host, port))
    if holder is not Holder.UDP:
        held.listen(16)
    return held


def _answer(held: socket.socket) -> None:
    while True:
        connection, _ = held.accept()
        with connection:
            connection.settimeout(5)
            try:
                connection.recv(65536)
                connection.sendall(_ANSWER)
            except OSError:
                continue


def _keep_connections(held: socket.socket, *, reads: bool) -> None:
    kept = []
    while True:
        connection, _ = held.accept()
        kept.append(connection)
        if reads:
            threading.Thread(target=_read_on, args=(connection,), daemon=True).start()


def _read_on(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def _fork_away() -> None:
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)


def _respawn(host: str, port: int) -> NoReturn:
    while True:
        child = subprocess.Popen([sys.executable, "-S", "-E", __file__, Holder.HTTP, host, str(port)])
        child.wait()
        time.sleep(0.02)


if __name__ == "__main__":
    _main(Holder(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
