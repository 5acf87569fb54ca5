"""The tests' own support that touches the world: port holders, the engine, and that the leak check does find leaks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import conftest
from tests.support import images, processes
from tests.support.engine import Engine, connect
from tests.support.holders import Held, Holder, hold
from tests.support.ports import is_bindable
from tests.support.wait import until

ANSWERING = [Holder.HTTP, Holder.IGNORES_TERM, Holder.FORKS_AWAY, Holder.RESPAWNED, Holder.IPV6_ONLY]
SILENT = [Holder.NEVER_ACCEPTS, Holder.NEVER_READS, Holder.NEVER_ANSWERS]


def _ask(held: Held, *, timeout_s: float) -> bytes:
    host = "::1" if held.holder is Holder.IPV6_ONLY else "127.0.0.1"
    with socket.create_connection((host, held.port), timeout=timeout_s) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        return connection.makefile("rb").read()


@pytest.mark.parametrize("holder", Holder)
def test_holder_frees_the_port_when_the_with_ends(holder: Holder, free_port: int) -> None:
    """Held within, free and without a process afterwards."""
    with hold(holder, free_port) as held:
        assert not is_bindable(free_port)
        who = {processes.identify(pid) for pid in (held.pid, held.parent_pid)} - {None}
        assert who
    assert is_bindable(free_port)
    assert not [one for one in who if one and processes.is_alive(one)]


@pytest.mark.parametrize("holder", ANSWERING)
def test_holder_answers_http_when_asked(holder: Holder, free_port: int) -> None:
    """The answering kinds answer."""
    with hold(holder, free_port) as held:
        assert _ask(held, timeout_s=5).endswith(b"held\n")


@pytest.mark.parametrize("holder", SILENT)
def test_holder_stays_silent_when_asked(holder: Holder, free_port: int) -> None:
    """The hung kinds take the connection and say nothing."""
    with hold(holder, free_port) as held, pytest.raises(TimeoutError):
        _ask(held, timeout_s=0.2)


def test_holder_survives_term_when_it_ignores_it(free_port: int) -> None:
    """TERM changes nothing."""
    with hold(Holder.IGNORES_TERM, free_port) as held:
        os.kill(held.pid, signal.SIGTERM)
        assert _ask(held, timeout_s=5).endswith(b"held\n")


def test_holder_has_another_parent_and_session_when_it_forked_away(free_port: int) -> None:
    """Nothing in the process tree leads from the test to it."""
    with hold(Holder.FORKS_AWAY, free_port) as held:
        assert os.getsid(held.pid) not in {os.getsid(0), held.parent_pid}
        assert held.pid != held.parent_pid


def test_holder_comes_back_when_it_is_respawned(free_port: int) -> None:
    """A killed child has a successor with another pid."""
    with hold(Holder.RESPAWNED, free_port) as held:
        first = processes.identify(held.pid)
        assert first
        processes.end(first)
        until(lambda: not is_bindable(free_port), deadline_s=5, what="the next child")


def test_holder_has_the_working_directory_and_environment_when_given(free_port: int, tmp_path: Path) -> None:
    """What devenv judges a leftover by can be set."""
    with hold(Holder.HTTP, free_port, cwd=tmp_path, env={"DEVENV_STACK": "dvt-word"}) as held:
        assert Path(f"/proc/{held.pid}/cwd").resolve() == tmp_path.resolve()
        assert held.pid in {who.pid for who in processes.list_carrying("DEVENV_STACK=dvt-word")}


def test_holder_ends_when_the_test_run_is_killed(free_port: int) -> None:
    """A kill -9 of the test process leaves no holder, not even one that forked away."""
    code = (
        f"import time\nfrom tests.support.holders import Holder, hold\n"
        f"with hold(Holder.FORKS_AWAY, {free_port}):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=conftest.HERE.parent) as run:
        assert run.stdout
        assert run.stdout.readline() == b"held\n"
        run.kill()
    until(lambda: is_bindable(free_port), deadline_s=5, what=f"port {free_port} to be free")


def test_ports_differ_when_taken_one_by_one(free_ports: Callable[[int], list[int]]) -> None:
    """A port is given out once."""
    taken = [*free_ports(5), *free_ports(5)]
    assert len(set(taken)) == 10
    assert max(taken) < 32768


def test_leak_check_names_the_process_when_one_is_left() -> None:
    """A process that a test leaves is seen, named, and can be ended."""
    before = conftest._look(None)
    with subprocess.Popen(["sleep", "60"]) as left:
        with pytest.raises(pytest.fail.Exception, match=rf"a test left behind[^\n]*\n  pid {left.pid} \(sleep 60\)"):
            conftest._fail_if_left(None, before, "a test")
        assert left.wait(5) == -signal.SIGKILL


def test_leak_check_names_containers_networks_and_volumes_when_left(
    engine: Engine, unique_name: str, tmp_path: Path
) -> None:
    """All three kinds of a Compose project are seen, named and removed."""
    file = tmp_path / "compose.yaml"
    file.write_text(
        f"services: {{one: {{image: {images.BUSYBOX}, volumes: ['data:/data']}}}}\nvolumes: {{data: {{}}}}\n"
    )
    before = conftest._look(engine)
    engine.run_compose(unique_name, file, "create")
    with pytest.raises(pytest.fail.Exception) as failure:
        conftest._fail_if_left(engine, before, "a test")
    for kind in ("container", "network", "volume"):
        assert f"{kind} {unique_name}" in str(failure.value)
    assert not engine.list_resources(unique_name)


def test_image_reports_healthy_when_it_has_a_health_check(engine: Engine, unique_name: str) -> None:
    """fixture/web:health turns healthy by itself."""
    engine.run_docker("run", "-d", "--name", unique_name, images.WEB_HEALTH)
    try:
        state = ("inspect", "-f", "{{.State.Health.Status}}", unique_name)
        until(lambda: engine.run_docker(*state) == "healthy", deadline_s=10, what="healthy", poll_s=0.1)
    finally:
        engine.run_docker("rm", "-f", unique_name)


def test_engine_is_missed_with_a_way_out_when_none_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The failure says what to run."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    with pytest.raises(Exception, match="make test"):
        connect()
