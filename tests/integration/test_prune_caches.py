"""Package managers' caches: real npm, pip and uv on caches of the test's own, and tools that misbehave."""

# nothing else runs
# ruff: noqa: ASYNC221

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from devenv.adapters.cleaning import caches as cache_cleaning
from devenv.adapters.cleaning.caches import CacheCleaning
from devenv.adapters.processes.host import HostProcesses
from devenv.domain.cleaning import CACHES, PruneReport
from tests.support.wait import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment whose caches lie in the test's folder."""
    (tmp_path / "home").mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.lower().startswith(("npm_", "pip_", "uv_"))}
    return {
        **kept,
        "HOME": str(tmp_path / "home"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "npm_config_cache": str(tmp_path / "npm"),
        "PIP_CACHE_DIR": str(tmp_path / "pip"),
    }


async def clean(name: str, environment: dict[str, str], folder: Path, *, dry_run: bool = False) -> PruneReport:
    """Prune one cache."""
    run = HostProcesses("test").run
    return await CacheCleaning(run=run, folder=str(folder), environment=environment, dry_run=dry_run).clean(name)


def tool(environment: dict[str, str], folder: Path, name: str, script: str) -> None:
    """Put a program of that name first on PATH."""
    place = folder / "bin" / name
    place.parent.mkdir(exist_ok=True)
    place.write_text(f"#!/bin/sh\n{script}\n")
    place.chmod(0o755)
    environment["PATH"] = f"{place.parent}:{environment['PATH']}"


def test_every_cache_that_the_configuration_knows_has_a_command() -> None:
    """And no other."""
    assert set(cache_cleaning._TOOLS) == set(CACHES)


async def test_npm_drops_what_nothing_refers_to_and_keeps_the_rest(environment: dict[str, str], tmp_path: Path) -> None:
    """`npm cache verify`: content without an index entry goes; the bytes are the folder's difference."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "package.json").write_text('{"name": "kept", "version": "1.0.0"}')
    (package / "data").write_bytes(os.urandom(300_000))
    subprocess.run(["npm", "pack"], cwd=package, env=environment, check=True, capture_output=True, timeout=60)
    subprocess.run(
        ["npm", "cache", "add", str(package / "kept-1.0.0.tgz")],
        cwd=package, env=environment, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    stray = tmp_path / "npm/_cacache/content-v2/sha512/00/00/stray"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(os.urandom(500_000))
    before = cache_cleaning.measure(str(tmp_path / "npm"))
    report = await clean("npm", environment, tmp_path)
    (row,) = report.reclaimed
    assert (row.kind, row.names) == ("npm cache", (str(tmp_path / "npm"),))
    assert not stray.exists()
    assert 450_000 < row.bytes <= before
    assert cache_cleaning.measure(str(tmp_path / "npm")) > 300_000
    assert report.refused == ()


async def test_npm_in_a_dry_run_changes_nothing_and_guesses_nothing(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Only npm knows what it would drop: the row says so, with no bytes."""
    stray = tmp_path / "npm/_cacache/content-v2/sha512/00/00/stray"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"x" * 10_000)
    (row,) = (await clean("npm", environment, tmp_path, dry_run=True)).reclaimed
    assert (row.bytes, row.note) == (0, "`npm cache verify` decides when it runs what is not needed")
    assert stray.exists()


async def test_pip_s_cache_is_emptied_and_a_dry_run_knows_its_size(environment: dict[str, str], tmp_path: Path) -> None:
    """There is no command of pip that drops only what is needless."""
    cached = tmp_path / "pip/http/a/b/c/d/e/abcde"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(os.urandom(200_000))
    ahead = (await clean("pip", environment, tmp_path, dry_run=True)).reclaimed[0]
    assert cached.exists()
    report = await clean("pip", environment, tmp_path)
    assert report.refused == ()
    assert not cached.exists()
    assert 200_000 <= report.reclaimed[0].bytes <= ahead.bytes
    (again,) = (await clean("pip", environment, tmp_path)).reclaimed
    assert (again.names, again.bytes) == ((), 0)


async def test_a_tool_that_is_not_there_is_refused_by_name(environment: dict[str, str], tmp_path: Path) -> None:
    """The others are pruned all the same; nothing is downloaded to have it."""
    environment["PATH"] = str(tmp_path / "empty")
    report = await clean("yarn", environment, tmp_path)
    assert [(one.name, one.why) for one in report.refused] == [("yarn cache", "there is no program yarn on PATH")]


async def test_a_tool_that_fails_is_refused_with_its_own_words(environment: dict[str, str], tmp_path: Path) -> None:
    """What went before it failed is told as well."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store/one").write_bytes(os.urandom(100_000))
    script = (
        f'[ "$2" = path ] && echo {tmp_path}/store && exit 0\nrm {tmp_path}/store/one\necho "ERR no space" >&2; exit 3'
    )
    tool(environment, tmp_path, "pnpm", script)
    report = await clean("pnpm", environment, tmp_path)
    assert report.refused[0].why == "`pnpm store prune` ended with status 3: ERR no space"
    assert report.bytes >= 100_000


async def test_a_tool_that_hangs_is_ended_with_what_it_started(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deadline, and no process left."""
    monkeypatch.setattr(cache_cleaning, "PRUNE_S", 0.3)
    pid = tmp_path / "pid"
    script = f'[ "$2" = dir ] && echo {tmp_path}/store && exit 0\nsleep 1000 & echo $! > {pid}\nwait'
    tool(environment, tmp_path, "uv", script)
    report = await clean("uv", environment, tmp_path)
    assert "killed after 0.3 s" in report.refused[0].why
    until(lambda: not Path(f"/proc/{pid.read_text().strip()}").exists(), deadline_s=5, what="the end of its child")


@pytest.mark.parametrize("said", ["", "undefined", "relative/path"])
async def test_a_tool_that_names_no_folder_is_not_let_loose(
    environment: dict[str, str], tmp_path: Path, said: str
) -> None:
    """What cannot be measured is not pruned."""
    tool(environment, tmp_path, "yarn", f'[ "$2" = clean ] && touch {tmp_path}/pruned\necho {said}')
    report = await clean("yarn", environment, tmp_path)
    assert "names no folder" in report.refused[0].why
    assert not (tmp_path / "pruned").exists()


async def test_uv_prunes_by_its_own_command(environment: dict[str, str], tmp_path: Path) -> None:
    """The real uv where it is installed, else one that does the same: the folder is asked, then pruned."""
    if shutil.which("uv") is None:
        script = (
            f'[ "$2" = dir ] && echo {tmp_path}/uv && exit 0\n[ "$1 $2" = "cache prune" ] && rm -r {tmp_path}/uv/old'
        )
        tool(environment, tmp_path, "uv", script)
    environment["UV_CACHE_DIR"] = str(tmp_path / "uv")
    (tmp_path / "uv/old").mkdir(parents=True)
    (tmp_path / "uv/old/one").write_bytes(os.urandom(50_000))
    report = await clean("uv", environment, tmp_path)
    assert report.refused == ()
    assert report.reclaimed[0].names == (str(tmp_path / "uv"),)
