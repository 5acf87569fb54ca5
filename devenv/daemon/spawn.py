"""Starts the stack's daemon in the background and waits until it listens.

Standard library only: it is on the path of `up`. Must not know what the daemon does. Invariant: when `ensure` returns,
a daemon listens on the stack's socket; two callers at once get the same one.
"""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from devenv.api.client import Client
from devenv.daemon import BUSY, MARKERS, READY
from devenv.domain.errors import DaemonUnreachable

DEADLINE_S = 15.0


def ensure(socket: Path, log: Path, start: Mapping[str, Any]) -> tuple[Client, bool]:
    """Return a client of the daemon behind `socket`, and whether this call started it, with the settings `start`."""
    client = Client(str(socket), log=str(log))
    deadline = time.monotonic() + DEADLINE_S
    while not client.is_there():
        answer = _start(log, start, deadline)
        if answer == READY:
            return client, True
        if answer != BUSY or time.monotonic() > deadline:
            raise _gave_up(log, answer)
        # Another daemon has the lock: it is about to listen, or about to end.
        time.sleep(0.02)
    return client, False


def _start(log: Path, start: Mapping[str, Any], deadline: float) -> bytes:
    """Start a daemon in a session of its own; return its first word."""
    reading, writing = os.pipe()
    try:
        with log.open("ab") as output:
            # Through a pipe, not as an argument: the settings hold the user's environment, and `ps` shows arguments.
            daemon = subprocess.Popen(
                [sys.executable, "-m", "devenv.daemon", str(writing)],
                env={name: value for name, value in os.environ.items() if name not in MARKERS},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
                pass_fds=(writing,),
            )
        assert daemon.stdin is not None
        with suppress(BrokenPipeError), daemon.stdin:
            daemon.stdin.write(json.dumps(start).encode())
        os.close(writing)
        writing = -1
        ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
        return os.read(reading, 16) if ready else b""
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)


def _gave_up(log: Path, answer: bytes) -> DaemonUnreachable:
    try:
        lines = log.read_text(errors="replace").splitlines()[-5:]
    except OSError:
        lines = []
    why = "it ended before it listened" if not answer else "another one holds the lock, but does not listen"
    return DaemonUnreachable("cannot start the stack's daemon", why=why, fix=f"tail {log}", details=tuple(lines))
