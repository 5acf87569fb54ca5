"""What looks ready and is not: each is caught by `up`, and told in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.daemon import Devenv
from tests.support.engine import Engine
from tests.support.holders import Holder, hold
from tests.support.wait import until

SHORT = "timeout: 1500ms"


def test_stale_server_on_the_port_is_not_ready(project: Devenv, server: str, free_port: int, tmp_path: Path) -> None:
    """A service that stays up without its port, while another process answers 200 there, fails by that one's pid."""
    project.write(f"""
        services:
          gate: {{task: "until [ -e go ]; do sleep 0.02; done"}}
          web:
            command: {server} {free_port} --stay
            ports: [{free_port}]
            ready: {{http: /, timeout: 20s}}
            depends_on: [gate]
    """)
    started = project.start("up")
    try:
        until(lambda: project.states().get("gate") == "probing", deadline_s=10, what="the port check to be over")
        with hold(Holder.HTTP, free_port, cwd=tmp_path) as stale:
            (project.folder / "go").touch()
            out, err = started.communicate(timeout=30)
            assert started.returncode in {4, 5}, err + out
            assert f"pid {stale.pid}" in err
            assert project.states()["web"] == "failed"
    finally:
        started.kill()
        started.communicate()


def test_server_is_ready_when_two_of_its_processes_share_the_port(project: Devenv, server: str, free_port: int) -> None:
    """Two processes of one service on one port (SO_REUSEPORT) are one service."""
    project.write(f"""
        services:
          web:
            command: "{server} {free_port} --reuse-port & exec {server} {free_port} --reuse-port"
            ports: [{free_port}]
            ready: {{http: /}}
    """)
    project.up()


def test_server_that_never_answers_is_not_ready(project: Devenv, server: str, free_port: int) -> None:
    """It accepts: exit 5 with what was asked and that no answer came; it stays up for a look."""
    project.write(f"""
        services:
          web: {{command: {server} {free_port} --mute, ports: [{free_port}], ready: {{http: /health, {SHORT}}}}}
    """)
    done = project.up(expect=5)
    assert "/health" in done.err
    assert "1.5 s" in done.err
    row = project.services()["web"]
    assert row["state"] == "failed"
    assert row["pid"]


def test_wrong_health_path_is_called_misconfigured(project: Devenv, server: str, free_port: int) -> None:
    """The same 404 for 5 s ends the wait, long before the gate's own timeout."""
    project.write(f"""
        services:
          web:
            command: {server} {free_port} --status 404
            ports: [{free_port}]
            ready: {{http: /helth, timeout: 60s}}
    """)
    done = project.up(expect=5)
    assert done.took_s < 10
    assert "404" in done.err
    assert "misconfigured" in done.err


def test_process_that_exits_fails_at_once_with_its_last_lines(project: Devenv, server: str, free_port: int) -> None:
    """No probe is waited for when nobody is left to answer it."""
    project.write(f"""
        services:
          web: {{command: "{server} {free_port} --say no-database-here --exit 3", ports: [{free_port}]}}
    """)
    done = project.up(expect=5)
    assert "no-database-here" in done.err
    assert "3" in done.err
    row = project.services()["web"]
    assert (row["state"], row["exit_code"]) == ("failed", 3)
    assert done.took_s < 3  # the daemon's own start included


@pytest.mark.parametrize(
    ("command", "said"),
    [("nosuchprogram --flag", "nosuchprogram"), ("./here-but-not-mine", "here-but-not-mine")],
)
def test_command_that_cannot_run_fails_by_its_name(project: Devenv, command: str, said: str) -> None:
    """Not found, and not executable."""
    project.write("#!/bin/sh\n", "here-but-not-mine")
    project.write(f"services: {{web: {{command: {command}}}}}\n")
    done = project.up(expect=5)
    assert said in done.err
    assert done.took_s < 5


def test_crash_loop_ends_the_wait(project: Devenv) -> None:
    """`restart: always` does not keep `up` waiting for a process that always ends."""
    # a shell: nothing can be asked of it, so it has to end before it would count as settled
    project.write("services: {web: {command: 'echo dying; exit 1', restart: always}}\n")
    done = project.up(expect=5)
    assert "3 times in a row" in done.err
    assert "dying" in done.err


def test_crash_looping_container_fails_with_its_last_lines(project: Devenv, engine: Engine, free_port: int) -> None:
    """Also where the engine itself starts it again and again."""
    _write_container(project, free_port, "command: [sh, -c, 'echo lost my way; exit 7']\n    restart: always")
    done = project.up(expect=5)
    assert "lost my way" in done.err
    assert done.took_s < 20
    del engine


def test_container_that_is_never_healthy_is_not_ready(project: Devenv, engine: Engine, free_port: int) -> None:
    """Its own health check says why."""
    health = "healthcheck: {test: [CMD-SHELL, 'echo out of cheese; exit 1'], interval: 1s}"
    _write_container(project, free_port, health)
    project.write(f"""
        compose: [compose.yaml]
        services: {{web: {{ready: {{health: true, {SHORT}}}}}}}
    """)
    done = project.up(expect=5)
    assert "out of cheese" in done.err
    del engine


def test_missing_image_names_service_and_image(project: Devenv, engine: Engine, free_port: int) -> None:
    """Neither found nor pulled, and nothing stands in for it: exit 3."""
    _write_container(project, free_port, "", image="fixture/nosuch:1")
    done = project.up(expect=3, deadline_s=60)
    assert "web" in done.err
    assert "fixture/nosuch:1" in done.err
    del engine


def test_published_port_without_a_server_inside_is_not_ready(project: Devenv, engine: Engine, free_port: int) -> None:
    """Docker's proxy accepts every connection; what counts is who listens inside."""
    _write_container(project, free_port, "command: [sleep, '1000']")
    project.write(f"""
        compose: [compose.yaml]
        services: {{web: {{ready: {{tcp: 80, {SHORT}}}}}}}
    """)
    done = project.up(expect=5)
    assert "80" in done.err
    del engine


def test_published_port_is_ready_when_the_server_inside_is_late(
    project: Devenv, engine: Engine, free_port: int
) -> None:
    """Ready comes after the server inside, not after the container's start."""
    _write_container(project, free_port, "command: [sh, -c, 'sleep 1.2; exec httpd -f -p 80 -h /www']")
    project.up()
    assert project.services()["web"]["ready_after_s"] > 1.1
    del engine


def test_log_probe_and_exec_probe_hold_ready_back(project: Devenv, server: str) -> None:
    """Ready is the moment the line was written, or the command succeeded."""
    project.write(f"""
        services:
          talker: {{command: "sleep 0.5; echo 'listening on 80'; exec {server} 0", ready: {{log: 'listening on \\d+'}}}}
          maker: {{command: "sleep 0.5; touch made; exec {server} 0", ready: {{exec: test -e made}}}}
    """)
    project.up()
    rows = project.services()
    assert all(0.5 <= rows[name]["ready_after_s"] < 2 for name in rows)


def _write_container(project: Devenv, port: int, more: str, image: str = "fixture/busybox") -> None:
    (project.folder / "compose.yaml").write_text(
        f'name: {project.name}\nservices:\n  web:\n    image: {image}\n    ports: ["127.0.0.1:{port}:80"]\n    {more}\n'
    )
