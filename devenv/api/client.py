"""The command line's side of the API: plain HTTP over the stack's socket.

Synchronous, standard library only and without `http.client`, whose e-mail parser costs 15 ms: it is on the path of
`devenv status`. Must not know what the answers mean. Invariant: every call has a deadline, except a stream of events,
which ends with the daemon; an answer that was cut short is never taken for a whole one.
"""

import json
import socket
from collections.abc import Iterator, Mapping
from io import BufferedReader
from typing import Any

from devenv.domain.errors import DaemonUnreachable, from_fields

TIMEOUT_S = 30.0
_LONGEST_LINE = 1 << 16


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
        return _read(self._send("GET", route, None, TIMEOUT_S))

    def post(self, route: str, body: Mapping[str, Any], *, timeout_s: float = TIMEOUT_S) -> Any:
        """Return the answer of a POST, decoded."""
        return _read(self._send("POST", route, body, timeout_s))

    def stream(self, method: str, route: str, body: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Ask now; yield the JSON lines of the answer as they come.

        Raises DaemonUnreachable at once where it does not answer, and while yielding where the daemon dies meanwhile.
        """
        return _iterate(self._send(method, route, body, None))

    def _send(self, method: str, route: str, body: Mapping[str, Any] | None, timeout_s: float | None) -> "_Response":
        payload = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {route} HTTP/1.1\r\nHost: devenv\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            line.settimeout(timeout_s)
            line.connect(self._path)
            line.sendall(head.encode("ascii") + payload)
            response = _Response(line)
        except (OSError, ValueError) as error:
            line.close()
            raise _lost(error) from None
        if response.status >= 400:
            raise from_fields(_read(response))
        return response


class _Response:
    """One answer, its head read. Raises OSError or ValueError where it is none."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._input: BufferedReader = line.makefile("rb")
        words = self._read_line().split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            raise ConnectionError("it ended the connection without an answer")
        self.status = int(words[1])
        self._headers: dict[bytes, bytes] = {}
        while field := self._read_line():
            name, _, value = field.partition(b":")
            self._headers[name.strip().lower()] = value.strip()

    def __enter__(self) -> "_Response":
        return self

    def __exit__(self, *_: object) -> None:
        self._input.close()
        self._line.close()

    def blocks(self) -> Iterator[bytes]:
        """Yield the body as it comes; raises ConnectionError where it ends before its end."""
        if self._headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            while length := int(self._read_line().partition(b";")[0] or b"-1", 16):
                yield self._read_exactly(length)
                self._read_line()
        elif b"content-length" in self._headers:
            yield self._read_exactly(int(self._headers[b"content-length"]))
        else:
            while block := self._input.read1():
                yield block

    def _read_line(self) -> bytes:
        return self._input.readline(_LONGEST_LINE).rstrip(b"\r\n")

    def _read_exactly(self, length: int) -> bytes:
        found = self._input.read(length) if length >= 0 else b""
        if len(found) != length:
            raise ConnectionError("it ended in the middle of its answer")
        return found


def _iterate(response: _Response) -> Iterator[dict[str, Any]]:
    with response:
        rest = b""
        try:
            for block in response.blocks():
                *lines, rest = (rest + block).split(b"\n")
                yield from map(json.loads, lines)
        except (OSError, ValueError) as error:
            raise _lost(error) from None


def _read(response: _Response) -> Any:
    """Return the decoded body of an answer."""
    with response:
        try:
            return json.loads(b"".join(response.blocks()))
        except (OSError, ValueError) as error:
            raise _lost(error) from None


def _lost(error: Exception) -> DaemonUnreachable:
    return DaemonUnreachable(
        "cannot reach the stack's daemon",
        why=f"{type(error).__name__}: {error}",
        fix="devenv status",
    )
