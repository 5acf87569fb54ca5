"""`down` leaves nothing, says what went and what was kept, and never claims success over what is left."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cuttable_socket import CuttableSocket
from tests.support.daemon import Devenv
from tests.support.engine import Engine
from tests.support.holders import Holder, hold
from tests.support.ports import is_bindable
from tests.support.processes import end, identify
from tests.support.wait import until

BUSYBOX = "fixture/busybox"
NOTHING = {
    "stopped": [],
    "containers": [],
    "networks": [],
    "removed_volumes": [],
    "kept_volumes": [],
    "external_volumes": [],
    "anonymous_volumes": [],
}
SLOW_END = "trap 'sleep 2; exit 0' TERM; while :; do sleep 0.05; done"


@contextmanager
def guest(engine: Engine, name: str, *options: str) -> Iterator[str]:
    """Give a container of somebody else, created but not started."""
    engine.run_docker("create", "--name", name, *options, BUSYBOX)
    try:
        yield name
    finally:
        engine.run_docker("rm", "-f", name)


@contextmanager
def external_volume(engine: Engine, name: str) -> Iterator[str]:
    """Give a volume that no project made, with a label by which the leak check knows it."""
    engine.run_docker("volume", "create", name)
    try:
        yield name
    finally:
        engine.run_docker("volume", "rm", name)


def write_box(project: Devenv, *, program: str = SLOW_END, more: str = "", top: str = "") -> None:
    """Write a stack of one container and, beside it, one process."""
    project.write(
        f"""
        services:
          box:
            image: {BUSYBOX}
            command: ["/bin/sh", "-c", {json.dumps(program)}]
            {more}
        {top}
        """,
        "box.yaml",
    )
    project.write("""
        compose: [box.yaml]
        services:
          web: {command: sleep 1000, ready: {exec: "true"}}
    """)


def read_pid(path: Path) -> int:
    """Return the last pid that was written to a file."""
    return int(until(lambda: path.exists() and path.read_text().split(), deadline_s=10, what="a pid")[-1])


# Processes and their ports.


@pytest.mark.parametrize("daemon", ["alive", "killed"])
def test_process_without_marks_is_found_by_the_log_that_it_writes(
    project: Devenv, server: str, free_port: int, daemon: str
) -> None:
    """Forked twice, a session of its own, no environment, parent 1: its output still goes to the service's log."""
    pids = project.folder / "pids"
    project.write(f"""
        services:
          web: {{command: {server} {free_port} --escape to-log --pid-file {pids}, ports: [{free_port}]}}
    """)
    project.up()
    escaped = read_pid(pids)
    assert identify(escaped)
    if daemon == "killed":
        project.kill_daemon()
    project.down()
    assert identify(escaped) is None
    assert is_bindable(free_port)


@pytest.mark.parametrize("daemon", ["alive", "killed"])
def test_port_that_a_process_without_any_trace_holds_is_named(
    project: Devenv, server: str, free_port: int, daemon: str
) -> None:
    """Exit 5 with port, pid and the command that ends it; what it says to do makes the next `down` succeed."""
    pids = project.folder / "pids"
    project.write(f"""
        services:
          web: {{command: {server} {free_port} --escape to-nowhere --pid-file {pids}, ports: [{free_port}]}}
    """)
    project.run("up", "--timeout", "3s")  # it never gets ready: who answers is not part of it
    escaped = read_pid(pids)
    who = identify(escaped)
    assert who
    try:
        if daemon == "killed":
            project.kill_daemon()
        done = project.down(expect=5)
        assert f"port {free_port} of web" in done.err, str(done)
        assert f"kill {escaped}" in done.err
        assert identify(escaped) == who
    finally:
        end(who)
    project.down()
    assert not project.left()


def test_stranger_on_the_port_of_a_service_is_told_and_is_no_failure(
    project: Devenv, server: str, free_port: int, tmp_path: Path
) -> None:
    """Somebody took the port that our service never listened on: a warning with who it is, exit 0, and it lives on."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    project.write(f"services: {{web: {{command: {server} 0, ports: [{free_port}], ready: {{exec: 'true'}}}}}}\n")
    project.up()
    with hold(Holder.HTTP, free_port, cwd=elsewhere) as held:
        done = project.down()
        assert re.search(rf"warning: port {free_port} of web .*{held.pid}", done.err), str(done)
        assert identify(held.pid)


def test_stop_command_runs_before_the_signal(project: Devenv, engine: Engine) -> None:
    """`stop.command`, for a process in its folder, and for a container inside of it; each sees the service alive."""
    del engine
    write_box(project, more='volumes: ["./seen:/seen"]')
    (project.folder / "seen").mkdir()
    project.write("""
        compose: [box.yaml]
        services:
          box: {stop: {command: "touch /seen/by-command", grace: 5s}}
          web:
            command: "trap 'ls asked > at-term; exit 0' TERM; echo up > up; while :; do sleep 0.05; done"
            ready: {exec: test -e up}
            stop: {command: "test ! -e at-term && touch asked", grace: 5s}
    """)
    project.up()
    project.down()
    assert (project.folder / "at-term").read_text() == "asked\n"
    assert (project.folder / "seen" / "by-command").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a service to another user")
def test_process_that_may_not_be_signalled_is_named(project: Devenv, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that became another user's, as `sudo` does: exit 5 with its pid, and no word of success."""
    without_kill = ("setpriv", "--bounding-set=-kill", "--inh-caps=-kill")  # root, but for the right to signal others
    monkeypatch.setattr("tests.support.daemon.COMMAND", (*without_kill, sys.executable, "-m", "devenv"))
    command = "exec setpriv --reuid=65534 --regid=65534 --clear-groups sleep 1000"
    project.write(f"services: {{web: {{command: {command}, stop: {{grace: 200ms}}}}}}\n")
    project.up()
    who = identify(project.services()["web"]["pid"])
    assert who
    try:
        done = project.down(expect=5)
        assert f"pid {who.pid}" in done.err
        assert "ended in" not in done.text
        assert identify(who.pid) == who
    finally:
        end(who)
    project.down()


# Volumes, networks, containers.


def test_summary_says_what_went_and_what_was_kept(project: Devenv, engine: Engine) -> None:
    """In words and in JSON; named and anonymous volumes stay unless asked, external ones always."""
    with external_volume(engine, f"{project.name}-shared") as shared:
        more = f'volumes: ["data:/data", "{shared}:/shared", "/nameless"]'
        top = f"volumes: {{data: {{}}, {shared}: {{external: true}}}}"
        write_box(project, program="trap 'exit 0' TERM; while :; do sleep 0.05; done", more=more, top=top)
        project.up()
        told = project.down("--json").json()
        (nameless,) = told["anonymous_volumes"]
        assert {name: told[name] for name in NOTHING} == {
            **NOTHING,
            "stopped": ["box", "web"],
            "containers": [f"{project.name}-box-1"],
            "networks": [f"{project.name}_default"],
            "kept_volumes": [f"{project.name}_data"],
            "external_volumes": [shared],
            "anonymous_volumes": [nameless],
        }
        assert (told["status"], told["verb"], told["failures"]) == (0, "down", [])
        engine.run_docker("volume", "rm", nameless)
        project.up()
        done = project.down()
        (nameless,) = re.findall(r"docker volume rm (\w{64})", done.out + done.err)
        for words in (
            "2 services ended",
            f"removed: 1 container, network {project.name}_default",
            f"volumes kept: {project.name}_data",
            f"external volumes kept: {shared}",
        ):
            assert words in done.text, str(done)
        engine.run_docker("volume", "rm", nameless)
        project.up()
        told = project.down("-v", "--json").json()
        assert f"{project.name}_data" in told["removed_volumes"]
        assert len(told["removed_volumes"]) == 2
        assert (told["kept_volumes"], told["external_volumes"], told["anonymous_volumes"]) == ([], [shared], [])
        assert engine.run_docker("volume", "ls", "-q", "--filter", f"name={project.name}") == shared
        assert engine.list_resources(project.name) == set()


@pytest.mark.parametrize("what", ["volume", "network"])
def test_what_another_project_uses_is_kept_and_named(project: Devenv, engine: Engine, what: str) -> None:
    """Exit 5 with who uses it: it could not be removed, and everything else was."""
    write_box(project, program="sleep 1000", more='volumes: ["data:/data"]', top="volumes: {data: {}}")
    project.up()
    name = f"{project.name}_{'data' if what == 'volume' else 'default'}"
    options = ("-v", f"{name}:/data", "--network", "none") if what == "volume" else ("--network", name)
    with guest(engine, f"{project.name}guest", *options) as user:
        if what == "network":
            engine.run_docker("start", user)
        done = project.run("down", "-v")
        assert done.status == 5, str(done)
        assert f"cannot remove {what} {name}" in done.err
        assert user in done.err
        left = {str(one) for one in engine.list_resources(project.name)}
        assert left == {f"{what} {name} of project {project.name}"}
    project.down("-v")
    assert engine.list_resources(project.name) == set()


@pytest.mark.parametrize(
    "program",
    ["trap '' TERM; while :; do sleep 0.05; done", "trap : TERM; while :; do sleep 0.05; done"],
    ids=["ignores", "handles-and-stays"],
)
def test_container_that_ignores_term_is_ended_by_the_hard_signal(project: Devenv, engine: Engine, program: str) -> None:
    """Its grace is that of the file, and then nothing of it is left."""
    write_box(project, program=program)
    project.write("compose: [box.yaml]\nservices: {box: {stop: {grace: 1s}}}\n")
    project.up()
    project.down()
    assert engine.list_resources(project.name) == set()


# Twice, at once, and while something else goes on.


@pytest.mark.parametrize("before", ["down", "down-and-killed", "stale-record", "never-up"])
def test_down_of_nothing_says_so(project: Devenv, server: str, before: str) -> None:
    """Status 0, in words and in JSON, whatever was before."""
    project.write(f"services: {{web: {{command: {server} 0}}}}\n")
    if before != "never-up":
        project.up()
        record = project.record().read_text()
        project.down()
        if before == "down-and-killed":
            project.kill_daemon()
        if before == "stale-record":
            until(lambda: not project.daemons(), deadline_s=5, what="the end of the daemon", poll_s=0.05)
            project.record_folder().joinpath("record.json").write_text(record)
    done = project.down()
    assert "nothing is running" in done.text
    told = project.down("--json").json()
    assert ({name: told[name] for name in NOTHING}, told["status"]) == (NOTHING, 0)


def test_downs_one_after_the_other_all_succeed(project: Devenv, server: str) -> None:
    """Also the ones that meet a daemon that is about to end."""
    project.write(f"services: {{web: {{command: {server} 0}}}}\n")
    project.up()
    for pause_s in (0, 0, 0.03, 0.05, 0.07, 0, 0.05):
        project.down()
        time.sleep(pause_s)
    assert not project.left()


def test_downs_from_two_terminals_both_succeed(project: Devenv, server: str) -> None:
    """One does the work, the other follows it; nothing is left."""
    project.write(f"services: {{web: {{command: {server} 0 --slow-end 1, stop: {{grace: 5s}}}}}}\n")
    project.up()
    downs = [project.start("down"), project.start("down")]
    texts = [_finish(one) for one in downs]
    assert [one.returncode for one in downs] == [0, 0], texts
    assert sum("nothing is running" in text for text in texts) == 1
    assert not project.left()


@pytest.mark.parametrize("moment_s", [0.3, 0.5, 0.7, 0.9, 1.2, 1.6])
def test_down_during_an_up_of_containers_leaves_nothing(project: Devenv, engine: Engine, moment_s: float) -> None:
    """While containers are created, started or probed."""
    services = "".join(
        f"  s{number}: {{image: {BUSYBOX}{f', depends_on: [s{number - 1}]' if number else ''}}}\n"
        for number in range(4)
    )
    project.write(f"name: {project.name}\nservices:\n{services}", "compose.yaml")
    up = project.start("up")
    time.sleep(moment_s)
    done = project.down()
    text = _finish(up)
    assert "Traceback" not in text + done.text
    assert engine.list_resources(project.name) == set()
    assert not project.left()


def test_down_during_a_pull_ends_it(project: Devenv, engine: Engine) -> None:
    """A registry that never answers holds up neither of them."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        image = f"127.0.0.1:{silent.getsockname()[1]}/dvt:1"
        project.write(f"name: {project.name}\nservices: {{box: {{image: '{image}'}}}}\n", "compose.yaml")
        up = project.start("up")
        silent.settimeout(20)
        silent.accept()[0].close()
        project.down()
        assert "Traceback" not in _finish(up)
        assert up.returncode not in {0, 70}
    assert engine.list_resources(project.name) == set()


# Ctrl-C.


def test_first_interrupt_of_down_goes_on_and_second_uses_the_hard_signal(project: Devenv, server: str) -> None:
    """The first says what a second does; after it nothing waits for a grace, and nothing is left."""
    project.write(f"""
        services:
          deaf: {{command: {server} 0 --ignore-term --depth 2, stop: {{grace: 60s}}}}
          api: {{command: {server} 0, depends_on: [deaf]}}
    """)
    project.up()
    down = project.start("down")
    until(lambda: project.states()["deaf"] == "stopping", deadline_s=10, what="the gentle stop", poll_s=0.05)
    down.send_signal(signal.SIGINT)
    assert down.stderr is not None
    while "Ctrl-C again" not in (line := down.stderr.readline()):
        assert line, "it says what a second Ctrl-C does"
    assert project.states()["deaf"] == "stopping"
    down.send_signal(signal.SIGINT)
    _finish(down)
    assert down.returncode == 0
    assert not project.left()


def test_down_whose_client_was_killed_goes_on(project: Devenv, server: str) -> None:
    """Kill -9 of the command in mid-`down`: the daemon does it, and a second `down` finds nothing."""
    project.write(f"services: {{web: {{command: {server} 0 --slow-end 1, stop: {{grace: 5s}}}}}}\n")
    project.up()
    down = project.start("down")
    until(lambda: project.states() == {"web": "stopping"}, deadline_s=10, what="the stop", poll_s=0.02)
    down.kill()
    down.communicate()
    project.down()
    assert not project.left()


# The engine goes away.


def test_engine_lost_in_mid_down_is_told_and_a_second_down_completes(
    project: Devenv, engine: Engine, way: CuttableSocket
) -> None:
    """The process ends, the container is named with exit 3; when the engine is back nothing is left of it."""
    write_box(project)
    project.up()
    down = project.start("down")
    until(lambda: project.states()["box"] == "stopping", deadline_s=10, what="the stop", poll_s=0.02)
    way.cut()
    text = _finish(down)
    assert down.returncode == 3, text
    assert "cannot end the containers of box" in text
    assert not project.left()
    way.join()
    project.down()
    assert engine.list_resources(project.name) == set()


@pytest.mark.parametrize("daemon", ["alive", "killed"])
def test_down_without_an_engine_names_the_containers_out_of_reach(
    project: Devenv, engine: Engine, way: CuttableSocket, daemon: str
) -> None:
    """Every time until it is back: exit 3 and their services, never "nothing is running"."""
    write_box(project, program="sleep 1000")
    project.up()
    if daemon == "killed":
        project.kill_daemon()
    way.cut()
    for _ in range(2):
        done = project.down(expect=3)
        assert "cannot end the containers of box" in done.err, str(done)
        assert str(way.path) in done.err
        assert "nothing is running" not in done.text
        assert not project.left()
    told = project.down("--json", expect=3).json()
    assert [failure["code"] for failure in told["failures"]] == ["host"]
    way.join()
    project.down()
    assert engine.list_resources(project.name) == set()


def test_missing_engine_is_no_news_to_a_stack_without_containers(project: Devenv, server: str, tmp_path: Path) -> None:
    """Nothing was ever in containers: nobody speaks of an engine."""
    project.env["DOCKER_HOST"] = f"unix://{tmp_path}/no-engine.sock"
    project.write(f"services: {{web: {{command: {server} 0}}}}\n")
    project.up()
    for _ in range(2):
        done = project.down()
        assert not re.search(r"engine|Docker|container", done.text), str(done)


def test_missing_engine_is_told_where_containers_are_configured_and_nothing_is_recorded(
    project: Devenv, tmp_path: Path
) -> None:
    """Exit 0, as nothing is known to run; but that nothing runs is not claimed."""
    project.env["DOCKER_HOST"] = f"unix://{tmp_path}/no-engine.sock"
    write_box(project)
    done = project.down()
    assert "nothing is known to run" in done.text, str(done)
    assert "no-engine.sock" in done.text


def _finish(started: subprocess.Popen[str]) -> str:
    """Wait for its end and return what it said."""
    try:
        out, err = started.communicate(timeout=40)
    finally:
        started.kill()
        started.communicate()
    return err + out
