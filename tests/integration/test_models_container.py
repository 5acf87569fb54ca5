"""Models whose code lives in a container, read there: the Python that it has, its paths, its variables."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devenv.adapters.models.reader import read_models
from devenv.schema.ir import Dialect
from devenv.schema.ports import CannotLook, CodePlace, ModelQuestion
from tests.conftest import RUN_PREFIX
from tests.support import images
from tests.support.engine import PROJECT_LABEL, Engine
from tests.support.venvs import SQLALCHEMY_14, build_venv, write_files

MODELS = """\
    import os
    import sqlalchemy as sa
    metadata = sa.MetaData()
    sa.Table(os.environ["TABLE"], metadata, sa.Column("id", sa.Integer, primary_key=True))
"""
HANG = "import subprocess\nprint('loading')\nsubprocess.run(['sleep', '77'])\n"


INI = "[alembic]\nscript_location = %(here)s/migrations\nprepend_sys_path = /code\n"
ENV = "from alembic import context\nfrom app.models import metadata\ncontext.configure(target_metadata=metadata)\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of this machine with the migrations."""
    return write_files(tmp_path_factory.mktemp("host") / "api", {"alembic.ini": INI, "migrations/env.py": ENV})


@pytest.fixture(scope="module")
def container(
    engine: Engine, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, project: Path
) -> Iterator[str]:
    """Return a running container with the code in /code, the migrations mounted, and SQLAlchemy on its path."""
    packages = next(build_venv(request.config, SQLALCHEMY_14).glob("lib/*/site-packages"))
    code = write_files(
        tmp_path_factory.mktemp("code"),
        {"app/__init__.py": "", "app/models.py": MODELS, "app/hang.py": HANG, "app/bad.py": "import nowhere\n"},
    )
    name = f"{RUN_PREFIX}models"
    made = engine.run_docker(
        "create", "--name", name, "--network", "none", "--label", f"{PROJECT_LABEL}={name}",
        "-e", "PYTHONPATH=/packages", "-e", "TABLE=inside", "-v", f"{project}:/mounted",
        images.PYWEB, "/bin/sleep", "600",
    )  # fmt: skip
    try:
        engine.run_docker("cp", f"{packages}/.", f"{made}:/packages")
        engine.run_docker("cp", f"{code}/.", f"{made}:/code")
        engine.run_docker("start", made)
        yield made
    finally:
        engine.run_docker("rm", "-f", "-v", made)


def ask(container: str, reference: str, folder: str = "/code") -> ModelQuestion:
    """Return the question for a module in the container."""
    place = CodePlace(folder=folder, argv=("uvicorn", "app.main:app"), container=container)
    return ModelQuestion(place=place, framework="sqlalchemy", dialect=Dialect.POSTGRESQL, reference=reference)


def test_models_are_read_when_their_code_is_in_a_container(container: str, tmp_path: Path) -> None:
    """With the container's own variables and paths; nothing of it is cached."""
    question = ask(container, "app.models:metadata")
    answers = [read_models(question, cache_dir=tmp_path, deadline_s=20.0) for _ in range(2)]
    assert {(table.name, table.place) for answer in answers for table in answer.schema.tables} == {
        ("inside", "app/models.py:4")
    }
    assert list(tmp_path.iterdir()) == []


def test_env_py_is_found_when_its_folder_is_mounted(container: str, project: Path, tmp_path: Path) -> None:
    """The question names files of this machine; what is not mounted is looked for in the working directory."""
    question = ask(container, "", str(project.parent))
    question = replace(question, alembic_ini=str(project / "alembic.ini"))
    answer = read_models(question, cache_dir=tmp_path, deadline_s=20.0)
    assert [table.name for table in answer.schema.tables] == ["inside"]


def test_line_is_named_when_models_in_a_container_cannot_be_imported(container: str) -> None:
    """The command to try is one for the container."""
    with pytest.raises(CannotLook) as caught:
        read_models(ask(container, "app.bad:metadata"), cache_dir=None, deadline_s=20.0)
    assert (caught.value.code, caught.value.place) == ("models-not-importable", "app/bad.py:1")


def test_probe_is_ended_with_its_children_when_models_in_a_container_hang(engine: Engine, container: str) -> None:
    """Nobody outside can end it: it ends itself, and what it started."""
    began = time.monotonic()
    with pytest.raises(CannotLook) as caught:
        read_models(ask(container, "app.hang:metadata"), cache_dir=None, deadline_s=2.0)
    assert (caught.value.code, caught.value.place) == ("models-hung", "app/hang.py:3")
    assert time.monotonic() - began < 5.0
    listed = engine.run_docker("top", container, "-eo", "pid,args")
    assert [line for line in listed.splitlines() if "77" in line or "python" in line] == []


def test_finding_says_so_when_the_container_lacks_the_folder(container: str) -> None:
    """The engine's own words."""
    with pytest.raises(CannotLook) as caught:
        read_models(ask(container, "app.models:metadata", "/nowhere"), cache_dir=None, deadline_s=20.0)
    assert (caught.value.code, "/nowhere" in caught.value.reason) == ("no-interpreter", True), caught.value.reason


def test_finding_says_so_when_the_container_is_gone(engine: Engine) -> None:
    """The engine's own words."""
    assert engine is not None
    with pytest.raises(CannotLook) as caught:
        read_models(ask("no-such-container", "app.models:metadata"), cache_dir=None, deadline_s=20.0)
    assert (caught.value.code, "no such container" in caught.value.reason.lower()) == ("no-container", True)
