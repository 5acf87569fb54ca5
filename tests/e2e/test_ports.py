"""Held ports: whose each holder is, what happens to it, and what the user is told or asked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import MakeProject
from tests.e2e.terminals import run_in_terminal
from tests.support.daemon import Devenv
from tests.support.engine import Engine
from tests.support.holders import Holder, hold
from tests.support.ports import is_bindable
from tests.support.processes import identify, is_alive


def _write_web(project: Devenv, server: str, port: int, *, more: str = "", ports: str = "") -> None:
    project.write(f"""
        services:
          web:
            command: {server} ${{web.port}}
            ports: [{ports or port}]
            ready: {{http: /, timeout: 10s}}
        {more}
    """)


def _pid_is_alive(pid: int) -> bool:
    return identify(pid) is not None


@pytest.mark.parametrize("kind", [Holder.HTTP, Holder.FORKS_AWAY, Holder.IPV6_ONLY])
def test_leftover_of_the_project_is_stopped_at_once(project: Devenv, server: str, free_port: int, kind: Holder) -> None:
    """The user's own process with its folder inside the project goes without a question, and is named."""
    _write_web(project, server, free_port)
    with hold(kind, free_port, cwd=project.folder) as held:
        done = project.up()
        assert str(held.pid) in done.err
        assert not _pid_is_alive(held.pid)
    assert project.states() == {"web": "ready"}


def test_strangers_are_refused_in_one_answer(
    project: Devenv, server: str, free_ports: Callable[[int], list[int]], tmp_path: Path
) -> None:
    """Exit 4 with every conflict, who holds it and the exact command; nobody was stopped, nothing was started."""
    first, second, free = free_ports(3)
    project.write(f"""
        services:
          one: {{command: {server} {first}, ports: [{first}]}}
          two: {{command: {server} {second}, ports: [{second}]}}
          free: {{command: {server} {free}, ports: [{free}]}}
    """)
    with hold(Holder.HTTP, first, cwd=tmp_path) as a, hold(Holder.IPV6_ONLY, second, cwd=tmp_path) as b:
        done = project.up(expect=4)
        for held in (a, b):
            assert f"pid {held.pid}" in done.err
            assert str(held.port) in done.err
            assert f"kill {held.pid}" in done.err
            assert _pid_is_alive(held.pid)
        assert str(tmp_path) in done.err
        assert "devenv up --free-ports" in done.err
        assert is_bindable(free)
        document = project.run("up", "--json").json()
        assert document["status"] == 4
        assert [failure["code"] for failure in document["failures"]] == ["port-held"]


def test_stranger_is_stopped_with_free_ports(project: Devenv, server: str, free_port: int, tmp_path: Path) -> None:
    """Consent on the command line."""
    _write_web(project, server, free_port)
    with hold(Holder.FORKS_AWAY, free_port, cwd=tmp_path) as held:
        project.up("--free-ports")
        assert not _pid_is_alive(held.pid)
    assert project.states() == {"web": "ready"}


def test_hung_holder_is_said_to_be_hung(project: Devenv, server: str, free_port: int, tmp_path: Path) -> None:
    """It accepts connections and never answers."""
    _write_web(project, server, free_port)
    with hold(Holder.NEVER_ACCEPTS, free_port, cwd=tmp_path):
        assert "hung" in project.up(expect=4).err


def test_respawned_holder_names_its_parent(project: Devenv, server: str, free_port: int, tmp_path: Path) -> None:
    """Stopping it does not help where it is back before the service listens: whoever starts it again is said."""
    _write_web(project, f"{server} --delay 1", free_port)
    with hold(Holder.RESPAWNED, free_port, cwd=tmp_path) as held:
        done = project.up("--free-ports", expect=4, deadline_s=40)
        assert f"pid {held.parent_pid}" in done.err
        assert "again" in done.err


def test_container_is_named_and_stopped_with_consent_only(
    project: Devenv, server: str, free_port: int, engine: Engine, unique_name: str
) -> None:
    """The container behind Docker's proxy and its Compose project are named; it is stopped, not removed."""
    other = f"{unique_name}o"
    file = project.write(
        f'services: {{web: {{image: fixture/busybox, ports: ["127.0.0.1:{free_port}:80"]}}}}', "other/compose.yaml"
    )
    engine.run_compose(other, file, "up", "-d")
    try:
        _write_web(project, server, free_port)
        done = project.up(expect=4)
        assert f"{other}-web-1" in done.err
        assert f"Compose project {other}" in done.err
        assert f"docker stop {other}-web-1" in done.err
        assert engine.run_compose(other, file, "ps", "-q")
        project.up("--free-ports", deadline_s=40)
        assert not engine.run_compose(other, file, "ps", "-q")
        assert engine.run_compose(other, file, "ps", "-aq")
    finally:
        engine.run_compose(other, file, "down", "-t", "0")


def test_other_stack_is_named(project: Devenv, make_another: MakeProject, server: str, free_port: int) -> None:
    """The other devenv stack, its folder and service, and the command that ends it."""
    other = make_another("other", f"{project.name}o")
    _write_web(other, server, free_port)
    other.up()
    _write_web(project, server, free_port)
    done = project.up(expect=4)
    assert other.name in done.err
    assert "service web" in done.err
    assert f"devenv -f {other.folder}/services.yaml down" in done.err
    assert other.states() == {"web": "ready"}


def test_port_moves_and_dependents_learn_it_when_on_conflict_is_move(
    project: Devenv, server: str, free_port: int, tmp_path: Path
) -> None:
    """Announced, taken, and handed on as WEB_PORT and WEB_URL."""
    _write_web(
        project,
        server,
        free_port,
        ports=f"{{port: {free_port}, on_conflict: move}}",
        more="  reader: {task: 'echo $$WEB_PORT $$WEB_URL ${web.port} > seen', depends_on: [web]}",
    )
    with hold(Holder.HTTP, free_port, cwd=tmp_path) as held:
        done = project.up()
        port = project.services()["web"]["ports"][0]
        assert port != free_port
        assert f"from port {free_port} to {port}" in done.err
        assert (project.folder / "seen").read_text().split() == [str(port), f"http://127.0.0.1:{port}", str(port)]
        assert _pid_is_alive(held.pid)
        before = project.identities()
        project.up()
        assert project.identities()["web"] == before["web"], "a moved service keeps its port and its life"


def test_port_is_refused_even_with_consent_when_on_conflict_is_fail(
    project: Devenv, server: str, free_port: int, tmp_path: Path
) -> None:
    """`fail` is stronger than --free-ports."""
    _write_web(project, server, free_port, ports=f"{{port: {free_port}, on_conflict: fail}}")
    with hold(Holder.HTTP, free_port, cwd=tmp_path) as held:
        project.up("--free-ports", expect=4)
        assert _pid_is_alive(held.pid)


def test_stranger_is_stopped_when_on_conflict_is_free(
    project: Devenv, server: str, free_port: int, tmp_path: Path
) -> None:
    """The file may consent for good."""
    _write_web(project, server, free_port, ports=f"{{port: {free_port}, on_conflict: free}}")
    with hold(Holder.HTTP, free_port, cwd=tmp_path) as held:
        project.up()
        assert not _pid_is_alive(held.pid)


def test_our_own_ancestor_is_never_stopped(project: Devenv, server: str, free_port: int) -> None:
    """A holder that is above the devenv command survives, in the project's folder and with --free-ports."""
    _write_web(project, server, free_port)
    script = f"""
import socket, subprocess, sys
held = socket.create_server(("127.0.0.1", {free_port}))
done = subprocess.run([sys.executable, "-m", "devenv", "up", "--free-ports"], capture_output=True, text=True)
print(done.returncode, done.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=project.folder, env=project.environment(), capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("4 "), done.stdout + done.stderr
    assert "kill" not in done.stdout.split("fix:")[1]


def test_our_own_running_service_is_no_conflict(project: Devenv, server: str, free_port: int) -> None:
    """With the daemon killed, the service that runs on is known and kept."""
    _write_web(project, server, free_port)
    project.up()
    before = project.identities()
    project.kill_daemon()
    project.up()
    assert project.identities() == before


@pytest.mark.parametrize(("answer", "status"), [("1", 0), ("2", 0), ("3", 4), ("", 4)])
def test_prompt_settles_a_stranger_on_a_terminal(  # noqa: PLR0917
    project: Devenv, server: str, free_port: int, tmp_path: Path, answer: str, status: int
) -> None:
    """1 stops it, 2 takes another port, 3 and no answer give up."""
    _write_web(project, server, free_port)
    with hold(Holder.HTTP, free_port, cwd=tmp_path) as held:
        done = run_in_terminal(project, "up", answers=[("give up", f"{answer}\n")])
        assert done.status == status, done.screen
        assert f"pid {held.pid}" in done.screen
        assert _pid_is_alive(held.pid) == (answer != "1")
        if status == 0:
            port = project.services()["web"]["ports"][0]
            assert (port == free_port) == (answer == "1")


def test_port_taken_between_check_and_start_is_named(project: Devenv, server: str, free_port: int) -> None:
    """Somebody takes the port while a dependency starts: the service fails by name, soon, with the holder's pid."""
    project.write(f"""
        services:
          thief:
            task: "{sys.executable} -S {Path(__file__).with_name("thief.py")} {free_port} {project.folder}/thief.pid"
          web: {{command: "{server} {free_port}", ports: [{free_port}], depends_on: [thief]}}
    """)
    try:
        done = project.up(expect=4)
        thief = int((project.folder / "thief.pid").read_text())
        assert done.took_s < 15
        assert "web" in done.err
        assert f"pid {thief}" in done.err
    finally:
        thief = int((project.folder / "thief.pid").read_text())
        who = identify(thief)
        if who and is_alive(who):
            os.kill(thief, 9)
