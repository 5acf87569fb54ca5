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
_BLOCK = 65536


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
    """Calls the daemon behind the socket at `path`; `log` is where it says why it died, if the caller knows."""

    def __init__(self, path: str, *, log: str = "") -> None:
        self._path = path
        self._log = log

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
        """Ask now; yield the JSON lines of the answer as they come.

        Raises DaemonUnreachable at once where it does not answer, and while yielding where the daemon dies meanwhile.
        """
        return self._iterate(self._send(method, route, body, None))

    def _send(self, method: str, route: str, body: Mapping[str, Any] | None, timeout_s: float | None) -> "_Exchange":
        connection = _UnixConnection(self._path, timeout_s)
        payload = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Connection": "close"}
        try:
            connection.request(method, route, payload, headers)
            exchange = _Exchange(connection, connection.getresponse())
        except (OSError, HTTPException) as error:
            connection.close()
            raise self._lost(error) from None
        if exchange.response.status >= 400:
            raise from_fields(self._read(exchange))
        return exchange

    def _iterate(self, exchange: "_Exchange") -> Iterator[dict[str, Any]]:
        rest = b""
        with exchange:
            try:
                # Not `readline`: it takes an answer that was cut off for one that has ended.
                while block := exchange.response.read1(_BLOCK):
                    *lines, rest = (rest + block).split(b"\n")
                    yield from map(json.loads, lines)
            except (OSError, HTTPException, ValueError) as error:
                raise self._lost(error) from None

    def _read(self, exchange: "_Exchange") -> Any:
        with exchange:
            try:
                return json.loads(exchange.response.read())
            except (OSError, HTTPException, ValueError) as error:
                raise self._lost(error) from None

    def _lost(self, error: Exception) -> DaemonUnreachable:
        return DaemonUnreachable(
            "cannot reach the stack's daemon",
            why=f"{type(error).__name__}: {error}",
            fix=f"tail {self._log}" if self._log else "devenv status",
        )


class _Exchange:
    """One request's connection and its answer, to be closed together."""

    def __init__(self, connection: HTTPConnection, response: HTTPResponse) -> None:
        self._connection = connection
        self.response = response

    def __enter__(self) -> "_Exchange":
        return self

    def __exit__(self, *_: object) -> None:
        self.response.close()
        self._connection.close()
