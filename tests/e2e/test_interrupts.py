"""Ctrl-C, once and twice, SIGTERM, and a client that is killed: never an orphan, never a half state."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.daemon import Devenv
from tests.support.ports import is_bindable
from tests.support.wait import until


@contextmanager
def _up_under_way(project: Devenv, wanted: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Give an `up` that has come as far as `wanted`; it has ended when the `with` ends."""
    started = project.start("up")
    try:
        until(
            lambda: wanted.items() <= project.states().items(),
            deadline_s=15,
            what=f"services to be {wanted}",
            poll_s=0.05,
        )
        yield started
    finally:
        started.kill()
        started.communicate()


def _write_slow(project: Devenv, server: str, port: int, *, slow: str = "") -> None:
    project.write(f"""
        services:
          first: {{command: "{server} 0 {slow}", stop: {{grace: 20s}}}}
          slow: {{command: {server} {port} --delay 60, ports: [{port}], depends_on: [first]}}
    """)


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_stops_what_this_up_started(
    project: Devenv, server: str, free_port: int, signal_: signal.Signals
) -> None:
    """Once: gently, everything of this `up`, exit 130; what ran before stays."""
    _write_slow(project, server, free_port)
    text = (project.folder / "services.yaml").read_text()
    project.write(f"{text}  before: {{command: {server} 0}}\n")
    project.up("before")
    before = project.identities()["before"]
    with _up_under_way(project, {"first": "ready", "slow": "probing"}) as up:
        up.send_signal(signal_)
        _, err = up.communicate(timeout=10)
    assert up.returncode == 130, err
    assert project.states() == {"first": "stopped", "slow": "stopped", "before": "ready"}
    assert project.identities()["before"] == before
    assert is_bindable(free_port)


def test_second_interrupt_ends_at_once_what_ignores_the_first(project: Devenv, server: str, free_port: int) -> None:
    """A service that is deaf to TERM does not hold the user for its grace of 20 s."""
    _write_slow(project, server, free_port, slow="--ignore-term")
    with _up_under_way(project, {"first": "ready", "slow": "probing"}) as up:
        up.send_signal(signal.SIGINT)
        until(lambda: project.states()["first"] == "stopping", deadline_s=10, what="the gentle stop", poll_s=0.05)
        began = time.monotonic()
        up.send_signal(signal.SIGINT)
        _, err = up.communicate(timeout=15)
        assert time.monotonic() - began < 5
    assert up.returncode == 130, err
    _expect_no_service(project)


def test_first_interrupt_leaves_a_deaf_service_its_grace(project: Devenv, server: str, free_port: int) -> None:
    """The grace of the file is honoured: the hard signal comes after it, not before."""
    project.write(f"""
        services:
          deaf: {{command: {server} 0 --ignore-term, stop: {{grace: 1s}}}}
          slow: {{command: {server} {free_port} --delay 60, ports: [{free_port}]}}
    """)
    with _up_under_way(project, {"deaf": "ready", "slow": "probing"}) as up:
        began = time.monotonic()
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=15)
        assert 1.0 <= time.monotonic() - began < 5
    assert up.returncode == 130
    _expect_no_service(project)


def test_stack_comes_up_although_the_client_was_killed(project: Devenv, server: str, free_port: int) -> None:
    """Kill -9 of the command in mid-up: the daemon goes on; status tells the truth; the next `up` and `down` work."""
    project.write(f"""
        services:
          first: {{command: {server} 0}}
          slow: {{command: {server} {free_port} --delay 1, ports: [{free_port}], depends_on: [first]}}
    """)
    with _up_under_way(project, {"first": "ready", "slow": "probing"}) as up:
        up.kill()
        up.communicate()
    before = project.identities()
    until(lambda: set(project.states().values()) == {"ready"}, deadline_s=10, what="the stack to be ready", poll_s=0.05)
    project.up()
    assert project.identities() == before
    project.down()
    _expect_no_service(project)


def test_attach_stops_the_stack_when_interrupted(project: Devenv, server: str) -> None:
    """Ctrl-C after ready with --attach, as Compose does."""
    project.write(f"services: {{web: {{command: {server} 0 --say hello-there}}}}\n")
    up = project.start("up", "--attach")
    try:
        until(lambda: project.states() == {"web": "ready"}, deadline_s=15, what="ready", poll_s=0.05)
        assert up.stdout is not None
        line = ""
        while "hello-there" not in line:
            line = up.stdout.readline()
            assert line, "the log of the service is shown"
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=10)
        assert up.returncode == 130
    finally:
        up.kill()
        up.communicate()
    _expect_no_service(project)


def _expect_no_service(project: Devenv) -> None:
    left = project.left()
    assert not left, [str(one) for one in left]
