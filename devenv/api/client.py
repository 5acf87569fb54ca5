"""The command line's side of the API: plain HTTP over the stack's socket.

Synchronous and standard library only, because it is on the path of `devenv status`. Must not know what the answers
mean. Invariant: every call has a deadline, except a stream of events, which ends with the daemon.
"""

import json
import socket
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

from devenv.domain.errors import DaemonUnreachable, from_fields

TIMEOUT_S = 30.0


class _UnixConnection(HTTPConnection):
    """HTTP over a unix socket; `Host` is fixed, and the server checks it."""

    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("devenv", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client:
    """Calls the daemon behind the socket at `path`."""

    def __init__(self, path: str) -> None:
        self._path = path

    def is_there(self) -> bool:
        """Tell whether a daemon listens."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(2.0)
            try:
                probe.connect(self._path)
            except OSError:
                return False
        return True

    def get(self, route: str) -> Any:
        """Return the answer of a GET, decoded. Raises the error that the daemon answered, or DaemonUnreachable."""
        return self._read(self._send("GET", route, None, TIMEOUT_S))

    def post(self, route: str, body: Mapping[str, Any], *, timeout_s: float = TIMEOUT_S) -> Any:
        """Return the answer of a POST, decoded."""
        return self._read(self._send("POST", route, body, timeout_s))

    def stream(self, method: str, route: str, body: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Yield the JSON lines of an answer as they come. Raises DaemonUnreachable where the daemon dies meanwhile."""
        response = self._send(method, route, body, None)
        try:
            while line := response.readline():
                yield json.loads(line)
        except (OSError, HTTPException, ValueError) as error:
            raise _lost(error) from None
        finally:
            response.close()

    def _send(self, method: str, route: str, body: Mapping[str, Any] | None, timeout_s: float | None) -> HTTPResponse:
        connection = _UnixConnection(self._path, timeout_s)
        payload = None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, route, payload, {"content-type": "application/json"})
            response = connection.getresponse()
        except (OSError, HTTPException) as error:
            raise _lost(error) from None
        if response.status >= 400:
            raise from_fields(self._read(response))
        return response

    def _read(self, response: HTTPResponse) -> Any:
        try:
            with response:
                return json.loads(response.read())
        except (OSError, HTTPException, ValueError) as error:
            raise _lost(error) from None


def _lost(error: Exception) -> DaemonUnreachable:
    return DaemonUnreachable(
        "cannot reach the stack's daemon",
        why=f"{type(error).__name__}: {error}",
        fix="devenv status",
    )
