"""The example stack on a real engine: up, proven ready, seen by Compose, changed, down, and nothing left."""

from __future__ import annotations

from urllib.request import urlopen

import pytest

from tests.e2e.examples import ALL, PROCESSES, copy_example
from tests.support.daemon import Devenv
from tests.support.engine import Engine
from tests.support.ports import is_bindable
from tests.support.wait import until

FIELDS = {
    "name": str,
    "run": str,
    "state": str,
    "health": str,
    "pid": int,
    "container": str,
    "ports": list,
    "url": str,
    "restarts": int,
    "exit_code": int,
    "since": str,
    "depends_on": list,
    "log": str,
}
MAYBE = {"pid", "exit_code", "since"}


@pytest.fixture
def ports(project: Devenv, engine: Engine) -> dict[str, int]:
    """Return the ports of the example, which runs."""
    del engine
    ports = copy_example(project)
    project.up(deadline_s=90)
    return ports


def test_every_url_answers_when_up_says_ready(project: Devenv, ports: dict[str, int]) -> None:
    """What `up` calls ready can be used at that moment, and its table says where."""
    for name in PROCESSES:
        with urlopen(f"http://127.0.0.1:{ports[name]}/health", timeout=5) as answer:
            assert answer.status == 200, name
    assert project.states() == {name: "completed" if name == "migrate" else "ready" for name in ALL}


def test_status_json_has_the_documented_shape_when_ready(project: Devenv, ports: dict[str, int]) -> None:
    """Every documented field is there with its type; pids, containers and ports are the real ones."""
    document = project.status()
    assert {"version": 1, "stack": project.name, "state": "ready"}.items() <= document.items()
    for row in document["services"]:
        for name, kind in FIELDS.items():
            assert isinstance(row[name], kind) or (row[name] is None and name in MAYBE), (name, row)
    rows = {row["name"]: row for row in document["services"]}
    assert {name: row["run"] for name, row in rows.items()} == {
        "postgres": "container",
        "redis": "container",
        "migrate": "task",
        **dict.fromkeys(PROCESSES, "process"),
    }
    assert {name: rows[name]["ports"] for name in ports} == {name: [number] for name, number in ports.items()}
    assert rows["api"]["url"] == f"http://127.0.0.1:{ports['api']}"
    assert rows["api"]["depends_on"] == ["postgres", "redis", "migrate"]
    assert rows["migrate"]["exit_code"] == 0
    assert rows["postgres"]["container"]
    assert rows["postgres"]["pid"] is None


def test_second_up_keeps_everything_and_compose_agrees(project: Devenv, ports: dict[str, int], engine: Engine) -> None:
    """Pids and containers stay through `up` and through `docker compose up -d`; only the task runs again."""
    before, tasks = project.identities(), project.services()["migrate"]["since"]
    project.up()
    assert project.identities() == before
    assert project.services()["migrate"]["since"] > tasks
    compose = project.folder / "compose" / "infra.yml"
    settings = project.write("".join(f"{name}={value}\n" for name, value in project.env.items()), "ports.env")
    engine.run_docker("compose", "--env-file", str(settings), "-p", project.name, "-f", str(compose), "up", "-d")
    listed = engine.run_docker("compose", "-p", project.name, "ps", "-q").split()
    assert {one[:12] for one in listed} == {str(before["postgres"]), str(before["redis"])}
    assert "ready to accept connections" in engine.run_docker("compose", "-p", project.name, "logs", "postgres")
    assert engine.run_docker("compose", "-p", project.name, "exec", "-T", "redis", "redis-cli", "ping") == "PONG"
    del ports


def test_up_replaces_only_the_service_whose_environment_changed(project: Devenv, ports: dict[str, int]) -> None:
    """One more variable of one service means one new process."""
    before = project.identities()
    text = (project.folder / "services.yaml").read_text()
    marked = "    working_dir: examples/docs\n"
    assert marked in text
    (project.folder / "services.yaml").write_text(text.replace(marked, f"{marked}    environment: {{NEW: 'yes'}}\n"))
    project.up()
    after = project.identities()
    assert {name for name in after if after[name] != before[name]} == {"docs"}
    del ports


def test_down_leaves_nothing_but_the_named_volume(project: Devenv, ports: dict[str, int], engine: Engine) -> None:
    """No container, network, process, socket or held port; the volume is named, and `down -v` takes it too."""
    volume = f"{project.name}_postgres-data"
    done = project.down()
    assert volume in done.out
    assert {str(one) for one in engine.list_resources(project.name)} == {f"volume {volume} of project {project.name}"}
    assert [number for number in ports.values() if not is_bindable(number)] == []
    again = project.down()
    assert "nothing is running" in again.text
    project.up(deadline_s=90)
    assert volume in project.down("-v").out
    assert engine.list_resources(project.name) == set()
    _wait_until_nobody_is_left(project)


def test_down_removes_the_volumes_of_a_stack_that_is_down(
    project: Devenv, ports: dict[str, int], engine: Engine
) -> None:
    """`down -v` after `down` still removes the named volume."""
    del ports
    project.down()
    project.down("-v")
    assert engine.list_resources(project.name) == set()


def _wait_until_nobody_is_left(project: Devenv) -> None:
    until(lambda: not project.processes(), deadline_s=5, what="the end of the daemon", poll_s=0.05)
    assert project.sockets() == []
