"""Several commands at once, several checkouts at once, and hands that meddle: one truth remains."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.e2e.conftest import MakeProject
from tests.support.daemon import Devenv
from tests.support.engine import Engine
from tests.support.processes import command_line_of
from tests.support.wait import until


def _write_pair(project: Devenv, server: str, *, delay: str = "0") -> None:
    project.write(f"""
        services:
          api: {{command: {server} 0 --say api-is-here, ready: {{log: api-is-here}}}}
          web: {{command: "sleep {delay}; exec {server} 0", depends_on: [api], ready: {{exec: sleep {delay}}}}}
    """)


def _finish(*started: subprocess.Popen[str]) -> list[tuple[int, str]]:
    done = []
    for one in started:
        try:
            out, err = one.communicate(timeout=30)
        finally:
            one.kill()
            one.communicate()
        done.append((one.returncode, err + out))
    return done


def test_two_ups_at_once_make_one_stack(project: Devenv, server: str) -> None:
    """One works, the other follows it; both succeed, and every service runs once."""
    _write_pair(project, server, delay="0.3")
    done = _finish(project.start("up"), project.start("up"))
    assert [status for status, _ in done] == [0, 0], done
    assert project.states() == {"api": "ready", "web": "ready"}
    commands = [command_line_of(one) for one in project.processes()]
    assert sum("servers.py" in one and not one.startswith("/bin/sh") for one in commands) == 2
    assert len(project.daemons()) == 1


def test_down_ends_an_up_that_is_under_way(project: Devenv, server: str, free_port: int) -> None:
    """The `up` says why it ended; afterwards nothing is left."""
    project.write(f"services: {{slow: {{command: {server} {free_port} --delay 60, ports: [{free_port}]}}}}\n")
    up = project.start("up")
    until(lambda: project.states() == {"slow": "probing"}, deadline_s=15, what="the up to be under way", poll_s=0.05)
    down = project.down()
    assert down.took_s < 10
    [(status, text)] = _finish(up)
    assert status != 0
    assert "devenv down" in text
    assert "Traceback" not in text
    assert not project.left()


def test_up_during_down_waits_and_succeeds(project: Devenv, server: str) -> None:
    """The stack ends, and comes up anew."""
    project.write(f"services: {{slow: {{command: {server} 0 --slow-end 1, stop: {{grace: 5s}}}}}}\n")
    project.up()
    before = project.identities()
    down = project.start("down")
    until(lambda: project.states() == {"slow": "stopping"}, deadline_s=10, what="the down", poll_s=0.02)
    done = project.run("up")
    [(status, text)] = _finish(down)
    assert status == 0, text
    assert done.status == 0, str(done)
    assert project.states() == {"slow": "ready"}
    assert project.identities() != before


def test_many_commands_at_once_share_one_daemon(project: Devenv, server: str) -> None:
    """Six `up`s from nothing: one daemon, each service once, six times success."""
    _write_pair(project, server)
    done = _finish(*[project.start("up") for _ in range(6)])
    assert {status for status, _ in done} == {0}, done
    assert len(project.daemons()) == 1


def test_two_checkouts_of_one_project_run_side_by_side(
    project: Devenv, make_another: MakeProject, engine: Engine, free_ports: Callable[[int], list[int]]
) -> None:
    """Same name, other folder: other containers, networks, volumes, sockets; each `down` ends its own."""
    twin = make_another("checkout", project.name)
    twin.runtime = project.runtime
    for one, port in zip((project, twin), free_ports(2), strict=True):
        one.write(
            f"""
            name: {project.name}
            services:
              web:
                image: fixture/busybox
                ports: ["127.0.0.1:{port}:80"]
                volumes: [data:/data]
            volumes: {{data: {{}}}}
            """,
            "compose.yaml",
        )
        one.up()
    first, second = project.identities()["web"], twin.identities()["web"]
    assert first != second
    assert len(project.sockets()) == 2
    names = {str(one) for one in engine.list_resources(project.name)}
    assert sum(name.startswith("volume") for name in names) == 2, names
    assert sum(name.startswith("network") for name in names) == 2, names
    project.down("-v")
    assert twin.identities()["web"] == second
    assert twin.states() == {"web": "ready"}
    twin.down("-v")
    assert engine.list_resources(project.name) == set()


def test_stop_leaves_the_others_and_start_brings_it_back(project: Devenv, server: str) -> None:
    """`stop api` leaves who depends on it; `start api` starts it alone."""
    _write_pair(project, server)
    project.up()
    before = project.identities()
    assert project.run("stop", "api").status == 0
    assert project.states() == {"api": "stopped", "web": "ready"}
    assert project.run("start", "api").status == 0
    assert project.states() == {"api": "ready", "web": "ready"}
    after = project.identities()
    assert after["web"] == before["web"]
    assert after["api"] != before["api"]


def test_restart_makes_one_service_anew(project: Devenv, server: str) -> None:
    """`restart api` and nothing else; a service that is not there is a usage mistake."""
    _write_pair(project, server)
    project.up()
    before = project.identities()
    assert project.run("restart", "api").status == 0
    after = project.identities()
    assert after["web"] == before["web"]
    assert after["api"] != before["api"]
    assert project.run("restart", "nobody").status == 2
    assert project.identities() == after


def test_stopped_container_keeps_its_contents(project: Devenv, engine: Engine, free_port: int) -> None:
    """`stop` and `start` use the same container."""
    _write_container(project, free_port)
    project.up()
    container = str(project.identities()["web"])
    engine.run_docker("exec", container, "touch", "/kept")
    assert project.run("stop", "web").status == 0
    assert project.states() == {"web": "stopped"}
    assert project.run("start", "web").status == 0
    assert project.identities()["web"] == container
    engine.run_docker("exec", container, "test", "-e", "/kept")


def test_container_removed_by_hand_is_noticed_and_mended(project: Devenv, engine: Engine, free_port: int) -> None:
    """`docker rm -f`: the state changes at once; the next `up` makes a new one."""
    _write_container(project, free_port)
    project.up()
    engine.run_docker("rm", "-f", str(project.identities()["web"]))
    until(lambda: project.states()["web"] != "ready", deadline_s=5, what="the removal to be noticed", poll_s=0.05)
    project.up()
    assert project.states() == {"web": "ready"}


def test_process_killed_by_hand_comes_back(project: Devenv, server: str) -> None:
    """`restart: on-failure`: a new pid, and the restart is counted."""
    project.write(f"services: {{web: {{command: exec {server} 0, restart: on-failure}}}}\n")
    project.up()
    pid = project.services()["web"]["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: project.services()["web"]["restarts"] == 1, deadline_s=10, what="the restart", poll_s=0.05)
    until(lambda: project.states() == {"web": "ready"}, deadline_s=10, what="ready again", poll_s=0.05)
    assert project.services()["web"]["pid"] != pid


def test_process_killed_by_hand_stays_dead_without_a_restart_policy(project: Devenv, server: str) -> None:
    """It has failed, with the signal as its reason; the next `up` starts it."""
    project.write(f"services: {{web: {{command: exec {server} 0}}}}\n")
    project.up()
    os.kill(project.services()["web"]["pid"], signal.SIGKILL)
    until(lambda: project.states() == {"web": "failed"}, deadline_s=5, what="its end to be noticed", poll_s=0.05)
    assert "signal 9" in project.services()["web"]["detail"]
    project.up()
    assert project.states() == {"web": "ready"}


@pytest.mark.parametrize("change", ["removed", "renamed"])
def test_service_that_left_the_file_is_told_and_ended_by_down(project: Devenv, server: str, change: str) -> None:
    """It runs on, is named with the command that stops it, and `down` ends it too."""
    _write_pair(project, server)
    project.up()
    name = "other" if change == "renamed" else "api"
    project.write(f"services: {{{name}: {{command: {server} 0}}}}\n")
    done = project.up()
    assert "web" in done.err
    assert "devenv stop" in done.err
    project.down()
    assert not project.left()


def test_events_tell_a_death_within_a_tenth_of_a_second(project: Devenv, server: str) -> None:
    """From the kill to the line of `devenv events --json`."""
    project.write(f"services: {{web: {{command: exec {server} 0}}}}\n")
    project.up()
    pid = project.services()["web"]["pid"]
    events = project.start("events", "--json")
    try:
        assert events.stdout is not None
        assert '"snapshot"' in events.stdout.readline()
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        while '"failed"' not in (line := events.stdout.readline()):
            assert line
        assert time.monotonic() - began < 0.1
    finally:
        events.kill()
        events.communicate()


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
