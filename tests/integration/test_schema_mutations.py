"""The comparison against real servers: an untouched database differs in nothing, and hundreds of changes are all found.

Two schemas of more than 60 tables each, one of SQLAlchemy and one of Prisma, are made on PostgreSQL and changed at
random; the SQLAlchemy one on MariaDB and SQLite as well, with fewer changes. A seed names each run.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import psycopg
import pymysql
import pytest

from devenv.adapters.databases.opening import open_database
from devenv.adapters.databases.postgres import PostgresDatabase
from devenv.adapters.models.reader import read_models
from devenv.domain.findings import Severity
from devenv.schema.compare import compare
from devenv.schema.differences import Difference
from devenv.schema.ir import Dialect, Schema
from devenv.schema.ports import CodePlace, ModelQuestion
from devenv.schema.prisma.parser import read_prisma
from devenv.schema.prisma.translate import to_schema
from tests.support.databases import run_mariadb, run_postgres
from tests.support.schema_mutations import POSTGRES, Constraint, Mutation, Target
from tests.support.schema_mutations_small import MARIADB, SQLITE, Change
from tests.support.wait import until

ROOT = Path(__file__).parents[2]
PRISMA = ROOT / "tests" / "support" / "prisma"
PASSWORD = "s3cret"
SEED = int(os.environ.get("SCHEMA_SEED", "3"))
ONLY_POSTGRES = ("search_*",)
DRAWS = 40
"""So often another target is drawn where the server refuses a change, or where it would change nothing."""

MAKE = "import sys; from tests.support.shop_models import create_all; create_all(sys.argv[1])"
CONSTRAINTS = """
select n.nspname, c.relname, k.conname, k.contype::text, array(
    select a.attname::text from unnest(k.conkey) with ordinality u(number, position)
    join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.number order by u.position)
from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
where k.contype in ('p', 'u', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by 1, 2, 3
"""


class OpenTransaction(PostgresDatabase):
    """Reads the catalogue through a transaction that is still open, as nobody else can see what it changed."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self.version = "PostgreSQL"
        self.default_schema = "public"

    def query(self, sql: str) -> list[tuple[object, ...]]:
        return self._connection.execute(sql).fetchall()


def make_shop(url: str, *, crm: str) -> None:
    """Make the tables of the SQLAlchemy models."""
    command = [sys.executable, "-c", MAKE, url]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "SHOP_CRM_SCHEMA": crm}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def read_shop(dialect: Dialect, *, crm: str) -> Schema:
    """Read the SQLAlchemy models as the gate does: in an interpreter of their own."""
    environment = {**os.environ, "SHOP_CRM_SCHEMA": crm}
    place = CodePlace(folder=str(ROOT), environment=environment, argv=(sys.executable,))
    reference = "tests.support.shop_models:Base"
    question = ModelQuestion(place=place, framework="sqlalchemy", dialect=dialect, reference=reference)
    return read_models(question, cache_dir=None).schema


@pytest.fixture(scope="module")
def postgres() -> Iterator[int]:
    """Give the port of a PostgreSQL with the databases `shop` (SQLAlchemy) and `prisma`."""
    with run_postgres(password=PASSWORD) as port:
        until(lambda: create_databases(port), deadline_s=10, what="a server that has started", poll_s=0.02)
        make_shop(url_of(port, "shop").replace("postgresql:", "postgresql+psycopg:"), crm="crm")
        with psycopg.connect(url_of(port, "prisma")) as connection:
            connection.execute((PRISMA / "shop.sql").read_text())
        yield port


def create_databases(port: int) -> bool:
    """Make the empty databases; False as long as the server listens and does not serve yet."""
    try:
        with psycopg.connect(url_of(port, "postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE shop")
            connection.execute("CREATE DATABASE prisma")
    except psycopg.OperationalError:
        return False
    return True


def url_of(port: int, name: str) -> str:
    """Return the URL of a database of the PostgreSQL."""
    return f"postgresql://app:{PASSWORD}@127.0.0.1:{port}/{name}"


EXPECTED: dict[str, Callable[[], Schema]] = {
    "shop": lambda: read_shop(Dialect.POSTGRESQL, crm="crm"),
    "prisma": lambda: to_schema(read_prisma(PRISMA / "shop.prisma")),
}


# Prisma keeps columns unique by indexes alone.
IMPOSSIBLE = {"shop": (), "prisma": ("replace_constraint_by_index",)}


@pytest.mark.parametrize("name", EXPECTED)
def test_nothing_differs_when_postgresql_is_untouched(postgres: int, name: str) -> None:
    """More than 60 tables of each source, with whatever the two can ask of a database."""
    expected = EXPECTED[name]()
    with closing(open_database(url_of(postgres, name), folder="/")) as live:
        found = compare(expected, live.introspect())
    assert len(expected.tables) > 60
    assert found == ()


@pytest.mark.parametrize("name", EXPECTED)
def test_every_change_is_found_when_postgresql_is_changed(postgres: int, name: str) -> None:
    """More than 300 changes of 36 kinds: what breaks code is an error and nothing else is, what is harmless is none."""
    expected = EXPECTED[name]()
    with psycopg.connect(url_of(postgres, name)) as connection:
        connection.execute("SET lock_timeout = '10s'")
        live = OpenTransaction(connection)
        constraints = [Constraint(schema=s, table=t, name=n, kind=k, columns=tuple(c))
                       for s, t, n, k, c in connection.execute(CONSTRAINTS)]  # fmt: skip
        target = Target(
            expected=expected, live=live.introspect(), constraints=tuple(constraints), dice=random.Random(SEED)
        )
        connection.commit()

        def attempt(mutation: Mutation) -> tuple[Difference, ...] | None:
            try:
                for statement in mutation.statements:
                    connection.execute(statement)
                return compare(expected, live.introspect())
            except psycopg.Error:
                return None
            finally:
                connection.rollback()

        done = Counter[str]()
        failures = []
        views = {f"table-missing:{table.title}" for table in expected.tables if table.is_view}
        for make in POSTGRES * 9:
            for _ in range(DRAWS):
                mutation = draw(make, target)
                found = attempt(mutation) if mutation else None
                if mutation and found is not None:
                    done[make.__name__] += 1
                    what = "; ".join(mutation.statements)
                    failures += judge(what, mutation, found, views)
                    break
    assert failures == [], f"seed {SEED}: {len(failures)} of {done.total()} changes\n" + "\n".join(failures)
    assert done.total() > 300
    assert_each_was_tried([make for make in POSTGRES if make.__name__ not in IMPOSSIBLE[name]], done)


def draw(make: Callable[[Target], Mutation | Change | None], target: Target) -> Mutation | Change | None:
    """Return a change, None where the dice fell on what cannot be changed so."""
    try:
        return make(target)
    except IndexError:
        return None


def judge(
    what: str, mutation: Mutation | Change, found: Sequence[Difference], tolerated: Iterable[str] = ()
) -> Iterator[str]:
    """Give what the comparison got wrong: an error too many or too few, a finding that is not there."""
    told = {difference.id for difference in found}
    errors = {difference.id for difference in found if difference.severity is Severity.ERROR} - set(tolerated)
    if errors != mutation.errors:
        yield f"{what}: errors {sorted(errors)}, not {sorted(mutation.errors)}"
    if not mutation.others <= told:
        yield f"{what}: {sorted(mutation.others - told)} not among {sorted(told)}"
    if mutation.is_silent and told:
        yield f"{what}: {sorted(told)} is told"


def assert_each_was_tried(makers: Sequence[Callable[..., object]], done: Counter[str]) -> None:
    """Check that no kind of change was refused each time."""
    assert {make.__name__ for make in makers} == set(done)


def test_every_change_is_found_when_mariadb_is_changed() -> None:
    """Nothing differs before and after; in between, 45 changes are made, told and taken back."""
    with run_mariadb(password=PASSWORD) as port:
        address = f"app:{PASSWORD}@127.0.0.1:{port}/app"
        make_shop(f"mysql+pymysql://{address}", crm="")
        expected = read_shop(Dialect.MYSQL, crm="")
        login = {"host": "127.0.0.1", "port": port, "user": "app", "password": PASSWORD, "database": "app"}
        with (
            closing(open_database(f"mysql://{address}", folder="/")) as live,
            closing(pymysql.connect(**login, autocommit=True)) as connection,
            connection.cursor() as cursor,
        ):

            def look() -> tuple[Difference, ...]:
                return compare(expected, live.introspect(), ignore=ONLY_POSTGRES)

            def attempt(change: Change) -> tuple[Difference, ...] | None:
                cursor.execute(f"SHOW CREATE TABLE `{change.table}`")
                ((_, before),) = cursor.fetchall()
                try:
                    cursor.execute(change.statement)
                    found = look()
                except pymysql.MySQLError:
                    return None
                if change.undo:
                    cursor.execute(change.undo)
                else:
                    cursor.execute(f"DROP TABLE IF EXISTS `{change.table}`")
                    cursor.execute(before)
                return found

            cursor.execute("SET foreign_key_checks = 0")
            assert look() == ()
            target = Target(expected=expected, live=live.introspect(), dice=random.Random(SEED))
            run_small(MARIADB * 3, target, attempt)
            assert look() == ()


def test_every_change_is_found_when_sqlite_is_changed(tmp_path: Path) -> None:
    """Nothing differs before; then copies of the file are changed, 5 times in each way."""
    original, copy = tmp_path / "shop.db", tmp_path / "copy.db"
    make_shop(f"sqlite:///{original}", crm="")
    expected = read_shop(Dialect.SQLITE, crm="")

    def look(file: Path) -> tuple[Schema, tuple[Difference, ...]]:
        with closing(open_database(f"sqlite:///{file}", folder="/")) as live:
            found = live.introspect()
        return found, compare(expected, found, ignore=ONLY_POSTGRES)

    def attempt(change: Change) -> tuple[Difference, ...] | None:
        copy.unlink(missing_ok=True)
        shutil.copy(original, copy)
        try:
            change_sqlite(copy, change)
        except sqlite3.Error:
            return None
        return look(copy)[1]

    untouched, found = look(original)
    assert found == ()
    run_small(SQLITE * 5, Target(expected=expected, live=untouched, dice=random.Random(SEED)), attempt)


def change_sqlite(file: Path, change: Change) -> None:
    """Run the statement, or make the file again from edited text; an edit that meets nothing is refused."""
    with closing(sqlite3.connect(file)) as connection:
        if change.statement:
            connection.execute(change.statement)
            return
        script = [
            (name, sql) for name, sql in connection.execute("SELECT name, sql FROM sqlite_master WHERE sql <> ''")
        ]
    if not any(name == change.table and change.edit[0] in sql for name, sql in script):
        raise sqlite3.OperationalError("nothing to edit")
    file.unlink()
    edited = [sql.replace(*change.edit) if name == change.table else sql for name, sql in script]
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(";\n".join(["BEGIN", *edited, "COMMIT;"]))


def run_small(
    makers: Sequence[Callable[[Target], Change | None]],
    target: Target,
    attempt: Callable[[Change], tuple[Difference, ...] | None],
) -> None:
    """Make a change of each kind in turn, and check what is told of it."""
    done = Counter[str]()
    failures = []
    for make in makers:
        for _ in range(DRAWS):
            change = draw(make, target)
            found = attempt(change) if isinstance(change, Change) else None
            if isinstance(change, Change) and found is not None:
                done[make.__name__] += 1
                failures += judge(change.statement or " -> ".join(change.edit), change, found)
                break
    assert failures == [], f"seed {SEED}: {len(failures)} of {done.total()} changes\n" + "\n".join(failures)
    assert_each_was_tried(makers, done)
