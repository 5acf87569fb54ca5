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
    return follow_begun(lambda: (client, client.stream("POST", route, body)), view)


def follow_begun(begin: Callable[[], tuple[Client, Iterator[dict[str, Any]]]], view: View) -> Followed:
    """Show the operation that `begin` begins to its end. A Ctrl-C that comes while it does is not lost."""
    snapshot = Snapshot()
    under_way = _UnderWay()
    with _interrupts(under_way):
        under_way.client, stream = begin()
        for data in stream:
            if data["kind"] == "hello":
                under_way.learn(data["operation"])
                services = {item["name"]: decode_view(item) for item in data["services"]}
                snapshot = Snapshot(stack=data["stack"], seq=data["seq"], services=services)
                view.start(snapshot)
                continue
            numbered = decode_event(data)
            if numbered is None:
                continue
            snapshot = apply(snapshot, numbered)
            event = numbered.event
            if isinstance(event, OperationEnded) and event.operation == under_way.operation:
                conflicts = [conflict for failure in event.failures for conflict in failure.get("conflicts", ())]  # type: ignore[attr-defined]
                view.end(event, snapshot)
                return Followed(ended=event, snapshot=snapshot, conflicts=conflicts)
            if not isinstance(event, OperationStarted):
                view.show(numbered, snapshot)
    raise DaemonUnreachable(
        "cannot follow the operation to its end", why="the daemon ended meanwhile", fix="devenv status"
    )


@dataclass(slots=True, kw_only=True)
class _UnderWay:
    """The operation that is followed, and how often Ctrl-C was pressed: gently once, then now."""

    client: Client | None = None
    operation: str = ""
    presses: int = 0

    def press(self, signum: int, frame: FrameType | None) -> None:
        """Cancel it, as soon as it is known."""
        del signum, frame
        self.presses += 1
        if self.operation:
            self._cancel_beside()

    def learn(self, operation: str) -> None:
        """Take its name; cancel it if that was asked for already."""
        self.operation = operation
        if self.presses:
            self._cancel_beside()

    def _cancel_beside(self) -> None:
        # The main thread sits in a read of the stream, so the call goes out beside it.
        threading.Thread(target=self._cancel, args=(self.presses > 1,), daemon=True).start()

    def _cancel(self, now: bool) -> None:
        assert self.client is not None
        try:
            self.client.post("/v1/cancel", {"operation": self.operation, "now": now}, timeout_s=5.0)
        except DevenvError:
            return  # the daemon is gone: the stream says so


@contextmanager
def _interrupts(under_way: _UnderWay) -> Iterator[None]:
    """Turn Ctrl-C and TERM into a press."""
    before = {number: signal.signal(number, under_way.press) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
