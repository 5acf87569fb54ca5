"""Released projects with models and migrations of their own: Optuna and MLflow, as the package index has them.

The gate is held to what SQLAlchemy's inspector and Alembic itself say (`alembic_project.py`). Each test has a database
of its own, on PostgreSQL and as a SQLite file.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from tests.support.daemon import Devenv, Done, make_project
from tests.support.databases import run_postgres
from tests.support.venvs import build_venv

pytestmark = pytest.mark.timeout(400)  # the first run installs them

OPTUNA = ("optuna==5.0.0", "sqlalchemy==2.1.9", "alembic==1.20.1", "pg8000==1.31.6")
OPTUNA_OF_2021 = ("optuna==2.4.0", "sqlalchemy==1.4.54", "alembic==1.13.3", "numpy<2", "pg8000==1.31.6")
MLFLOW = ("mlflow-skinny==3.17.2", "sqlalchemy==2.1.9", "alembic==1.20.1", "pg8000==1.31.6")
OPEN_STORAGE = "import sys, optuna; optuna.storages.RDBStorage(sys.argv[1])"
PROGRAM = Path(__file__).with_name("alembic_project.py")
PASSWORD = "k3pt-secret"
RUN_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A project as its package has it. `start` is where a service of it starts, `ini` and `scripts` are below that.

    `initial` is the metadata of the tables that the first migration builds on; `schema` are the service's rules.
    """

    name: str
    venv: Path
    start: Path
    ini: str
    scripts: str
    metadata: str
    initial: str = ""
    schema: Mapping[str, str] = field(default_factory=dict)

    def run(self, *argv: str | Path) -> str:
        """Run a program of the project's own environment; return what it printed."""
        return run(self.venv / "bin" / "python", *argv)

    def look(self, url: str, *more: str) -> dict[str, Any]:
        """Return what SQLAlchemy and Alembic see in a database; `more` migrates it before."""
        said = self.run(PROGRAM, url, self.start / self.ini, self.start / self.scripts, self.metadata, *more)
        return dict(json.loads(said.splitlines()[-1]))

    def migrate(self, url: str, revision: str) -> dict[str, Any]:
        """Bring an empty database to a revision; return what is then to be seen in it."""
        return self.look(url, self.initial, revision)


MakeDatabase = Callable[[], str]


@pytest.fixture(scope="module")
def optuna(request: pytest.FixtureRequest) -> Released:
    """Return Optuna: alembic.ini lies where the service starts, env.py names the models."""
    venv = build_venv(request.config, OPTUNA)
    return Released(
        name="optuna", venv=venv, start=find_packages(venv) / "optuna/storages/_rdb", ini="alembic.ini",
        scripts="alembic", metadata="optuna.storages._rdb.models:BaseModel",
    )  # fmt: skip


@pytest.fixture(scope="module")
def mlflow(request: pytest.FixtureRequest) -> Released:
    """Return MLflow: its env.py imports no models, and its alembic.ini counts from the root of the checkout."""
    venv = build_venv(request.config, MLFLOW)
    folder = "mlflow/store/db_migrations"
    models = "mlflow.store.db.utils:Base"
    return Released(
        name="mlflow", venv=venv, start=find_packages(venv), ini=f"{folder}/alembic.ini", scripts=folder,
        metadata=models, initial="mlflow.store.tracking.dbmodels.initial_models:Base",
        schema={"models": models, "migrations": f"{folder}/alembic.ini"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def optuna_of_2021(request: pytest.FixtureRequest) -> Path:
    """Return an environment with the release that had revision v2.4.0.a."""
    return build_venv(request.config, OPTUNA_OF_2021)


@pytest.fixture(scope="module")
def postgres() -> Iterator[int]:
    """Run PostgreSQL, and give its port."""
    with run_postgres(password=PASSWORD) as port:
        yield port


@pytest.fixture(params=["postgresql", "sqlite"])
def make_database(request: pytest.FixtureRequest, tmp_path: Path) -> MakeDatabase:
    """Return a function that makes an empty database and gives its URL."""
    made: list[str] = []

    def make() -> str:
        made.append(f"{tmp_path.name}_{len(made)}".lower())
        if request.param == "sqlite":
            return f"sqlite:///{tmp_path / made[-1]}.db"
        address = f"//app:{PASSWORD}@127.0.0.1:{request.getfixturevalue('postgres')}"
        with psycopg.connect(f"postgresql:{address}/postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{made[-1]}"')
        return f"postgresql+pg8000:{address}/{made[-1]}"

    return make


@pytest.fixture
def project(tmp_path: Path, unique_name: str, leak_check: None) -> Iterator[Devenv]:
    """Give an empty stack."""
    del leak_check
    with make_project(tmp_path / "project", tmp_path / "state", unique_name) as made:
        yield made


def test_optuna_has_no_finding_when_it_made_its_storage(
    project: Devenv, optuna: Released, make_database: MakeDatabase
) -> None:
    """What the release creates itself is what its models say, in every detail."""
    url = make_database()
    optuna.run("-c", OPEN_STORAGE, url)
    verdict = check(project, optuna, url, expect=0)
    assert verdict["findings"] == []
    assert verdict["checked"] == ["10 Alembic migrations", "12 tables of SQLAlchemy models of env.py"]


def test_optuna_is_told_what_it_lacks_when_an_old_release_made_the_storage(
    project: Devenv, optuna: Released, optuna_of_2021: Path, make_database: MakeDatabase
) -> None:
    """The release of 2021 made this database; the one of today is told what came since."""
    fresh, old = make_database(), make_database()
    optuna.run("-c", OPEN_STORAGE, fresh)
    run(optuna_of_2021 / "bin" / "python", "-c", OPEN_STORAGE, old)
    seen = optuna.look(old)
    verdict = check(project, optuna, old, expect=6)
    assert len(seen["pending"]) == 6
    assert find_pending(verdict) == seen["pending"]
    missing = find_lost(optuna.look(fresh), seen)
    assert "table-missing:trial_heartbeats" in missing
    assert find_missing(differences(project, optuna, old, expect=6)) == missing


def test_optuna_lacks_one_table_when_only_its_upgrade_has_run(
    project: Devenv, optuna: Released, optuna_of_2021: Path, make_database: MakeDatabase
) -> None:
    """No migration makes trial_heartbeats, the next opening of the storage does: both are seen."""
    url = make_database()
    run(optuna_of_2021 / "bin" / "python", "-c", OPEN_STORAGE, url)
    run(optuna.venv / "bin" / "optuna", "storage", "upgrade", "--storage", url)
    verdict = check(project, optuna, url, expect=6)
    assert find_grave(verdict) == ["table-missing:trial_heartbeats"]
    assert "no migration makes it" in verdict["findings"][0]["text"]
    optuna.run("-c", OPEN_STORAGE, url)
    assert find_grave(check(project, optuna, url, expect=0)) == []


def test_mlflow_has_no_error_when_it_is_at_head(project: Devenv, mlflow: Released, make_database: MakeDatabase) -> None:
    """67 migrations bring the 64 tables; a type is told only where Alembic, too, finds that the models want another."""
    url = make_database()
    seen = mlflow.migrate(url, "heads")
    found = differences(project, mlflow, url)
    lengths = [one["id"] for one in found if one["kind"] == "length-differs"]
    if url.startswith("sqlite"):
        assert lengths == []  # it keeps texts of any length
    else:
        assert sorted(lengths) == sorted(f"length-differs:{column}" for column in seen["retyped"])
    verdict = check(project, mlflow, url, expect=0)
    assert find_grave(verdict) == []
    assert verdict["checked"] == ["67 Alembic migrations", "64 tables of SQLAlchemy mlflow.store.db.utils:Base"]


@pytest.mark.parametrize(("revision", "count"), [("acf3f17fdcc7", 44), ("b7e2c1a4d9f3", 2)], ids=["far", "near"])
def test_mlflow_is_told_what_it_lacks_when_it_is_behind(
    project: Devenv, mlflow: Released, make_database: MakeDatabase, revision: str, count: int
) -> None:
    """The pending revisions by name, and exactly the tables and columns that they add."""
    head, behind = make_database(), make_database()
    at_head, seen = mlflow.migrate(head, "heads"), mlflow.migrate(behind, revision)
    verdict = check(project, mlflow, behind, expect=6)
    assert len(seen["pending"]) == count
    assert find_pending(verdict) == seen["pending"]
    missing = find_lost(at_head, seen)
    assert missing
    assert find_missing(differences(project, mlflow, behind, expect=6)) == missing


def check(project: Devenv, released: Released, url: str, *, expect: int, **rules: str) -> dict[str, Any]:
    """Return the verdict of `devenv check` on a service of the project with that database."""
    (verdict,) = ask(project, released, url, "check", expect=expect, **rules)
    return verdict


def differences(project: Devenv, released: Released, url: str, *, expect: int | None = None) -> list[dict[str, Any]]:
    """Return what `devenv schema diff` lists."""
    (compared,) = ask(project, released, url, "schema", "diff", expect=expect)
    return list(compared["differences"])


def ask(
    project: Devenv, released: Released, url: str, *command: str, expect: int | None, **rules: str
) -> list[dict[str, Any]]:
    """Write the stack, run a command and return the services of its document."""
    service = {
        "command": f"{released.venv / 'bin' / 'python'} -m {released.name}",
        "working_dir": str(released.start),
        "environment": {"DATABASE_URL": url},
        "schema": {**released.schema, **rules} or True,
    }
    project.write(yaml.safe_dump({"name": project.name, "services": {released.name: service}}))
    done: Done = project.run(*command, released.name, "--json", deadline_s=RUN_S)
    assert PASSWORD not in done.text
    assert expect is None or done.status == expect, str(done)
    return list(done.json()["services"])


def find_packages(venv: Path) -> Path:
    """Return the folder of an environment's packages."""
    (folder,) = (venv / "lib").glob("python3*/site-packages")
    return folder


def find_pending(verdict: dict[str, Any]) -> list[str]:
    """Return the pending migrations that the finding lists."""
    (finding,) = (one for one in verdict["findings"] if one["id"] == "migrations-pending:alembic")
    listed = [line.removeprefix("pending: ") for line in finding["details"] if line.startswith("pending: ")]
    return [line.split()[0] for line in listed]


def find_grave(verdict: dict[str, Any]) -> list[str]:
    """Return the ids of the errors and of what could not be looked at."""
    return [one["id"] for one in verdict["findings"] if one["severity"] in {"error", "unknown"}]


def find_missing(found: list[dict[str, Any]]) -> set[str]:
    """Return the ids of the missing tables and columns."""
    return {one["id"] for one in found if one["kind"] in {"table-missing", "column-missing"}}


def find_lost(head: dict[str, Any], behind: dict[str, Any]) -> set[str]:
    """Return what the inspector sees at the head and not in the database that is behind, as ids of differences."""
    there: dict[str, list[str]] = behind["columns"]
    return {
        *(f"table-missing:{table}" for table in head["columns"] if table not in there),
        *(f"column-missing:{table}.{column}" for table, columns in head["columns"].items() if table in there
          for column in columns if column not in there[table]),
    }  # fmt: skip


def run(*argv: str | Path) -> str:
    """Run a program; return what it printed, fail by what it complained about."""
    quiet = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(argv, env=quiet, capture_output=True, text=True, timeout=RUN_S, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, argv))}\n{done.stderr[-2000:]}"
    return done.stdout
