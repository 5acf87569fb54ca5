"""`devenv status`: the one command that is typed all day.

Standard library only, and no table library without a terminal. Must not start a daemon unless one crashed and left
services running. Invariant: the JSON is the daemon's document, unchanged.
"""

import json
from typing import Any

from devenv.cli.output import format_table, print_data
from devenv.cli.session import Session
from devenv.domain.errors import DaemonUnreachable

EMPTY: dict[str, Any] = {"version": 1, "stack": "", "state": "stopped", "services": []}


def show_status(session: Session, *, as_json: bool) -> int:
    """Print the state of every service; return the exit status."""
    document = _ask(session)
    if as_json:
        print_data(json.dumps(document))
        return 0
    if not document["services"]:
        print_data("nothing is running (`devenv up` starts the stack)")
        return 0
    print_data(f"{document['stack']}: {document['state']}")
    header = ("SERVICE", "RUN", "STATE", "URL", "PID", "RESTARTS", "DETAIL")
    print_data(format_table(header, [_row(service) for service in document["services"]]))
    return 0


def _ask(session: Session) -> dict[str, Any]:
    """Return the daemon's document."""
    client = session.client()
    try:
        found: dict[str, Any] = EMPTY if client is None else client.get("/v1/status")
    except DaemonUnreachable:
        # One that ends with its stack still listens for a moment; a daemon that is broken says so the second time.
        client = session.client()
        found = EMPTY if client is None else client.get("/v1/status")
    return found


def _row(service: dict[str, Any]) -> tuple[str, ...]:
    who = str(service["pid"] or service["container"] or "")
    return (
        service["name"],
        service["run"],
        service["state"],
        service["url"],
        who,
        str(service["restarts"]),
        service["detail"] or _UNCHECKED.get(service.get("schema", ""), ""),
    )


_UNCHECKED = {"unknown": "database not checked: devenv check", "drift": "database differs: devenv check"}
"""What a service that is ready may still hide; `schema` of the daemon of an older devenv is not there."""
