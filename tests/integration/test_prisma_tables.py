"""A Prisma schema against databases made from it: by Prisma's own engine (PostgreSQL, SQLite), by hand (MySQL).

The schemas are in tests/support/prisma; a database that nobody touched differs in nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pg8000.native
import pymysql
import pytest
from pymysql.constants import CLIENT

from devenv.adapters.databases.opening import open_database
from devenv.schema.compare import compare
from devenv.schema.differences import Difference, Kind
from devenv.schema.prisma.parser import read_prisma
from devenv.schema.prisma.translate import to_schema
from tests.support.databases import run_mariadb, run_postgres

FIXTURES = Path(__file__).parents[1] / "support" / "prisma"
PASSWORD = "s3cret"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Give the port of a PostgreSQL with the shop in it."""
    with run_postgres(password=PASSWORD) as number:
        execute(number, (FIXTURES / "shop.sql").read_text())
        yield number


def execute(port: int, sql: str) -> None:
    """Run statements on PostgreSQL."""
    with closing(pg8000.native.Connection("app", "127.0.0.1", "postgres", port, PASSWORD)) as connection:
        connection.run(sql)


def find_differences(name: str, url: str) -> tuple[Difference, ...]:
    """Hold a schema of the fixtures against a database."""
    expected = to_schema(read_prisma(FIXTURES / f"{name}.prisma"))
    with closing(open_database(url, folder="/")) as live:
        return compare(expected, live.introspect())


def of_shop(port: int) -> list[tuple[Kind, str, str]]:
    """Return what differs in the shop."""
    url = f"postgresql://app:{PASSWORD}@127.0.0.1:{port}/postgres"
    return [(one.kind, one.table, one.part) for one in find_differences("shop", url)]


def test_postgresql_differs_in_nothing_when_prismas_engine_made_it(port: int) -> None:
    """77 models, 16 enums, 11 tables that join, two schemas and a view."""
    assert of_shop(port) == []


@pytest.mark.parametrize(
    ("change", "back", "found"),
    [
        (
            "ALTER TABLE tenants DROP COLUMN slug",
            "ALTER TABLE tenants ADD COLUMN slug text NOT NULL; CREATE UNIQUE INDEX ON tenants (slug)",
            (Kind.COLUMN_MISSING, "tenants", "slug"),
        ),
        (
            'ALTER TABLE "_ProductTags" RENAME TO elsewhere',
            'ALTER TABLE elsewhere RENAME TO "_ProductTags"',
            (Kind.TABLE_MISSING, "_ProductTags", ""),
        ),
        (
            "ALTER TYPE billing.invoice_state RENAME VALUE 'void' TO 'gone'",
            "ALTER TYPE billing.invoice_state RENAME VALUE 'gone' TO 'void'",
            (Kind.ENUM_VALUE_MISSING, "billing.invoice_state", "void"),
        ),
        (
            "ALTER TABLE users ALTER COLUMN name TYPE varchar(50)",
            "ALTER TABLE users ALTER COLUMN name TYPE varchar(120)",
            (Kind.LENGTH_DIFFERS, "users", "name"),
        ),
    ],
    ids=["column", "join-table", "enum-value", "type"],
)
def test_difference_is_found_when_the_database_was_changed(
    port: int, change: str, back: str, found: tuple[Kind, str, str]
) -> None:
    """What breaks the code is told by its name in the database."""
    execute(port, change)
    try:
        assert found in of_shop(port)
    finally:
        execute(port, back)
    assert of_shop(port) == []


def test_mariadb_differs_in_nothing_when_it_follows_prismas_rules() -> None:
    """Prisma's type map for MySQL, native types, inline enums and a table that joins."""
    with run_mariadb(password=PASSWORD) as port:
        place = {"host": "127.0.0.1", "port": port, "user": "app", "password": PASSWORD, "database": "app"}
        with closing(pymysql.connect(**place, client_flag=CLIENT.MULTI_STATEMENTS)) as connection:
            cursor = connection.cursor()
            cursor.execute((FIXTURES / "small_mysql.sql").read_text())
            while cursor.nextset():
                pass
        assert find_differences("small_mysql", f"mysql://app:{PASSWORD}@127.0.0.1:{port}/app") == ()


def test_sqlite_differs_in_nothing_when_prismas_engine_made_it(tmp_path: Path) -> None:
    """Prisma's type map for SQLite."""
    path = tmp_path / "dev.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FIXTURES / "small_sqlite.sql").read_text())
    assert find_differences("small_sqlite", f"sqlite:///{path}") == ()
