"""A command on a terminal of its own: what it draws, and answers typed when it asks.

Invariant: the terminal is closed and the command has ended when `run_in_terminal` returns.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.support.daemon import COMMAND, Devenv


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How it ended, and everything it wrote, escape codes included."""

    status: int
    screen: str


def run_in_terminal(
    project: Devenv,
    *arguments: str,
    answers: Iterable[tuple[str, str]] = (),
    env: Mapping[str, str] | None = None,
    deadline_s: float = 40.0,
) -> Shown:
    """Run devenv on a terminal; each of `answers` is typed when its text has appeared."""
    near, far = pty.openpty()
    fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
    started = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=project.folder,
        env={**project.environment(env), "TERM": "xterm-256color"},
        stdin=far,
        stdout=far,
        stderr=far,
        start_new_session=True,
        preexec_fn=_own_terminal,  # noqa: PLW1509 - one system call, and no thread runs here
    )
    os.close(far)
    try:
        screen = _converse(near, list(answers), time.monotonic() + deadline_s)
        return Shown(status=started.wait(timeout=5), screen=screen)
    finally:
        started.kill()
        started.wait()
        os.close(near)


def _own_terminal() -> None:
    """Make the terminal the session's own, so that a typed Ctrl-C is a signal."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _converse(near: int, answers: list[tuple[str, str]], end: float) -> str:
    seen, answered = "", 0
    while (left_s := end - time.monotonic()) > 0:
        ready, _, _ = select.select([near], [], [], left_s)
        data = _read(near) if ready else b""
        if not data:
            break
        seen += data.decode(errors="replace")
        if answers and answers[0][0] in seen[answered:]:
            answered = len(seen)
            os.write(near, answers.pop(0)[1].encode())
    assert left_s > 0, f"the command is still there:\n{seen}"
    return seen


def _read(near: int) -> bytes:
    try:
        return os.read(near, 65536)
    except OSError as error:
        if error.errno == errno.EIO:  # the last one has closed the terminal
            return b""
        raise
