"""No services.yaml: a Compose file or a Procfile alone is a stack; and which file, folder and name count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.e2e.conftest import MakeProject
from tests.support.daemon import Devenv
from tests.support.engine import Engine
from tests.support.wait import until


def test_up_works_on_a_compose_file_alone(
    project: Devenv, engine: Engine, free_ports: Callable[[int], list[int]]
) -> None:
    """With its .env, its override file and its profiles, as `docker compose` reads them."""
    first, second, third = free_ports(3)
    project.write(
        """
        services:
          web:
            image: fixture/busybox
            ports: ["127.0.0.1:${WEB_PORT}:80"]
          extra:
            image: fixture/busybox
            profiles: [more]
            ports: ["127.0.0.1:${EXTRA_PORT}:80"]
          plain:
            image: fixture/busybox
        """,
        "compose.yaml",
    )
    project.write(
        f"COMPOSE_PROJECT_NAME={project.name}\nWEB_PORT={first}\nPLAIN_PORT={second}\nEXTRA_PORT={third}\n", ".env"
    )
    project.write('services: {plain: {ports: ["127.0.0.1:${PLAIN_PORT}:80"]}}\n', "compose.override.yaml")
    project.up()
    assert project.states() == {"web": "ready", "plain": "ready"}
    assert [_get(port) for port in (first, second)] == ["ok\n", "ok\n"]
    project.up("--profile", "more")
    assert project.states()["extra"] == "ready"
    assert _get(third) == "ok\n"
    del engine


def test_up_works_on_a_procfile_alone(project: Devenv, server: str, free_port: int) -> None:
    """Each line is a process that gets a PORT of its own."""
    project.write(f"PORT={free_port}\n", ".env")
    project.write(f"web: {server} $PORT --body web\nclock: {server} 0\n", "Procfile")
    project.up()
    assert project.states() == {"web": "ready", "clock": "ready"}
    assert until(lambda: _get(free_port), deadline_s=5, what="an answer") == "web"


def test_commands_find_the_stack_when_run_from_a_subfolder(project: Devenv, server: str, free_port: int) -> None:
    """`up` in a folder far below, `status` at the top: one stack."""
    project.write(f"services: {{web: {{command: {server} {free_port}, ports: [{free_port}]}}}}\n")
    below = project.folder / "a" / "b"
    below.mkdir(parents=True)
    done = project.run("up", cwd=below)
    assert done.status == 0, str(done)
    assert project.states() == {"web": "ready"}


def test_file_option_and_its_variable_lead_to_the_same_stack(project: Devenv, server: str, tmp_path: Path) -> None:
    """`-f` from anywhere, and DEVENV_FILE in its place."""
    file = project.write(f"name: {project.name}\nservices: {{web: {{command: {server} 0}}}}\n", "other.yaml")
    done = project.run("-f", str(file), "up", cwd=tmp_path)
    assert done.status == 0, str(done)
    seen = project.run("status", "--json", cwd=tmp_path, env={"DEVENV_FILE": str(file)}).json()
    assert [row["state"] for row in seen["services"]] == ["ready"]
    assert project.run("-f", str(file), "down", cwd=tmp_path).status == 0


def test_project_name_makes_a_stack_of_its_own(project: Devenv, server: str) -> None:
    """`-p` beside the unnamed one: two stacks of one file, each ended alone."""
    project.write(f"services: {{web: {{command: {server} 0}}}}\n")
    project.up()
    assert project.run("-p", "second", "up").status == 0
    first, second = project.status()["services"][0], project.status("-p", "second")["services"][0]
    assert first["pid"] != second["pid"]
    assert project.run("down", env={"DEVENV_PROJECT_NAME": "second"}).status == 0
    assert project.states() == {"web": "ready"}


def test_up_says_what_it_looked_for_when_there_is_no_stack(make_another: MakeProject) -> None:
    """Exit 2, one sentence."""
    empty = make_another("empty")
    done = empty.run("up")
    assert done.status == 2
    assert "services.yaml" in done.err
    assert "Procfile" in done.err


def _get(port: int) -> str:
    try:
        with urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return str(answer.read().decode())
    except URLError:
        return ""
