"""Following an operation: its events in order, and a Ctrl-C that is never lost."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from devenv.api.client import Client
from devenv.cli.follow import follow_begun
from devenv.cli.views.plain import PlainView
from devenv.domain.errors import DaemonUnreachable

HELLO = {"kind": "hello", "operation": "up-1", "stack": "shop", "seq": 0, "services": []}
ENDED = {
    "kind": "ended", "seq": 1, "at": 0.0, "operation": "up-1", "verb": "up", "status": 130, "elapsed_s": 0.1,
    "failures": [], "summary": {},
}  # fmt: skip


class Listening(Client):
    """A client that notes what is posted, and says when."""

    def __init__(self) -> None:
        super().__init__("/nowhere")
        self.posted: list[Mapping[str, Any]] = []
        self.told = threading.Event()

    def post(self, route: str, body: Mapping[str, Any], *, timeout_s: float = 0.0) -> Any:
        """Note the call."""
        self.posted.append({"route": route, **body})
        self.told.set()
        return {}


@pytest.mark.parametrize("presses", [1, 2])
def test_operation_is_cancelled_when_ctrl_c_comes_before_it_is_known(presses: int) -> None:
    """A press while the daemon is still starting counts as soon as the operation has a name."""
    client = Listening()

    def stream() -> Iterator[dict[str, Any]]:
        yield HELLO
        assert client.told.wait(5)
        yield ENDED

    def begin() -> tuple[Client, Iterator[dict[str, Any]]]:
        for _ in range(presses):
            os.kill(os.getpid(), signal.SIGINT)
        return client, stream()

    followed = follow_begun(begin, PlainView(quiet=True))
    assert followed.ended.status == 130
    assert client.posted == [{"route": "/v1/cancel", "operation": "up-1", "now": presses > 1}]


def test_follow_says_unreachable_when_the_stream_ends_before_the_operation() -> None:
    """A daemon that goes away without an end is not a success."""
    with pytest.raises(DaemonUnreachable):
        follow_begun(lambda: (Listening(), iter([HELLO])), PlainView(quiet=True))
