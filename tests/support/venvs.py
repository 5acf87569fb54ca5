"""Virtual environments with pinned packages, as the services of users have them, and projects to run in them.

Each is built once, below pytest's cache. Invariant: a folder without its mark is half built, and is built anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from devenv.schema.ir import Dialect
from devenv.schema.ports import CodePlace, ModelQuestion

SQLALCHEMY_14 = ("sqlalchemy==1.4.54", "alembic==1.13.3")
SQLALCHEMY_20 = ("sqlalchemy==2.0.58", "alembic==1.20.1", "asyncpg==0.32.0", "flask-migrate==4.1.0", "greenlet")
SQLALCHEMY_21 = ("sqlalchemy==2.1.9", "alembic==1.20.1", "pg8000==1.31.6")
DJANGO_42 = ("django==4.2.30",)
DJANGO_52 = ("django==5.2.19", "pymysql==1.2.4")

_BUILD_S = 120.0
_RUN_MARKER = "DVT_RUN"  # of the leak check: what a probe leaves behind fails the test


def build_venv(config: pytest.Config, requirements: tuple[str, ...]) -> Path:
    """Return a virtual environment that has these packages."""
    key = hashlib.sha256("\0".join((sys.version, *requirements)).encode()).hexdigest()[:12]
    folder = Path(config.cache.mkdir("venvs")) / key
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs share the cache
        mark = folder / "built"
        if not mark.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run(sys.executable, "-m", "venv", "--without-pip", folder)
            _run(sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "-q", *requirements)
            mark.touch()
    return folder


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Write a project."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


def ask(
    venv: Path,
    folder: Path,
    *,
    reference: str = "",
    alembic_ini: str = "",
    manage_py: str = "",
    dialect: Dialect | None = Dialect.POSTGRESQL,
    environment: Mapping[str, str] | None = None,
) -> ModelQuestion:
    """Return the question for a project's models, with the variables that a service in `venv` has."""
    own = {"PATH": f"{venv}/bin:/usr/bin:/bin", _RUN_MARKER: os.environ.get(_RUN_MARKER, ""), **(environment or {})}
    return ModelQuestion(
        place=CodePlace(folder=str(folder), environment=own, argv=("python", "-m", "app")),
        framework="django" if manage_py else "sqlalchemy",
        dialect=dialect,
        reference=reference,
        alembic_ini=str(folder / alembic_ini) if alembic_ini else "",
        manage_py=str(folder / manage_py) if manage_py else "",
    )


def _run(*argv: str | Path) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_BUILD_S, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, argv))}: exit {done.returncode}\n{done.stderr[-2000:]}"
