"""A stack in a folder of a test's own, and a daemon that answers what the test says.

Must not know the command line. Invariant: the socket is gone when the test is over, and no request goes unanswered.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devenv.adapters.state.paths import StatePaths

SERVICES = """\
name: shop
services:
  api: {command: serve, ports: [28811], depends_on: [migrate]}
  migrate: {task: "true"}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFolder:
    """Where the stack's file is, and its state."""

    folder: Path
    paths: StatePaths

    def write_log(self, service: str, text: str) -> None:
        """Write a service's log as its process would have."""
        self.paths.logs.mkdir(parents=True, exist_ok=True)
        (self.paths.logs / f"{service}.log").write_text(text)


@dataclass(slots=True, kw_only=True)
class FakeDaemon:
    """Answers each route with the JSON lines that are given for it; `asked` is what was asked."""

    answers: Mapping[str, list[Any]]
    asked: list[tuple[str, Any]] = field(default_factory=list)


@contextmanager
def serve(paths: StatePaths, answers: Mapping[str, list[Any]], *, hang: bool = False) -> Iterator[FakeDaemon]:
    """Listen on the stack's socket; with `hang` a stream stays open after its last line."""
    daemon = FakeDaemon(answers=answers)
    over = threading.Event()
    paths.create()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(paths.socket))
        listener.listen()
        listener.settimeout(0.02)  # a test may have taken the socket's file away
        thread = threading.Thread(target=_accept, args=(listener, daemon, over), kwargs={"hang": hang})
        thread.start()
        try:
            yield daemon
        finally:
            over.set()
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waking:
                waking.connect(str(paths.socket))
            thread.join(5)
            paths.socket.unlink(missing_ok=True)


def _accept(listener: socket.socket, daemon: FakeDaemon, over: threading.Event, *, hang: bool) -> None:
    while not over.is_set():
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        with connection, connection.makefile("rb") as reading:
            first = reading.readline()
            if not first:
                continue  # somebody looked whether we are there
            route = first.split()[1].decode()
            length = 0
            while (header := reading.readline()).strip():
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            daemon.asked.append((route, json.loads(reading.read(length)) if length else None))
            lines = "".join(json.dumps(line) + "\n" for line in daemon.answers.get(route, [{}]))
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + lines.encode())
            if hang and route == "/v1/events":
                over.wait(10)


def view(name: str, state: str, **facts: Any) -> dict[str, Any]:
    """Return a service as a snapshot on the wire has it."""
    return {"name": name, "run": "process", "state": state, **facts}


def snapshot(*views: dict[str, Any]) -> dict[str, Any]:
    """Return the first line of the stream of events."""
    return {"kind": "snapshot", "stack": "shop", "seq": 1, "services": list(views)}


def change(seq: int, service: dict[str, Any], previous: str | None = None) -> dict[str, Any]:
    """Return a change of state as an event on the wire."""
    return {"kind": "service", "seq": seq, "at": 1.0, "service": service, "previous": previous}
