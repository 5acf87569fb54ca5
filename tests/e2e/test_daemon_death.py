"""The daemon may die at any time: services run on, the next command adopts them, and `down` leaves nothing."""

from __future__ import annotations

import json
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from urllib.request import urlopen

import pytest

from tests.support.daemon import Devenv
from tests.support.engine import Engine
from tests.support.ports import is_bindable
from tests.support.processes import command_line_of
from tests.support.wait import until

MOMENTS_S = [round(0.05 + 0.12 * step, 2) for step in range(12)]  # spread over an `up` of about 1.2 s


@pytest.fixture
def ports(project: Devenv, server: str, free_ports: Callable[[int], list[int]]) -> list[int]:
    """Return the ports of a chain of three servers and a task, written but not started."""
    first, second, third = ports = free_ports(3)
    project.write(f"""
        services:
          first: {{command: {server} {first} --delay 0.1, ports: [{first}]}}
          job: {{task: sleep 0.1, depends_on: [first]}}
          second: {{command: {server} {second} --delay 0.1, ports: [{second}], depends_on: [job]}}
          third: {{command: {server} {third} --depth 1, ports: [{third}], depends_on: [second]}}
    """)
    return ports


@pytest.mark.parametrize("moment_s", MOMENTS_S)
def test_next_up_is_right_when_the_daemon_was_killed_during_up(
    project: Devenv, ports: list[int], moment_s: float
) -> None:
    """Whatever it had come to: each service runs once afterwards, is ready, and `down` leaves nothing."""
    up = project.start("up")
    try:
        time.sleep(moment_s + random.uniform(0, 0.1))
        project.kill_daemon()
        up.communicate(timeout=20)
    finally:
        up.kill()
        up.communicate()
    project.up()
    assert project.states() == {"first": "ready", "job": "completed", "second": "ready", "third": "ready"}
    assert all(_answers(port) for port in ports)
    assert _count_servers(project) == 4
    _expect_clean_down(project, ports)


def test_services_run_on_and_are_adopted_when_the_daemon_is_killed(project: Devenv, ports: list[int]) -> None:
    """Same pids, same states, from the next `status` on; the next `up` keeps all."""
    project.up()
    before = project.identities()
    project.kill_daemon()
    assert all(_answers(port) for port in ports)
    assert project.identities() == before
    until(lambda: project.status()["state"] == "ready", deadline_s=5, what="ready after adoption", poll_s=0.05)
    assert project.states()["job"] == "completed"
    project.kill_daemon()
    project.up()
    assert {name: who for name, who in project.identities().items() if name != "job"} == {
        name: who for name, who in before.items() if name != "job"
    }
    _expect_clean_down(project, ports)


@pytest.mark.parametrize("moment_s", [0.0, 0.15, 0.3, 0.6])
def test_next_down_is_right_when_the_daemon_was_killed_during_down(
    project: Devenv, ports: list[int], moment_s: float
) -> None:
    """The rest goes with the next `down`."""
    project.up()
    down = project.start("down")
    try:
        time.sleep(moment_s)
        project.kill_daemon()
        down.communicate(timeout=20)
    finally:
        down.kill()
        down.communicate()
    _expect_clean_down(project, ports)


def test_containers_are_adopted_when_the_daemon_is_killed(project: Devenv, engine: Engine, free_port: int) -> None:
    """The same container; its end is noticed by the new daemon; `down` removes it."""
    _write_container(project, free_port)
    project.up()
    before = project.identities()
    project.kill_daemon()
    assert project.identities() == before
    engine.run_docker("kill", str(before["web"]))
    until(lambda: project.states()["web"] in {"failed", "stopped"}, deadline_s=5, what="the end to be seen")
    project.up()
    assert project.states() == {"web": "ready"}
    project.kill_daemon()
    project.down()
    assert engine.list_resources(project.name) == set()


@pytest.mark.parametrize("moment_s", [0.3, 0.6, 0.9])
def test_containers_are_right_when_the_daemon_was_killed_during_up(
    project: Devenv, engine: Engine, free_port: int, moment_s: float
) -> None:
    """Between the creation and the start of a container too."""
    _write_container(project, free_port)
    up = project.start("up")
    try:
        time.sleep(moment_s)
        project.kill_daemon()
        up.communicate(timeout=20)
    finally:
        up.kill()
        up.communicate()
    project.up()
    assert project.states() == {"web": "ready"}
    project.kill_daemon()
    project.down()
    assert engine.list_resources(project.name) == set()


@pytest.mark.parametrize("text", ["", '{"version": 1, "services": {"first": {"vie', '{"services": 3}'])
def test_broken_record_is_harmless(project: Devenv, ports: list[int], text: str) -> None:
    """Half-written or nonsense: what runs is found by its marks, nothing runs twice, and `down` ends it."""
    project.up()
    project.kill_daemon()
    project.record().write_text(text)
    project.up()
    assert _count_servers(project) == 4
    _expect_clean_down(project, ports)


def test_missing_record_is_harmless(project: Devenv, ports: list[int]) -> None:
    """As after a clean-up of the state folder."""
    project.up()
    project.kill_daemon()
    project.record().unlink()
    project.up()
    assert _count_servers(project) == 4
    _expect_clean_down(project, ports)


def test_record_of_another_boot_ends_nobody(project: Devenv, ports: list[int]) -> None:
    """After a reboot the pids of the record belong to strangers: none is adopted, none is ended."""
    project.up()
    record = json.loads(project.record().read_text())
    project.down()
    with subprocess.Popen(["sleep", "100"]) as stranger:
        try:
            _name_everywhere(record, stranger.pid)
            record["boot"] = "another-boot"
            project.record_folder().joinpath("record.json").write_text(json.dumps(record))
            assert set(project.states().values()) <= {"stopped", "completed"}
            project.up()
            _expect_clean_down(project, ports)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_recycled_pid_is_not_taken_for_the_service(project: Devenv, ports: list[int]) -> None:
    """Same boot, a pid that now belongs to a stranger: start times tell."""
    project.up()
    record = json.loads(project.record().read_text())
    project.down()
    with subprocess.Popen(["sleep", "100"]) as stranger:
        try:
            _name_everywhere(record, stranger.pid)
            project.record_folder().joinpath("record.json").write_text(json.dumps(record))
            assert set(project.states().values()) <= {"stopped", "completed"}
            project.down()
            project.up()
            _expect_clean_down(project, ports)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_stale_socket_is_replaced(project: Devenv, ports: list[int]) -> None:
    """A socket file that nobody listens on, and one that was never a socket of devenv."""
    project.up()
    path = project.sockets()[0]
    project.kill_daemon()
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    assert set(project.states().values()) <= {"ready", "completed", "probing"}
    _expect_clean_down(project, ports)
    assert project.sockets() == []


def test_services_run_on_when_the_daemon_is_ended_gently(project: Devenv, ports: list[int]) -> None:
    """SIGTERM to the daemon is no `down`."""
    project.up()
    before = project.identities()
    project.kill_daemon(signal.SIGTERM)
    assert all(_answers(port) for port in ports)
    assert project.identities() == before
    _expect_clean_down(project, ports)


def _expect_clean_down(project: Devenv, ports: list[int]) -> None:
    project.down()
    left = {one for one in project.processes() if "devenv" not in command_line_of(one)}
    assert not left, [str(one) for one in left]
    assert [port for port in ports if not is_bindable(port)] == []
    until(lambda: not project.daemons(), deadline_s=5, what="the end of the daemon", poll_s=0.05)


def _count_servers(project: Devenv) -> int:
    commands = [command_line_of(one) for one in project.processes()]
    return sum("servers.py" in command and not command.startswith("/bin/sh") for command in commands)


def _answers(port: int) -> bool:
    with urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        return bool(answer.status == 200)


def _write_container(project: Devenv, port: int) -> None:
    project.write(
        f"""
        name: {project.name}
        services:
          web:
            image: fixture/busybox
            ports: ["127.0.0.1:{port}:80"]
        """,
        "compose.yaml",
    )


def _name_everywhere(record: dict[str, object], pid: int) -> None:
    """Put `pid` in place of every pid of a record, start times unchanged."""

    def walk(node: object) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "pid" and isinstance(value, int):
                    node[key] = pid
                else:
                    walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(record)
