"""Keeps unit tests pure: no network, no subprocess, no real waiting, while one of them runs.

Must not know which tests are unit tests. Invariant: outside `guarded()` the audit hook does nothing (it can never be
taken out again, so it is put in only when the first unit test runs).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import SupportsIndex

import pytest

LONGEST_SLEEP_S = 0.05
_PROCESS_EVENTS = frozenset(
    {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec", "os.spawn", "pty.spawn"}
)
_NETWORK_EVENTS = frozenset({"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo"})

_breaches: list[str] | None = None  # None while no unit test runs
_is_hooked = False


@contextmanager
def guarded(*, may_run_processes: bool = False) -> Iterator[None]:
    """Refuse the network, processes and sleeps within; a breach that the code swallowed fails at the end."""
    global _breaches  # noqa: PLW0603 - an audit hook has no other way to know
    _hook_once()
    breaches: list[str] = []
    _breaches = breaches
    _allowed.processes = may_run_processes
    real_sleep, time.sleep = time.sleep, _sleep_briefly
    try:
        yield
    finally:
        time.sleep = real_sleep
        _breaches = None
    if breaches:
        pytest.fail(f"a unit test did what unit tests must not: {'; '.join(breaches)}", pytrace=False)


class _Allowed:
    processes = False


_allowed = _Allowed()
_real_sleep = time.sleep


def _hook_once() -> None:
    global _is_hooked  # noqa: PLW0603 - a hook stays for the life of the process
    if not _is_hooked:
        _is_hooked = True
        sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if _breaches is None:
        return
    if event in _PROCESS_EVENTS and not _allowed.processes:
        _breach(f"{event} {arguments[:2]!r:.200}")
    elif event in _NETWORK_EVENTS and _leaves_the_process(event, arguments):
        _breach(f"{event} {arguments[1:2] if event != 'socket.getaddrinfo' else arguments[:2]!r}")


def _leaves_the_process(event: str, arguments: tuple[object, ...]) -> bool:
    """Tell internet addresses (tuples) from unix sockets (paths), which event loops and local servers use."""
    return event == "socket.getaddrinfo" or isinstance(arguments[1], tuple)


def _sleep_briefly(seconds: float | SupportsIndex, /) -> None:
    if float(seconds) > LONGEST_SLEEP_S:
        _breach(f"time.sleep({seconds})")
    _real_sleep(seconds)


def _breach(what: str) -> None:
    assert _breaches is not None
    _breaches.append(what)
    pytest.fail(f"unit tests must not do this: {what}", pytrace=True)
