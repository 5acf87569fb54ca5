"""What happened, as numbered frozen values, and their fold.

Everyone but the supervisor learns of changes from events. Invariant: folding all events with `apply` gives the
snapshot that the supervisor would answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from devenv.domain.lifecycle import State


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """One service as everyone sees it. `since` is UTC seconds of the last change of state.

    `ready_after_s` is the time from its start to ready; `detail` is one sentence: why it waits, failed or is sick.
    """

    name: str
    run: str
    state: State = State.STOPPED
    health: str = ""
    pid: int | None = None
    started: float | None = None
    container: str = ""
    ports: tuple[int, ...] = ()
    url: str = ""
    restarts: int = 0
    exit_code: int | None = None
    since: float = 0.0
    ready_after_s: float | None = None
    depends_on: tuple[str, ...] = ()
    log: str = ""
    detail: str = ""
    schema: str = ""
    """What its database came to: ok, warning, unknown or drift; empty where nothing is checked."""
    tail: tuple[str, ...] = ()
    """The last lines of its log when it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceChanged:
    """A service changed state or facts; carries the whole view of it."""

    service: ServiceView
    previous: State | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A sentence for the user: a fallback, a move to another port, a thing left out. `level` is info or warning."""

    text: str
    level: str = "info"
    service: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A step of something long before a service starts: a pull, a build. `done` ends it."""

    subject: str
    text: str
    done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationStarted:
    """An `up`, `down`, `stop` or `restart` began; `services` is what it is about."""

    operation: str
    verb: str
    services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationEnded:
    """It ended; `status` is the exit status, `failures` the errors in the order of their causes (wire form)."""

    operation: str
    verb: str
    status: int
    elapsed_s: float
    failures: tuple[Mapping[str, object], ...] = ()
    summary: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A reader was too slow: `missed` events are gone; read the snapshot again."""

    missed: int


Event = ServiceChanged | Note | Progress | OperationStarted | OperationEnded | Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """An event with its number (from 1, without holes) and its time (UTC seconds)."""

    seq: int
    at: float
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The folded state: every service's view by name, in the order of the files."""

    stack: str = ""
    seq: int = 0
    services: Mapping[str, ServiceView] = field(default_factory=dict)


def apply(snapshot: Snapshot, numbered: Numbered) -> Snapshot:
    """Return `snapshot` with one more event."""
    services = snapshot.services
    if isinstance(numbered.event, ServiceChanged):
        view = numbered.event.service
        services = {**services, view.name: view}
    return replace(snapshot, seq=numbered.seq, services=services)


def overall(views: tuple[ServiceView, ...]) -> str:
    """Return the stack's state in one word: stopped, starting, ready, degraded or failed."""
    states = {view.state for view in views}
    if not states or states <= {State.STOPPED}:
        return "stopped"
    if State.FAILED in states:
        return "failed"
    if State.UNHEALTHY in states or State.BACKOFF in states:
        return "degraded"
    if states <= {State.READY, State.COMPLETED}:
        return "ready"
    if State.STOPPED in states and states <= {State.READY, State.COMPLETED, State.STOPPED}:
        return "partial"
    return "stopping" if states <= {State.STOPPING, State.STOPPED} else "starting"
