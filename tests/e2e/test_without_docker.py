"""The example without an engine: embedded servers, said in one line, with data that stay; and what has no stand-in."""

from __future__ import annotations

from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.e2e.examples import PROCESSES, copy_example
from tests.support.daemon import Devenv


@pytest.fixture
def no_engine(project: Devenv, tmp_path: Path) -> Devenv:
    """Return the project, for which the engine's socket is dead."""
    project.env["DOCKER_HOST"] = f"unix://{tmp_path}/no-engine.sock"
    return project


def test_example_runs_embedded_and_keeps_its_data_when_no_engine_answers(no_engine: Devenv) -> None:
    """One line says so; every URL answers; a row written before `down` is there after the next `up`; `-v` ends it."""
    ports = copy_example(no_engine)
    done = no_engine.up(deadline_s=90)
    told = [line for line in done.err.splitlines() if "embedded" in line]
    assert len(told) == 1, str(done)
    assert "postgres" in told[0]
    assert "redis" in told[0]
    assert "no Docker engine answers" in told[0]
    _health(ports)
    _query(no_engine, ports, "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('survives')")
    no_engine.down()
    no_engine.up(deadline_s=90)
    assert _query(no_engine, ports, "SELECT word FROM kept") == "survives"
    before = no_engine.identities()
    no_engine.up()
    assert no_engine.identities() == before
    no_engine.down("-v")
    assert not list(no_engine.state.rglob("PG_VERSION")), "`down -v` removes the embedded server's data as well"


def test_up_fails_when_engine_is_docker_and_none_answers(no_engine: Devenv, free_port: int) -> None:
    """`engine: docker` never falls back: exit 3, and nothing was started."""
    no_engine.write("""
        compose: [compose.yaml]
        engine: docker
        services: {}
    """)
    _write_redis(no_engine, free_port)
    done = no_engine.up(expect=3)
    assert "no-engine.sock" in done.err or "engine" in done.err
    assert "embedded" not in done.err


def test_up_fails_when_engine_option_is_docker_and_none_answers(no_engine: Devenv, free_port: int) -> None:
    """The option says the same as the file."""
    _write_redis(no_engine, free_port)
    no_engine.up("--engine", "docker", expect=3)


def test_up_names_service_and_image_when_there_is_no_stand_in(no_engine: Devenv) -> None:
    """Exit 3 with the service and its image."""
    no_engine.write(
        """
        services:
          queue:
            image: fixture/rabbit:3
        """,
        "compose.yaml",
    )
    done = no_engine.up(expect=3)
    assert "queue" in done.err
    assert "fixture/rabbit:3" in done.err


def test_up_runs_embedded_when_the_file_says_so(project: Devenv, free_port: int) -> None:
    """`engine: embedded` does not ask the engine that is there."""
    _write_redis(project, free_port)
    done = project.up("--engine", "embedded")
    assert "embedded" in done.err
    assert project.services()["redis"]["run"] == "process"


def _write_redis(project: Devenv, port: int) -> None:
    project.write(
        f"""
        name: {project.name}
        services:
          redis:
            image: ${{REDIS_IMAGE}}
            ports: ["127.0.0.1:{port}:6379"]
        """,
        "compose.yaml",
    )


def _health(ports: dict[str, int]) -> None:
    for name in PROCESSES:
        with urlopen(Request(f"http://127.0.0.1:{ports[name]}/health"), timeout=5) as answer:
            assert answer.status == 200, name


def _query(project: Devenv, ports: dict[str, int], sql: str) -> str:
    import pg8000.native

    connection = pg8000.native.Connection(
        "app", password="app", host="127.0.0.1", port=ports["postgres"], database="app"
    )
    try:
        rows = connection.run(sql)
    finally:
        connection.close()
    del project
    return str(rows[0][0]) if rows else ""
