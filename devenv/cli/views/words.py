"""Snapshots and endings in words and rows; no terminal in sight.

Pure. Invariant: the same state has the same word everywhere.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from devenv.domain.errors import from_fields
from devenv.domain.events import OperationEnded, ServiceView, Snapshot
from devenv.domain.lifecycle import State

HEADER = ("SERVICE", "STATE", "URL", "READY AFTER", "LOG")

MARKS = {
    State.READY: "✔",
    State.COMPLETED: "✔",
    State.FAILED: "✘",
    State.UNHEALTHY: "!",
    State.BACKOFF: "!",
}


def table_row(view: ServiceView) -> tuple[str, ...]:
    """Return a service as `HEADER` names its columns."""
    after = "" if view.ready_after_s is None else f"{view.ready_after_s:.2f} s"
    where = view.log or (f"devenv logs {view.name}" if view.container else "")
    return (view.name, str(view.state), view.url, after, where)


_ANONYMOUS = re.compile(r"[0-9a-f]{64}")

_SILENT = frozenset({State.WAITING, State.PROBING, State.STOPPING})
"""States on the way to another one that is told."""


def is_news(view: ServiceView, previous: State | None) -> bool:
    """Tell whether a change is worth a line of its own in a log."""
    return previous is not None and view.state is not previous and view.state not in _SILENT


def change_line(view: ServiceView) -> str:
    """Return a change of state as one line."""
    mark = MARKS.get(view.state, " ")
    parts = [f"{mark} {view.name}: {view.state}"]
    if view.state is State.READY and view.ready_after_s is not None:
        parts.append(f"after {view.ready_after_s:.2f} s" + (f" at {view.url}" if view.url else ""))
    elif view.detail:
        parts.append(f"({view.detail})")
    return " ".join(parts)


def ending_line(ended: OperationEnded, snapshot: Snapshot) -> str:
    """Return how an operation went, as one line."""
    elapsed = f"{ended.elapsed_s:.1f} s"
    if ended.status != 0:
        return ""
    summary = ended.summary
    if ended.verb == "up":
        return _up_line(ended, snapshot, elapsed)
    if not any(_names(summary.get(name)) for name in ("stopped", "containers", "networks", "removed_volumes")):
        return f"nothing is known to run: {summary['not_asked']}" if "not_asked" in summary else "nothing is running"
    count = len(_names(summary.get("stopped")))
    parts = [f"{ended.verb}: {_count(count, 'service')} ended in {elapsed}", *_what_went(summary)]
    return "\n".join(parts)


def _what_went(summary: Mapping[str, object]) -> Iterator[str]:
    """Yield what a `down` removed and what it kept, a line a kind."""
    containers, networks = _names(summary.get("containers")), _names(summary.get("networks"))
    if containers or networks:
        removed = [_count(len(containers), "container")] if containers else []
        yield f"removed: {', '.join([*removed, *(f'network {name}' for name in networks)])}"
    if names := _names(summary.get("removed_volumes")):
        yield f"volumes removed: {', '.join(map(_shorten, names))}"
    if names := _names(summary.get("kept_volumes")):
        yield f"volumes kept: {', '.join(names)} (`devenv down --volumes` removes them)"
    if names := _names(summary.get("external_volumes")):
        yield f"external volumes kept: {', '.join(names)}"
    if names := _names(summary.get("anonymous_volumes")):
        yield f"anonymous volumes kept: {len(names)} (`docker volume rm {' '.join(names)}` removes them)"


def _shorten(volume: str) -> str:
    """Return the name of a volume, of an anonymous one as much as is needed to know it."""
    return f"{volume[:12]} (anonymous)" if _ANONYMOUS.fullmatch(volume) else volume


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def steps_of(ended: OperationEnded) -> list[Mapping[str, str]]:
    """Return the steps of an `up`."""
    steps = ended.summary.get("steps")
    return list(steps) if isinstance(steps, list | tuple) else []


def errors_text(ended: OperationEnded) -> str:
    """Return every failure of an operation in words."""
    from devenv.cli.failures import describe_errors  # noqa: PLC0415 - only failures pay for it

    return describe_errors(from_fields(fields) for fields in ended.failures)


def ending_document(ended: OperationEnded, snapshot: Snapshot) -> dict[str, Any]:
    """Return what `up --json` and `down --json` print."""
    from devenv.api.wire import VERSION, status_document  # noqa: PLC0415

    document = {"version": VERSION, "status": ended.status, "elapsed_s": round(ended.elapsed_s, 3)}
    failures = [dict(failure) for failure in ended.failures]
    details = {name: value for name, value in asdict(ended)["summary"].items() if name != "services"}
    return {
        **document,
        "verb": ended.verb,
        **details,
        "failures": failures,
        **_without_version(status_document(snapshot)),
    }


def _without_version(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name in {"stack", "state", "services"}}


def _up_line(ended: OperationEnded, snapshot: Snapshot, elapsed: str) -> str:
    steps = steps_of(ended)
    changed = [step for step in steps if step["action"] != "keep"]
    wanted = _names(ended.summary.get("services"))
    if not changed:
        return f"everything runs already: {_count(len(wanted), 'service')} ready ({elapsed})"
    failed = [name for name in wanted if name in snapshot.services and snapshot.services[name].state is State.FAILED]
    degraded = f", degraded without {', '.join(failed)}" if failed else ""
    return f"ready in {elapsed}: {_count(len(wanted) - len(failed), 'service')}{degraded}"


def _names(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else []
