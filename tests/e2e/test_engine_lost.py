"""The engine goes away, in mid-`up` and afterwards: a sentence, a correct status, and all well when it is back."""

from __future__ import annotations

import re

from tests.support.cuttable_socket import CuttableSocket
from tests.support.daemon import Devenv
from tests.support.engine import Engine
from tests.support.wait import until


def _write(project: Devenv, port: int, server: str) -> None:
    project.write(
        f"""
        services:
          box:
            image: fixture/busybox
            ports: ["127.0.0.1:{port}:80"]
        """,
        "box.yaml",
    )
    project.write(f"""
        compose: [box.yaml]
        services:
          hold: {{task: "until [ -e go ]; do sleep 0.02; done"}}
          box: {{depends_on: [hold]}}
          web: {{command: {server} 0}}
    """)


def test_engine_lost_in_mid_up_is_told_and_the_rest_stays_up(
    project: Devenv, engine: Engine, way: CuttableSocket, server: str, free_port: int
) -> None:
    """The container's start fails with the engine as its reason, exit 3; processes run on; later `up` mends it."""
    _write(project, free_port, server)
    up = project.start("up")
    try:
        until(
            lambda: project.states() == {"hold": "probing", "box": "waiting", "web": "ready"},
            deadline_s=15,
            what="all but the container",
            poll_s=0.05,
        )
        until(
            lambda: any(one.kind == "container" for one in engine.list_resources(project.name)),
            deadline_s=10,
            what="the created container",
            poll_s=0.05,
        )
        way.cut()
        (project.folder / "go").touch()
        out, err = up.communicate(timeout=30)
    finally:
        up.kill()
        up.communicate()
    assert up.returncode == 3, err + out
    assert re.search(r"engine|Docker", err)
    assert "Traceback" not in err
    states = project.states()
    assert states["web"] == "ready"
    assert states["box"] == "failed"
    way.join()
    project.up()
    assert project.states() == {"hold": "completed", "box": "ready", "web": "ready"}


def test_engine_lost_while_running_is_survived(
    project: Devenv, engine: Engine, way: CuttableSocket, server: str, free_port: int
) -> None:
    """Status still answers; when the engine is back, ends of containers are noticed again, and `down` ends all."""
    (project.folder / "go").touch()
    _write(project, free_port, server)
    project.up()
    container = str(project.identities()["box"])
    way.cut()
    assert project.states()["web"] == "ready"
    way.join()
    assert project.identities()["box"] == container
    engine.run_docker("kill", container)
    until(lambda: project.states()["box"] == "failed", deadline_s=15, what="the end to be noticed", poll_s=0.1)
    project.up()
    assert project.states()["box"] == "ready"


def test_down_without_an_engine_says_what_is_left(
    project: Devenv, engine: Engine, way: CuttableSocket, server: str, free_port: int
) -> None:
    """Processes end, the container cannot: exit 3 or 5 with the reason; `down` ends it when the engine is back."""
    (project.folder / "go").touch()
    _write(project, free_port, server)
    project.up()
    way.cut()
    done = project.run("down", deadline_s=60)
    assert done.status in {3, 5}, str(done)
    assert re.search(r"engine|Docker", done.err)
    way.join()
    assert project.run("down").status == 0
    assert {one.kind for one in engine.list_resources(project.name)} == set()
