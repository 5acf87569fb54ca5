"""Which stack a command is about, and the way to its daemon.

Cheap on purpose: `devenv status` passes here, so that nothing of the configuration is read. Must not print.
Invariant: the same file and project always lead to the same daemon, from every subfolder.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devenv.adapters.state.paths import StatePaths, locate
from devenv.api.client import Client
from devenv.config.discover import find_file
from devenv.daemon import MARKERS
from devenv.domain.errors import DaemonUnreachable, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The global options of one command, and what they lead to."""

    file: str
    is_named: bool = False
    """The file was given, not found: then it counts alone, without an override file beside it."""
    project: str | None = None
    profiles: tuple[str, ...] = ()
    paths: StatePaths
    environment: Mapping[str, str] = field(default_factory=dict)

    def reading(self, *, engine: str | None = None) -> dict[str, Any]:
        """Return how the daemon is to read the configuration, as the API takes it."""
        return {
            "directory": str(Path.cwd()),
            "file": self.file if self.is_named else None,
            "project": self.project,
            "profiles": list(self.profiles),
            "engine": engine,
            "pid": os.getpid(),
            "environment": dict(self.environment),
        }

    def client(self) -> Client | None:
        """Return a client of the running daemon, None where there is none and nothing to look after."""
        client = Client(str(self.paths.socket), log=str(self.paths.daemon_log))
        if client.is_there():
            return client
        return self.ensure() if self._left_running() else None

    def ensure(self) -> Client:
        """Return a client of the stack's daemon, started where there is none."""
        return self._ensure()[0]

    def begin_up(self, body: Mapping[str, Any]) -> tuple[Client, Iterator[dict[str, Any]]]:
        """Begin an `up`; return the client and the events.

        A daemon that has to be started gets it with its settings, and begins before it can be asked anything.
        """
        client, is_new = self._ensure(up=body)
        if is_new:
            return client, client.stream("POST", "/v1/first", {})
        try:
            return client, client.stream("POST", "/v1/up", body)
        except DaemonUnreachable:
            # One that ends with its stack still listens for a moment. Asking again is safe: an `up` reconciles.
            client, is_new = self._ensure(up=body)
            return client, client.stream("POST", *(("/v1/first", {}) if is_new else ("/v1/up", body)))

    def _ensure(self, **more: Any) -> tuple[Client, bool]:
        from devenv.daemon.spawn import ensure  # noqa: PLC0415 - loads `subprocess`, for nothing where a daemon runs

        client = Client(str(self.paths.socket), log=str(self.paths.daemon_log))
        if client.is_there():
            return client, False
        self.paths.create()
        start = {"root": self.file, "project": self.project, "reading": self.reading(), **more}
        return ensure(self.paths.socket, self.paths.daemon_log, start)

    def _left_running(self) -> bool:
        """Tell whether a daemon that is gone may have left something running."""
        return self.paths.record.exists()


def mentions_git(session: Session) -> bool:
    """Tell whether the stack's file may ask for a sync, without reading it as YAML: that costs 100 ms."""
    try:
        return b"git" in Path(session.file).read_bytes()
    except OSError:
        return False


def open_session(file: str | None, project: str | None, profiles: tuple[str, ...]) -> Session:
    """Return the session of the stack in or above the current folder, or of `file`."""
    found = file if file is not None else find_file(str(Path.cwd()))
    if found is None:
        raise UsageError(
            "cannot find a stack",
            why=f"neither services.yaml, a Compose file nor a Procfile in {Path.cwd()} or above",
            fix="devenv -f FILE up",
        )
    path = Path(found).absolute()
    if not path.is_file():
        raise UsageError(f"cannot read {found}", why="there is no such file", fix=f"ls {path.parent}")
    environment = {name: value for name, value in os.environ.items() if name not in MARKERS}
    paths = locate(path, project, environ=environment)
    return Session(
        file=str(path),
        is_named=file is not None,
        project=project,
        profiles=profiles,
        paths=paths,
        environment=environment,
    )
