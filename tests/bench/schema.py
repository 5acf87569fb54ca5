"""The schema gate: a whole `devenv check` on 500 tables, and what a service's own models add to its import.

Invariant: every check that is timed was first seen to find nothing on the untouched database, and something after a
column was dropped, so that no time is that of a check which did not look.
"""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.bench.big_project import write_alembic, write_prisma
from tests.bench.big_schema import write_ddl
from tests.bench.lab import Failed, Lab
from tests.bench.rows import Row, compare, middle, show_ms
from tests.support.databases import run_postgres

WHOLE_S, OVER_ALEMBIC = 1.0, 0.2
COLD_S, WARM_S = 0.3, 0.15
MODELS = (100, 500)
PASSWORD = "bench"


def run_gate(lab: Lab) -> list[Row]:
    """Compare a check of schema.prisma and of the same 500 tables as SQLAlchemy models with `alembic check`."""
    with _database(write_ddl()) as url:
        prisma = _write(lab, "prisma", url, {"prisma/schema.prisma": write_prisma()})
        project = _write(lab, "alembic", url, write_alembic())
        for folder in (prisma, project):
            _prove(lab, folder, url)
        times: dict[str, list[float]] = {"devenv check (Prisma)": [], "devenv check (models)": [], "alembic check": []}
        alembic = [sys.executable, "-m", "alembic", "check"]
        for _ in range(lab.rounds):
            for name in lab.shuffled(times):
                folder = prisma if "Prisma" in name else project
                argv = alembic if name.startswith("alembic") else lab.devenv(folder, lab.prefix, "check")
                times[name].append(lab.time(argv, folder, {"DATABASE_URL": url}))
    rows = [
        Row(
            case="gate",
            what=f"{name}, 500 tables, whole command",
            value=middle(times[name]),
            limit=WHOLE_S if "Prisma" in name else None,
            unit="s",
            detail=f"{show_ms(times[name])} ms, n={len(times[name])}",
            samples={name: times[name]},
        )
        for name in times
    ]
    ours = "devenv check (Prisma)"
    theirs = ("alembic check", times["alembic check"])
    return [*rows, compare("gate", f"{ours} over alembic check", (ours, times[ours]), theirs, OVER_ALEMBIC)]


def run_models(lab: Lab) -> list[Row]:
    """Compare the gate of SQLAlchemy models, cold and warm, with the time that importing the models takes."""
    rows: list[Row] = []
    for tables in MODELS:
        with _database(write_ddl(tables)) as url:
            folder = _write(lab, f"models{tables}", url, write_alembic(tables))
            _prove(lab, folder, url)
            times: dict[str, list[float]] = {"import": [], "cold": [], "warm": []}
            for _ in range(lab.rounds):
                times["import"].append(_time_import(lab, folder))
                _forget(lab)
                times["cold"].append(_time_gate(lab, folder, url))
                times["warm"].append(_time_gate(lab, folder, url))
        added = [cold - middle(times["import"]) for cold in times["cold"]]
        told = ", ".join(f"{name} {show_ms(samples)}" for name, samples in times.items())
        for what, value, limit in (
            ("cold, beyond the import of the models", middle(added), COLD_S),
            ("warm", middle(times["warm"]), WARM_S),
        ):
            rows.append(
                Row(
                    case="models",
                    what=f"gate of {tables} SQLAlchemy tables, {what}",
                    value=value,
                    limit=limit if tables == MODELS[0] or what != "warm" else None,
                    unit="s",
                    detail=f"{told} ms, n={lab.rounds}",
                    samples=times,
                )
            )
    return rows


@contextmanager
def _database(ddl: str) -> Iterator[str]:
    import psycopg

    with run_postgres(password=PASSWORD) as port:
        url = f"postgresql+psycopg://app:{PASSWORD}@127.0.0.1:{port}/postgres"
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(ddl)
            connection.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
            connection.execute("INSERT INTO alembic_version VALUES ('0001')")
            connection.execute("ANALYZE")
        yield url


def _write(lab: Lab, name: str, url: str, files: Mapping[str, str]) -> Path:
    command = f"{sys.executable} -m app"  # tells which interpreter reads the models
    service = f'name: {lab.prefix}\nservices:\n  api: {{command: "{command}", schema: {{database: "{url}"}}}}\n'
    folder = lab.place(name)
    for path, text in {"services.yaml": service, **files}.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder


def _check(lab: Lab, folder: Path, url: str) -> Mapping[str, object]:
    argv = lab.devenv(folder, lab.prefix, "check", "--json")
    document = json.loads(lab.run(argv, folder, {"DATABASE_URL": url}, check=False))
    (service,) = document["services"]
    found: Mapping[str, object] = {**service, "status": document["status"]}
    return found


def _prove(lab: Lab, folder: Path, url: str) -> None:
    """See that the check passes on what is right, and finds a column that is not there."""
    import psycopg

    right = _check(lab, folder, url)
    if right["status"] != 0 or "'severity': 'unknown'" in str(right["findings"]):
        raise Failed(f"the untouched database does not pass: {str(right)[:1000]}")
    table = "ledger_entry_007"
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"ALTER TABLE {table} RENAME COLUMN weight TO mass")
        wrong = _check(lab, folder, url)
        connection.execute(f"ALTER TABLE {table} RENAME COLUMN mass TO weight")
    if wrong["status"] != 6 or "weight" not in str(wrong["findings"]):
        raise Failed(f"a column that is gone was not found: {str(wrong)[:1000]}")


def _time_import(lab: Lab, folder: Path) -> float:
    return lab.time([sys.executable, "-c", "import models"], folder)


def _time_gate(lab: Lab, folder: Path, url: str) -> float:
    """Return how long the gate itself took: what `up` waits for, without the command around it."""
    found = _check(lab, folder, url)
    took = found["took_s"]
    assert isinstance(took, float)
    return took


def _forget(lab: Lab) -> None:
    for remembered in lab.folder.glob("state/*/models"):
        shutil.rmtree(remembered)
