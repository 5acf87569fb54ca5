"""`devenv prune` and `devenv down --prune`: the tables on real containers and files, who is asked, what stays."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import MakeProject
from tests.e2e.terminals import run_in_terminal
from tests.support.cuttable_socket import CuttableSocket
from tests.support.daemon import Devenv
from tests.support.engine import Engine
from tests.support.git import Repository, git_environment, make_repository
from tests.support.own_engine import OwnEngine, own_engine
from tests.support.wait import until

CLEAN = "clean: {paths: [dist, src, .next], caches: [pip], logs: {size: 1MB, keep: 2}}"


def prepare(project: Devenv, server: str, *, clean: str = CLEAN, compose: str = "", more: str = "") -> Repository:
    """Make the project a repository with build output that is ignored, and a stack with one server."""
    project.env.update({name: value for name, value in git_environment().items() if name.startswith("GIT_")})
    project.env["PIP_CACHE_DIR"] = str(project.folder.parent / "pip-cache")
    repository = make_repository(project.folder)
    repository.write(".gitignore", "dist\n.next\n")
    repository.write("src/app.py", "print()\n")
    named = ""
    if compose:
        project.write(compose, "box.yaml")
        named = "compose: [box.yaml]\n"
    project.write(f"{clean}\n{named}services:\n  web: {{command: {server} 0}}\n{more}")
    repository.git("add", "--all")
    repository.git("commit", "-q", "-m", "start")
    for name in ("dist/one", ".next/two"):
        repository.write(name, os.urandom(200_000))
    return repository


BOX = """
services:
  box: {image: fixture/busybox, command: sleep 1000, init: true, stop_grace_period: 0s, volumes: ["data:/data"]}
volumes: {data: {}}
"""


def rows(document: dict[str, object]) -> dict[str, list[str]]:
    """Return the names of each kind."""
    reclaimed = document["reclaimed"]
    assert isinstance(reclaimed, list)
    return {row["kind"]: row["names"] for row in reclaimed}


def refused(document: dict[str, object]) -> dict[str, str]:
    """Return the reasons by name."""
    found = document["refused"]
    assert isinstance(found, list)
    return {one["name"]: one["why"] for one in found}


def test_prune_prints_a_table_of_what_went_and_why_the_rest_stays(project: Devenv, server: str) -> None:
    """A dry run first, then the same for good; exit 0 with refusals, which are for safety."""
    repository = prepare(project, server)
    ahead = project.run("prune", "--dry-run")
    assert ahead.status == 0, str(ahead)
    assert "WOULD GO" in ahead.out
    assert (project.folder / "dist").exists()
    done = project.run("prune")
    assert done.status == 0, str(done)
    header, *lines = done.out.splitlines()
    assert header.split() == ["KIND", "REMOVED", "BYTES", "NOTE"]
    assert any(line.startswith("paths") and "dist, .next" in line and "kB" in line for line in lines), lines
    assert any(line.startswith("gave back 4") for line in lines), lines
    assert "stays: src: git tracks 1 file below it, such as src/app.py" in lines
    assert not (project.folder / "dist").exists()
    assert repository.git("status", "--porcelain") == ""
    assert "Traceback" not in done.text


def test_prune_json_has_the_documented_shape(project: Devenv, server: str) -> None:
    """`version status reclaimed refused bytes is_dry_run failures`, and nothing else on standard output."""
    prepare(project, server)
    ahead = project.run("prune", "--dry-run", "--json").json()
    done = project.run("prune", "--json").json()
    assert set(done) == {"version", "status", "reclaimed", "refused", "bytes", "is_dry_run", "failures"}
    assert (done["version"], done["status"], done["is_dry_run"], done["failures"]) == (1, 0, False, [])
    assert done["bytes"] == sum(row["bytes"] for row in done["reclaimed"]) > 400_000
    assert rows(done)["paths"] == rows(ahead)["paths"] == ["dist", ".next"]
    assert set(done["reclaimed"][0]) == {"kind", "names", "bytes", "note"}


def test_what_a_running_service_has_open_stays_until_down(project: Devenv, server: str) -> None:
    """A dev server's own build folder; `down --prune` ends it first, and the folder goes."""
    prepare(project, server, more="  dev: {command: 'exec sleep 1000', working_dir: .next}\n")
    project.up()
    document = project.run("prune", "--json").json()
    assert rows(document)["paths"] == ["dist"]
    assert "(dev) has" in refused(document)[".next"]
    assert project.states() == {"web": "ready", "dev": "ready"}
    down = project.down("--prune")
    assert "2 services ended" in down.out
    assert ".next" in down.out.split("REMOVED")[1]
    assert not (project.folder / ".next").exists()
    assert project.left() == set()


def test_down_prune_tells_both_in_one_json_document(project: Devenv, server: str) -> None:
    """The end of the stack and what was given back."""
    prepare(project, server)
    project.up()
    document = project.run("down", "--prune", "--json").json()
    assert document["stopped"] == ["web"]
    assert rows(document["pruned"])["paths"] == ["dist", ".next"]
    project.run("down")
    assert (project.folder / "src/app.py").exists()


def test_down_without_prune_leaves_build_output_alone(project: Devenv, server: str) -> None:
    """Nobody asked for it."""
    prepare(project, server)
    project.up()
    project.down()
    assert (project.folder / "dist/one").exists()


def test_down_prune_of_a_stack_that_does_not_run_prunes(project: Devenv, server: str) -> None:
    """`nothing is running`, and the table."""
    prepare(project, server)
    down = project.down("--prune")
    assert "nothing is running" in down.out
    assert not (project.folder / "dist").exists()


def test_containers_of_stopped_services_go_and_volumes_stay(project: Devenv, engine: Engine, server: str) -> None:
    """The service starts again with a new container and its old volume."""
    prepare(project, server, compose=BOX)
    project.up()
    project.run("stop", "box")
    document = project.run("prune", "--json").json()
    assert rows(document)["containers"] == [f"{project.name}-box-1"]
    kinds = {(one.kind, one.name) for one in engine.list_resources(project.name)}
    assert ("volume", f"{project.name}_data") in kinds
    assert not any(kind == "container" for kind, _ in kinds)
    assert project.states()["web"] == "ready"
    project.up()
    assert project.states() == {"web": "ready", "box": "ready"}
    project.down("--prune")
    assert {one.kind for one in engine.list_resources(project.name)} == {"volume"}


def test_a_volume_that_another_project_uses_stays_whole(
    project: Devenv, make_another: MakeProject, engine: Engine, server: str
) -> None:
    """`down --prune --volumes` next to a project that has the volume mounted: its container and its data are there."""
    prepare(project, server, compose=BOX)
    project.up()
    other = make_another("other", f"{project.name}other")
    prepare(
        other,
        server,
        compose=f"""
services:
  user: {{image: fixture/busybox, command: "sh -c 'echo kept > /data/file; exec sleep 1000'", init: true,
         stop_grace_period: 0s, volumes: ["shared:/data"]}}
volumes: {{shared: {{external: true, name: {project.name}_data}}}}
""",
    )
    other.up()
    project.run("down", "--prune", "--volumes")
    assert other.states() == {"web": "ready", "user": "ready"}
    assert engine.run_docker("exec", f"{other.name}-user-1", "cat", "/data/file") == "kept"
    other.down("--prune")


def test_an_engine_that_is_gone_is_said_and_the_files_go_all_the_same(
    project: Devenv, server: str, way: CuttableSocket
) -> None:
    """Exit 3 with the engine's reason, said once, and the host's part done."""
    prepare(project, server, compose=BOX)
    way.cut()
    done = project.run("prune")
    assert done.status == 3, str(done)
    assert "cannot reach the Docker engine" in done.err
    assert done.text.count("cannot reach the Docker engine") == 1
    assert not (project.folder / "dist").exists()
    assert "Traceback" not in done.text


def test_a_prune_that_is_killed_is_finished_by_the_next_one(project: Devenv, server: str) -> None:
    """The daemon dies between two files: nothing that git sees is left, and the second run gives the rest back."""
    repository = prepare(project, server)
    for number in range(20_000):
        (project.folder / f"dist/{number}").write_bytes(b"x")
    started = project.start("prune")
    trash = project.folder / ".devenv-trash"
    until(trash.exists, deadline_s=20, what="the beginning of the removal", poll_s=0.001)
    project.kill_daemon()
    _, err = started.communicate(timeout=20)
    assert "Traceback" not in err
    assert repository.git("status", "--porcelain") == ""
    done = project.run("prune")
    assert done.status == 0, str(done)
    assert not trash.exists()
    assert not (project.folder / "dist").exists()
    assert (project.folder / "src/app.py").exists()


def test_ctrl_c_ends_a_prune_with_130_and_the_next_run_completes_it(project: Devenv, server: str) -> None:
    """What was not removed yet has its name again."""
    prepare(project, server)
    for number in range(20_000):
        (project.folder / f"dist/{number}").write_bytes(b"x")
    started = project.start("prune")
    trash = project.folder / ".devenv-trash"
    until(trash.exists, deadline_s=20, what="the beginning of the removal", poll_s=0.001)
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=30)
    assert started.returncode in {0, 130}, err + out  # the whole removal may have been quicker
    assert "Traceback" not in err
    assert not trash.exists()
    assert project.run("prune").status == 0
    assert not (project.folder / "dist").exists()
    assert not (project.folder / ".next").exists()


def test_logs_of_services_that_are_gone_go_and_the_others_stay(project: Devenv, server: str) -> None:
    """Also the log of a service that only another profile starts stays."""
    prepare(
        project, server, more=f"  old: {{command: {server} 0}}\n  tool: {{command: {server} 0, profiles: [tools]}}\n"
    )
    project.run("--profile", "tools", "up")
    project.down()
    project.write(f"services:\n  web: {{command: {server} 0}}\n  tool: {{command: {server} 0, profiles: [tools]}}\n")
    (project.record_folder() / "logs/old.log").write_text("x" * 5000)
    (project.record_folder() / "snapshots").mkdir()
    document = project.run("prune", "--json").json()
    assert all(name.startswith("old.") for name in rows(document)["logs"])
    left = {path.name for path in (project.record_folder() / "logs").iterdir()}
    assert {"web.log", "tool.log"} <= left
    assert "old.log" not in left
    assert (project.record_folder() / "snapshots").exists()


# The whole engine


def test_all_unused_without_a_terminal_needs_yes_and_touches_nothing(project: Devenv, server: str) -> None:
    """Exit 2, in words and as JSON."""
    prepare(project, server)
    for arguments in ([], ["--json"]):
        done = project.run("prune", "--all-unused", *arguments)
        assert done.status == 2, str(done)
        assert "devenv prune --all-unused --yes" in done.text
    assert (project.folder / "dist").exists()


@pytest.fixture
def alone(engine: Engine, project: Devenv) -> Iterator[OwnEngine]:
    """Give an engine that nobody else uses, and lead the project to it."""
    with own_engine(engine, "fixture/busybox") as made:
        project.env["DOCKER_HOST"] = made.url
        yield made
        project.end()


def test_all_unused_shows_other_projects_things_and_asks_first(project: Devenv, server: str, alone: OwnEngine) -> None:
    """`n` and nothing happens; `y` and they go, without a volume; `--yes` asks nobody."""
    prepare(project, server, compose=BOX)
    alone.run_docker("run", "--name", "foreign", "-v", "precious:/data", "fixture/busybox", "true")
    asked = run_in_terminal(project, "prune", "--all-unused", answers=[("[y/N]", "n\n")])
    assert asked.status == 2, asked.screen
    assert "WOULD GO" in asked.screen
    assert "foreign" in asked.screen.split("[y/N]")[0]
    assert [one["Names"] for one in alone.api.containers(all=True)] == [["/foreign"]]
    assert (project.folder / "dist").exists()
    agreed = run_in_terminal(project, "prune", "--all-unused", answers=[("[y/N]", "y\n")])
    assert agreed.status == 0, agreed.screen
    assert "REMOVED" in agreed.screen
    assert alone.api.containers(all=True) == []
    assert [one["Name"] for one in alone.api.volumes()["Volumes"]] == ["precious"]
    done = project.run("prune", "--all-unused", "--yes", "--json")
    assert done.status == 0, str(done)
    assert done.json()["failures"] == []
