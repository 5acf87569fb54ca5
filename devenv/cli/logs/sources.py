"""Which services have logs, and where: files of processes, the engine for containers.

Asks the daemon; without one the run record, and after `down` the folder of the logs. Must not read a log. Invariant: a
service that is named and unknown is an error; one that is known and silent is not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from devenv.adapters.logs.reader import list_services
from devenv.api.client import Client
from devenv.cli.session import Session
from devenv.domain.errors import DaemonUnreachable, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Services whose lines are in files, and the containers of the others; `is_up` tells whether a stack runs."""

    files: tuple[str, ...] = ()
    containers: Mapping[str, str] = field(default_factory=dict)
    is_up: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Return all services."""
        return (*self.containers, *self.files)


def find_sources(session: Session, wanted: Iterable[str]) -> Sources:
    """Return where the logs of `wanted` are, of all services if none is. Raises UsageError for an unknown name."""
    rows = _ask_daemon(session)
    is_up = rows is not None
    if rows is None:
        rows = _read_record(session)
        is_up = rows is not None
    written = list_services(session.paths.logs)
    known = rows or dict.fromkeys(written, Place())
    names = tuple(wanted)
    unknown = [name for name in names if name not in known and name not in written]
    if unknown and known:
        raise UsageError(
            f"cannot find the service {unknown[0]}", why=f"there are {', '.join(sorted(known))}", fix="devenv status"
        )
    chosen = names or tuple(known)
    places = {name: known.get(name, Place()) for name in chosen}
    return Sources(
        files=tuple(name for name, place in places.items() if place.run != "container"),
        containers={name: place.container for name, place in places.items() if place.container},
        is_up=is_up,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How a service runs, and its container, '' where it has none now."""

    run: str = "process"
    container: str = ""


def _ask_daemon(session: Session) -> dict[str, Place] | None:
    """Return each service's place; None without a daemon. Starts none."""
    client = Client(str(session.paths.socket))
    if not client.is_there():
        return None
    try:
        document = client.get("/v1/status")
    except DaemonUnreachable:
        return None
    return {row["name"]: Place(run=row["run"], container=row["container"]) for row in document["services"]}


def _read_record(session: Session) -> dict[str, Place] | None:
    from devenv.adapters.state.run_record import JsonRunRecord  # noqa: PLC0415 - only where the daemon is gone

    record = JsonRunRecord(session.paths.record).load()
    if record is None:
        return None
    return {name: Place(run=one.view.run, container=one.view.container) for name, one in record.services.items()}
