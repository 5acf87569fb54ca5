"""Follows an operation from the terminal: shows its events, asks about ports, passes Ctrl-C on.

Must not decide what an operation does. Invariant: it returns when the operation has ended, never before, so that
nothing is left half done behind the user's back; a second Ctrl-C makes the end hard, not absent.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Protocol

from devenv.api.client import Client
from devenv.api.wire import decode_event, decode_view
from devenv.domain.errors import DaemonUnreachable, DevenvError
from devenv.domain.events import Numbered, OperationEnded, OperationStarted, Snapshot, apply


class View(Protocol):
    """Shows an operation while it goes on."""

    def start(self, snapshot: Snapshot) -> None:
        """Show the beginning."""
        ...

    def show(self, numbered: Numbered, snapshot: Snapshot) -> None:
        """Show one more event; `snapshot` already holds it."""
        ...

    def end(self, ended: OperationEnded, snapshot: Snapshot) -> None:
        """Show the end."""
        ...


@dataclass(slots=True, kw_only=True)
class Followed:
    """How an operation ended, and the state after it."""

    ended: OperationEnded
    snapshot: Snapshot
    conflicts: list[dict[str, Any]] = field(default_factory=list)


def follow(client: Client, route: str, body: Mapping[str, Any], view: View) -> Followed:
    """Begin the operation behind `route` and show it to its end. Raises DaemonUnreachable where the daemon dies."""
    snapshot = Snapshot()
    operation: list[str] = []
    with _interrupts(lambda now: _cancel(client, operation, now=now)):
        for data in client.stream("POST", route, body):
            if data["kind"] == "hello":
                operation.append(data["operation"])
                services = {item["name"]: decode_view(item) for item in data["services"]}
                snapshot = Snapshot(stack=data["stack"], seq=data["seq"], services=services)
                view.start(snapshot)
                continue
            numbered = decode_event(data)
            if numbered is None:
                continue
            snapshot = apply(snapshot, numbered)
            event = numbered.event
            if isinstance(event, OperationEnded) and event.operation == operation[0]:
                conflicts = [conflict for failure in event.failures for conflict in failure.get("conflicts", ())]  # type: ignore[attr-defined]
                view.end(event, snapshot)
                return Followed(ended=event, snapshot=snapshot, conflicts=conflicts)
            if not isinstance(event, OperationStarted):
                view.show(numbered, snapshot)
    raise DaemonUnreachable(
        "cannot follow the operation to its end", why="the daemon ended meanwhile", fix="devenv status"
    )


def _cancel(client: Client, operation: list[str], *, now: bool) -> None:
    if not operation:
        return
    try:
        client.post("/v1/cancel", {"operation": operation[0], "now": now}, timeout_s=5.0)
    except DevenvError:
        return  # the daemon is gone: the stream says so


@contextmanager
def _interrupts(cancel: Callable[[bool], None]) -> Iterator[None]:
    """Turn Ctrl-C into `cancel(now)`: the first one gently, every further one now."""
    pressed = 0

    def interrupt(signum: int, frame: FrameType | None) -> None:
        nonlocal pressed
        del signum, frame
        pressed += 1
        # The main thread sits in a read of the stream, so the call goes out beside it.
        threading.Thread(target=cancel, args=(pressed > 1,), daemon=True).start()

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
