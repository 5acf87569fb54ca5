"""Processes as the tests see them: identity, environment, and an end that hits no stranger.

Must not know devenv. Invariant: a process is its pid and its start time; nothing is ended that does not match both.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

import psutil

from tests.support.wait import until


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Identity:
    """One process of this boot; `started_s` is since the epoch, as psutil gives it."""

    pid: int
    started_s: float

    def __str__(self) -> str:
        """Show pid and command line, or that it is gone."""
        return f"pid {self.pid} ({command_line_of(self)})"


def identify(pid: int) -> Identity | None:
    """Return who has `pid` now; None for nobody and for a zombie."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE and not _has_other_threads(pid):
            return None
        return Identity(pid=pid, started_s=process.create_time())
    except psutil.NoSuchProcess:
        return None


def is_alive(who: Identity) -> bool:
    """Say whether this very process still runs; a zombie does not."""
    return identify(who.pid) == who


def command_line_of(who: Identity) -> str:
    """Return its command line, or `gone`."""
    try:
        return " ".join(psutil.Process(who.pid).cmdline()) or "no command line" if is_alive(who) else "gone"
    except psutil.Error:
        return "gone"


def list_carrying(word: str) -> set[Identity]:
    """Return all processes but this one whose environment at their start has `word` anywhere."""
    return {
        who
        for process in psutil.process_iter()
        if process.pid != os.getpid() and word in _environment_of(process) and (who := identify(process.pid))
    }


def end(who: Identity, *, deadline_s: float = 5.0) -> None:
    """Kill this process, if it is still the same, and wait until it has gone; raises AssertionError if it stays."""
    if is_alive(who):
        try:
            os.kill(who.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
    until(lambda: not is_alive(who), deadline_s=deadline_s, what=f"the end of {who}")


def _has_other_threads(pid: int) -> bool:
    """Say whether threads outlive the first one: a zombie with threads still holds its files and ports."""
    try:
        return len(os.listdir(f"/proc/{pid}/task")) > 1  # noqa: PTH208 - only the number is wanted
    except OSError:
        return False


def _environment_of(process: psutil.Process) -> str:
    try:
        return "\n".join(f"{name}={value}" for name, value in process.environ().items())
    except (psutil.Error, OSError):
        return ""
