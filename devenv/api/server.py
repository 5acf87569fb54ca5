"""The daemon's side of the API: routes over a supervisor.

Thin: decode, call, encode. Must not decide anything about services. Invariant: a request whose Host is not the
socket's own is refused, so that no web page can reach the API through a forwarded port.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from devenv import __version__
from devenv.api.wire import VERSION, decode_reading, decode_up, encode_event, encode_snapshot, status_document
from devenv.app.requests import DownRequest, PruneRequest
from devenv.app.supervisor import Operation, Supervisor
from devenv.domain.errors import DevenvError, UsageError, to_fields
from devenv.domain.events import Numbered, OperationEnded

HOSTS = frozenset({"devenv"})


def make_app(supervisor: Supervisor, *, first: Operation | None = None) -> Starlette:
    """Return the application that serves `supervisor`; `first` was begun before there was one."""
    routes = _Routes(supervisor, first)
    table = [
        Route("/v1/version", routes.version),
        Route("/v1/status", routes.status),
        Route("/v1/events", routes.events),
        Route("/v1/up", routes.up, methods=["POST"]),
        Route("/v1/first", routes.first, methods=["POST"]),
        Route("/v1/down", routes.down, methods=["POST"]),
        Route("/v1/prune", routes.prune, methods=["POST"]),
        Route("/v1/cancel", routes.cancel, methods=["POST"]),
        Route("/v1/environment", routes.environment, methods=["POST"]),
    ]
    return Starlette(routes=table, exception_handlers={DevenvError: _answer_error})


class _Routes:
    """The handlers, one a row of the table."""

    def __init__(self, supervisor: Supervisor, first: Operation | None) -> None:
        self._supervisor = supervisor
        self._first = first

    async def version(self, request: Request) -> Response:
        """Answer who we are."""
        _check_host(request)
        return JSONResponse({"version": VERSION, "devenv": __version__})

    async def status(self, request: Request) -> Response:
        """Answer the documented status."""
        _check_host(request)
        return JSONResponse(status_document(self._supervisor.snapshot()))

    async def events(self, request: Request) -> Response:
        """Stream events for ever: first a snapshot, then what is numbered above it (or above `after`)."""
        _check_host(request)
        snapshot = self._supervisor.snapshot()
        after = int(request.query_params.get("after", snapshot.seq))

        async def lines() -> AsyncIterator[str]:
            yield _line({"kind": "snapshot", **encode_snapshot(snapshot)})
            async for numbered in self._supervisor.bus.subscribe(after):
                yield _line(encode_event(numbered))

        return StreamingResponse(lines(), media_type="application/jsonl")

    async def up(self, request: Request) -> Response:
        """Begin an `up` and stream its events to its end."""
        body = await _read(request)
        return self._follow(self._supervisor.begin_up(decode_up(body)))

    async def first(self, request: Request) -> Response:
        """Stream the events of the `up` that this daemon was started for, from its beginning to its end."""
        await _read(request)
        if self._first is None:
            raise UsageError("cannot follow the first `up`", why="this daemon was not started for one", fix="devenv up")
        return self._follow(self._first)

    async def down(self, request: Request) -> Response:
        """Begin a `down` or `stop` and stream its events to its end."""
        body = await _read(request)
        asked = DownRequest(**{**body, "services": tuple(body.get("services", ()))})
        return self._follow(self._supervisor.begin_down(asked))

    async def prune(self, request: Request) -> Response:
        """Begin a `prune` and stream its events to its end."""
        body = await _read(request)
        asked = PruneRequest(**{**body, "reading": decode_reading(body["reading"])})
        return self._follow(self._supervisor.begin_prune(asked))

    async def cancel(self, request: Request) -> Response:
        """End an operation early."""
        body = await _read(request)
        self._supervisor.cancel(str(body["operation"]), now=bool(body.get("now")))
        return JSONResponse({})

    async def environment(self, request: Request) -> Response:
        """Answer the environment of a service's processes, and where they run."""
        body = await _read(request)
        return JSONResponse(await self._supervisor.describe_place(body.get("service"), decode_reading(body["reading"])))

    def _follow(self, operation: Operation) -> Response:
        async def lines() -> AsyncIterator[str]:
            yield _line({"kind": "hello", "operation": operation.id, **encode_snapshot(operation.before)})
            async for numbered in self._supervisor.bus.subscribe(operation.before.seq):
                yield _line(encode_event(numbered))
                if _ends(numbered, operation):
                    return

        return StreamingResponse(lines(), media_type="application/jsonl")


def _ends(numbered: Numbered, operation: Operation) -> bool:
    return isinstance(numbered.event, OperationEnded) and numbered.event.operation == operation.id


def _line(data: dict[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":")) + "\n"


async def _read(request: Request) -> dict[str, Any]:
    _check_host(request)
    body = await request.json()
    if not isinstance(body, dict):
        raise UsageError("cannot read the request", why="its body is not a JSON object")
    return body


def _check_host(request: Request) -> None:
    if request.headers.get("host") not in HOSTS:
        raise UsageError("cannot answer this request", why="its Host is not this socket's")


async def _answer_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, DevenvError)
    return JSONResponse(to_fields(error), status_code=400)
