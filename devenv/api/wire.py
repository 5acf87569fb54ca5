"""Values of the domain as JSON, and back.

Owns the shapes that leave the daemon; `VERSION` changes when one of them changes incompatibly. Must not know HTTP.
Invariant: `decode_event(encode_event(x)) == x`.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from devenv.domain.events import (
    Event,
    Gap,
    Note,
    Numbered,
    OperationEnded,
    OperationStarted,
    Progress,
    ServiceChanged,
    ServiceView,
    Snapshot,
    overall,
)
from devenv.domain.lifecycle import State

if TYPE_CHECKING:
    from devenv.app.requests import Reading, UpRequest

VERSION = 1

_KINDS: dict[str, type[Event]] = {
    "service": ServiceChanged,
    "note": Note,
    "progress": Progress,
    "started": OperationStarted,
    "ended": OperationEnded,
    "gap": Gap,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def encode_event(numbered: Numbered) -> dict[str, Any]:
    """Return an event as plain data: `{seq, at, kind, ...its own fields}`."""
    return {"seq": numbered.seq, "at": numbered.at, "kind": _NAMES[type(numbered.event)], **asdict(numbered.event)}


def decode_event(data: Mapping[str, Any]) -> Numbered | None:
    """Return the event in `data`; None for a kind that this version does not know."""
    kind = _KINDS.get(str(data.get("kind")))
    if kind is None:
        return None
    known = {field.name for field in fields(kind)}
    values: dict[str, Any] = {name: value for name, value in data.items() if name in known}
    make: Callable[..., Event] = kind
    if kind is ServiceChanged:
        previous = values.get("previous")
        values = {"service": decode_view(values["service"]), "previous": State(previous) if previous else None}
    event = make(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
    return Numbered(seq=data["seq"], at=data["at"], event=event)


def decode_view(data: Mapping[str, Any]) -> ServiceView:
    """Return the view in `data`."""
    known = {field.name for field in fields(ServiceView)}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in data.items() if name in known
    }
    return ServiceView(**{**values, "state": State(values["state"])})


def decode_reading(data: Mapping[str, Any]) -> "Reading":
    """Return how to read the configuration."""
    from devenv.app.requests import Reading  # noqa: PLC0415 - only the daemon decodes it

    return Reading(**{**data, "profiles": tuple(data.get("profiles", ()))})


def decode_up(body: Mapping[str, Any]) -> "UpRequest":
    """Return the `up` that was asked for."""
    from devenv.app.requests import UpRequest  # noqa: PLC0415

    services = tuple(body.get("services", ()))
    return UpRequest(**{**body, "reading": decode_reading(body["reading"]), "services": services})


def encode_snapshot(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot as plain data, with every field of every view."""
    return {
        "stack": snapshot.stack,
        "seq": snapshot.seq,
        "services": [asdict(view) for view in snapshot.services.values()],
    }


def status_document(snapshot: Snapshot) -> dict[str, Any]:
    """Return what `devenv status --json` prints; documented in the README."""
    views = tuple(snapshot.services.values())
    return {
        "version": VERSION,
        "stack": snapshot.stack,
        "state": overall(views),
        "services": [status_row(view) for view in views],
    }


def status_row(view: ServiceView) -> dict[str, Any]:
    """Return one service of `status --json`."""
    since = datetime.fromtimestamp(view.since, UTC).isoformat(timespec="milliseconds") if view.since else None
    return {
        "name": view.name,
        "run": view.run,
        "state": str(view.state),
        "health": view.health,
        "pid": view.pid,
        "container": view.container[:12],
        "ports": list(view.ports),
        "url": view.url,
        "restarts": view.restarts,
        "exit_code": view.exit_code,
        "since": since,
        "depends_on": list(view.depends_on),
        "log": view.log,
        "ready_after_s": None if view.ready_after_s is None else round(view.ready_after_s, 3),
        "detail": view.detail,
        "schema": view.schema,
    }
