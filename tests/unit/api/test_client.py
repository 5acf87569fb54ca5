"""The client's half of the wire: whole answers, answers in pieces, and answers that never end."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devenv.api.client import Client
from devenv.domain.errors import DaemonUnreachable, UsageError, to_fields


class OneAnswer:
    """Answers one request with the bytes it is given, then hangs up."""

    def __init__(self, path: Path, answer: bytes) -> None:
        self.request = b""
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        line, _ = self._listener.accept()
        with line:
            while b"\r\n\r\n" not in self.request:
                self.request += line.recv(65536)
            head, _, body = self.request.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            while length and len(body) < int(length[1]):  # what is left unread would reset the connection
                body += line.recv(65536)
            line.sendall(self._answer)

    def close(self) -> None:
        self._thread.join(10)
        self._listener.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the socket is."""
    return tmp_path / "s"


@contextmanager
def ask(path: Path, answer: bytes) -> Iterator[Client]:
    """Give a client whose first call gets `answer`."""
    server = OneAnswer(path, answer)
    try:
        yield Client(str(path))
    finally:
        server.close()


def chunks(*texts: str, end: bool = True) -> bytes:
    """Return an answer in pieces, as uvicorn streams it."""
    body = b"".join(f"{len(text):x}\r\n{text}\r\n".encode() for text in texts)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + (b"0\r\n\r\n" if end else b"")


def test_get_returns_the_answer_when_it_has_a_length(path: Path) -> None:
    """A body with a length is decoded."""
    with ask(path, b'HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{"a":1}') as client:
        assert client.get("/v1/status") == {"a": 1}


def test_stream_yields_lines_when_they_come_in_other_pieces(path: Path) -> None:
    """A line that is spread over chunks is one line, and a chunk with two lines is two."""
    with ask(path, chunks('{"a"', ":1}\n", '{"a":2}\n{"a":3}\n')) as client:
        assert [line["a"] for line in client.stream("GET", "/v1/events")] == [1, 2, 3]


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", chunks("{}", end=False), b"nonsense\r\n\r\n"],
    ids=["nothing", "short", "no last chunk", "nonsense"],
)
def test_call_says_unreachable_when_the_answer_is_cut_short(path: Path, answer: bytes) -> None:
    """An answer that ends early is no answer."""
    with ask(path, answer) as client, pytest.raises(DaemonUnreachable):
        client.get("/v1/status")


def test_stream_says_unreachable_when_the_daemon_dies(path: Path) -> None:
    """What came before is handed out, then the loss is said."""
    with ask(path, chunks('{"a":1}\n', end=False)) as client:
        lines = client.stream("GET", "/v1/events")
        assert next(lines) == {"a": 1}
        with pytest.raises(DaemonUnreachable):
            next(lines)


def test_call_raises_the_daemons_error_when_it_refuses(path: Path) -> None:
    """The error that the daemon sends comes out as the class that it was."""
    body = json.dumps(to_fields(UsageError("cannot do this", why="so", fix="that"))).encode()
    head = f"HTTP/1.1 400 Bad Request\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    with ask(path, head + body) as client, pytest.raises(UsageError, match="cannot do this"):
        client.post("/v1/up", {})


def test_call_says_unreachable_when_nobody_listens(path: Path) -> None:
    """A stale socket is no daemon."""
    assert not Client(str(path)).is_there()
    with pytest.raises(DaemonUnreachable):
        Client(str(path)).get("/v1/status")
