"""A state folder on a disk that is full: a sentence and a status, and no service is harmed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import Devenv, make_project

SIZE_KIB = 512


@pytest.fixture
def small(tmp_path: Path, unique_name: str, leak_check: None) -> Iterator[Devenv]:
    """Give a project whose state lies on a file system of half a megabyte, unmounted whatever happens."""
    del leak_check
    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.fail("this test mounts a small tmpfs: it needs Linux and root")
    state = tmp_path / "small"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_KIB}k", "devenv-test", str(state)], check=True)
    try:
        with make_project(tmp_path / "project", state, unique_name) as made:
            yield made
    finally:
        subprocess.run(["umount", "--lazy", str(state)], check=True)


def _fill(state: Path) -> Path:
    path = state / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return path


def test_up_says_that_the_disk_is_full_when_it_is_from_the_start(small: Devenv, server: str) -> None:
    """A warning that says so; and though nothing could be written down, `down` without a daemon ends it all."""
    small.write(f"services: {{web: {{command: {server} 0}}}}\n")
    _fill(small.state)
    done = small.up()
    assert "disk is full" in done.err
    assert "Traceback" not in done.text
    small.kill_daemon()
    small.down()
    assert not [one for one in small.processes() if one not in small.daemons()]


def test_stack_goes_on_when_the_disk_fills_up_under_it(small: Devenv, server: str) -> None:
    """Status still answers and says so; `down` still ends everything; with room again all is as ever."""
    small.write(f"services: {{web: {{command: {server} 0}}, other: {{command: {server} 0}}}}\n")
    small.up("web")
    filler = _fill(small.state)
    assert small.states()["web"] == "ready"
    done = small.run("up")
    assert "disk is full" in done.err, str(done)
    assert "Traceback" not in done.text
    assert small.states()["web"] == "ready"
    assert small.run("down").status in {0, 3}
    assert not [one for one in small.processes() if one not in small.daemons()]
    filler.unlink()
    small.up()
    assert set(small.states().values()) == {"ready"}


def test_daemon_killed_on_a_full_disk_loses_no_service(small: Devenv, server: str) -> None:
    """What runs is found by its marks though the record could not be written."""
    small.write(f"services: {{web: {{command: {server} 0}}}}\n")
    small.up()
    _fill(small.state)
    before = small.identities()
    small.kill_daemon()
    done = small.run("status", "--json")
    assert done.status in {0, 3, 8}, str(done)
    if done.status == 0:
        assert {row["name"]: row["pid"] for row in done.json()["services"]} == before
    (small.state / "filler").unlink()
    assert small.identities() == before
    small.down()
    assert not [one for one in small.processes() if one not in small.daemons()]
