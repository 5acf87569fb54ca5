"""Lock files against what real package managers install: npm, pip and uv."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from devenv.domain.findings import Finding
from devenv.lockfiles.check import check_locks

INSTALL_S = 60.0


def run(folder: Path, *command: str | Path, **environment: str) -> None:
    """Run a package manager in `folder`."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def check(folder: Path, *argv: str, environment: Mapping[str, str] | None = None) -> list[Finding]:
    """Return what is found for a service in `folder`."""
    return list(check_locks(folder, environment=environment or os.environ, argv=argv, stop_at=folder))


@pytest.fixture(scope="module")
def npm_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace as `npm ci` leaves it: a nested version, a package of another platform, a development one."""
    folder = tmp_path_factory.mktemp("npm")
    manifest = {
        "name": "shop",
        "private": True,
        "workspaces": ["web"],
        "dependencies": {"ms": "2.0.0"},
        "optionalDependencies": {"fsevents": "2.3.3"},
        "devDependencies": {"is-number": "7.0.0"},
    }
    (folder / "package.json").write_text(json.dumps(manifest))
    (folder / "web").mkdir()
    (folder / "web/package.json").write_text('{"name": "web", "version": "1.0.0", "dependencies": {"debug": "4.3.4"}}')
    run(folder, "npm", "install", "--package-lock-only", "--no-audit", "--no-fund")
    run(folder, "npm", "ci", "--no-audit", "--no-fund")
    return folder


@pytest.fixture
def npm(npm_project: Path, tmp_path: Path) -> Path:
    """Return a copy to break."""
    return Path(shutil.copytree(npm_project, tmp_path / "npm", symlinks=True))


def test_npm_is_well_when_it_has_just_installed(npm: Path) -> None:
    """From the root and from a member of the workspace."""
    assert check(npm, "npm", "start") == []
    assert check_locks(npm / "web", environment={}, argv=("npm",), stop_at=npm) == ()


def test_npm_is_found_out_when_a_folder_is_deleted_and_a_lock_is_changed(npm: Path) -> None:
    """The nested package goes with its folder; the lock file came with a `git pull`."""
    shutil.rmtree(npm / "node_modules/debug")
    lock = npm / "package-lock.json"
    data = json.loads(lock.read_text())
    data["packages"]["node_modules/ms"]["version"] = "2.1.3"
    lock.write_text(json.dumps(data))

    missing, differing = check(npm, "npm", "start")

    assert missing.details == ("debug 4.3.4", "ms 2.1.2")
    assert differing.text == "node_modules is older than package-lock.json: ms 2.0.0 installed, 2.1.3 locked"


def test_npm_is_well_when_development_packages_are_left_out(npm: Path) -> None:
    """`npm ci --omit=dev` is an installation as well."""
    run(npm, "npm", "ci", "--omit=dev", "--no-audit", "--no-fund")

    assert check(npm, "npm", "start") == []


@pytest.fixture(scope="module")
def pip_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with pins, installed by pip into a real environment."""
    folder = tmp_path_factory.mktemp("pip")
    requirements = "iniconfig==2.0.0\ncolorama==0.4.6 ; sys_platform == 'win32'\n"
    (folder / "requirements.txt").write_text(requirements)
    run(folder, sys.executable, "-m", "venv", ".venv")
    run(folder, ".venv/bin/pip", "install", "--quiet", "-r", "requirements.txt")
    return folder


def test_pip_is_well_when_it_has_just_installed(pip_project: Path) -> None:
    """By the program's path, by the environment on the PATH, and by the folder beside the lock file."""
    on_path = {"PATH": f"{pip_project / '.venv/bin'}:{os.environ['PATH']}"}

    assert check(pip_project, ".venv/bin/python", "app.py") == []
    assert check(pip_project, "python", "app.py", environment=on_path) == []
    assert check(pip_project, "make") == []


def test_pip_is_found_out_when_the_pins_have_moved_on(pip_project: Path) -> None:
    """A new package and a newer version, as after a `git pull`; the fix is the command that mends it."""
    pins = pip_project / "requirements.txt"
    before = pins.read_text()
    pins.write_text("iniconfig==2.1.0\nsniffio==1.3.1\n")
    try:
        missing, differing = check(pip_project, ".venv/bin/python", "app.py")
    finally:
        pins.write_text(before)

    assert missing.text == ".venv lacks 1 package of requirements.txt: sniffio 1.3.1"
    assert missing.fix == ".venv/bin/pip install -r requirements.txt"
    assert differing.text == ".venv is older than requirements.txt: iniconfig 2.0.0 installed, 2.1.0 locked"


def test_environment_is_found_out_when_it_was_moved(pip_project: Path, tmp_path: Path) -> None:
    """Pip's own script starts an interpreter that is no longer there."""
    moved = tmp_path / "moved"
    shutil.copytree(pip_project, moved, symlinks=True)
    script = moved / ".venv/bin/pip"
    script.write_text(script.read_text().replace(str(pip_project), "/gone"))

    (finding,) = check(moved, ".venv/bin/pip", "list")

    assert "was moved (its pip starts /gone/.venv/bin/python" in finding.text


@pytest.fixture(scope="module")
def uv_project(pip_project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return uv itself and a project that it has synchronised: groups, an extra, markers."""
    run(pip_project, ".venv/bin/pip", "install", "--quiet", "uv")
    uv = pip_project / ".venv/bin/uv"
    project = tmp_path_factory.mktemp("uv")
    (project / "pyproject.toml").write_text(
        """
        [project]
        name = "shop"
        version = "0.1.0"
        requires-python = ">=3.11"
        dependencies = ["click>=8; sys_platform != 'win32'", "sniffio; sys_platform == 'win32'"]
        [project.optional-dependencies]
        extra = ["markupsafe"]
        [dependency-groups]
        dev = ["iniconfig"]
        docs = ["six"]
        [tool.uv]
        package = false
        """
    )
    run(project, uv, "sync", "--quiet", "--python", sys.executable, VIRTUAL_ENV="")
    return uv, project


def test_uv_is_well_when_it_has_just_synchronised(uv_project: tuple[Path, Path]) -> None:
    """Extras, other groups and other platforms are not asked for."""
    assert check(uv_project[1], ".venv/bin/python", "app.py") == []


def test_uv_is_found_out_when_a_package_is_removed_and_well_after_the_fix(uv_project: tuple[Path, Path]) -> None:
    """The command of the finding mends it."""
    uv, project = uv_project
    run(project, uv, "pip", "uninstall", "--quiet", "--python", ".venv", "click")

    (finding,) = check(project, ".venv/bin/python", "app.py")
    run(project, uv, *finding.fix.split()[1:], "--quiet", VIRTUAL_ENV="")

    assert finding.text.startswith(".venv lacks 1 package of uv.lock: click ")
    assert check(project, ".venv/bin/python", "app.py") == []
