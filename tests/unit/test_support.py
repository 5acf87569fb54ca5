"""The tests' own support that is pure: waiting, ports, the guard of this very tier."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from tests.conftest import tier_of
from tests.support.unit_guard import guarded
from tests.support.wait import until, until_async

HERE = Path(__file__).parent


def test_until_returns_the_value_when_it_becomes_true() -> None:
    """The first true value is the result."""
    values = iter([0, "", "here"])
    assert until(lambda: next(values), deadline_s=1, what="a value", poll_s=0.001) == "here"


def test_until_says_what_was_awaited_when_the_deadline_passes() -> None:
    """A failure names the thing and what was last seen."""
    with pytest.raises(AssertionError, match=r"waited 0.02 s in vain for the moon; last seen: \[\]"):
        until(list, deadline_s=0.02, what="the moon", poll_s=0.005)


@pytest.mark.anyio
async def test_until_async_cancels_when_the_condition_hangs() -> None:
    """The deadline holds for a condition that never returns."""

    async def hang() -> bool:
        await anyio.sleep_forever()
        return True

    with pytest.raises(AssertionError, match="in vain for an answer"):
        await until_async(hang, deadline_s=0.02, what="an answer")


@pytest.mark.parametrize(
    ("path", "tier"),
    [
        (HERE / "test_x.py", "unit"),
        (HERE.parent / "e2e" / "deep" / "test_x.py", "e2e"),
        (HERE.parent / "conftest.py", ""),
        (Path("/elsewhere/unit/test_x.py"), ""),
    ],
)
def test_tier_is_the_first_folder_when_below_tests(path: Path, tier: str) -> None:
    """A tier is a folder."""
    assert tier_of(path) == tier


def test_tier_is_a_marker_when_collected(request: pytest.FixtureRequest) -> None:
    """Nobody writes the marker by hand."""
    assert request.node.get_closest_marker("unit") is not None


def _connect_somewhere() -> None:
    with socket.socket() as one:
        one.connect(("127.0.0.1", 9))


def _bind_somewhere() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))


@pytest.mark.parametrize(
    "breach",
    [
        pytest.param(_connect_somewhere, id="connect"),
        pytest.param(_bind_somewhere, id="bind"),
        pytest.param(lambda: socket.getaddrinfo("localhost", 80), id="resolve"),
        pytest.param(lambda: subprocess.run(["true"], check=True), id="subprocess"),
        pytest.param(lambda: os.system("true"), id="system"),
        pytest.param(lambda: time.sleep(0.06), id="sleep"),
    ],
)
def test_guard_refuses_when_a_unit_test_reaches_outside(breach: Callable[[], object]) -> None:
    """The breach itself raises."""
    with pytest.raises(pytest.fail.Exception, match="must not"), guarded():
        breach()


def test_guard_fails_at_the_end_when_the_breach_was_swallowed() -> None:
    """Code that catches everything does not hide it."""

    def swallow() -> None:
        with suppress(BaseException):
            time.sleep(0.06)

    with pytest.raises(pytest.fail.Exception, match=r"did what unit tests must not: time.sleep\(0.06\)"), guarded():
        swallow()


def test_guard_lets_the_event_loop_be_when_it_makes_its_socket_pair() -> None:
    """An event loop works in a unit test."""
    assert asyncio.run(asyncio.sleep(0, result="ran")) == "ran"


def test_guard_lets_a_program_run_when_asked_for(real_subprocess: None) -> None:
    """The fixture opens that one door."""
    assert subprocess.run(["echo", "ran"], capture_output=True, check=True).stdout == b"ran\n"
