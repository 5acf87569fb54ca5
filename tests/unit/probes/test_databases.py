"""The sql and redis probes without a server: URLs, results, and what servers' words mean."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from devenv.domain.database import Database, parse_url
from devenv.domain.probe import NotYet, Outcome, Passed, Target
from devenv.probes import Redis, Sql
from devenv.probes.sql_drivers import Rows


@pytest.mark.parametrize(
    ("url", "database"),
    [
        (
            "postgresql+psycopg://app:p%40ss@127.0.0.1:5433/shop",
            Database(dialect="postgresql", port=5433, user="app", password="p@ss", name="shop"),
        ),
        (
            "postgres://app@/shop?host=/tmp&sslmode=require",
            Database(
                dialect="postgresql",
                host="/tmp",
                port=5432,
                user="app",
                name="shop",
                socket="/tmp/.s.PGSQL.5432",
                needs_tls=True,
            ),
        ),
        (
            "mariadb://root@localhost/shop",
            Database(dialect="mysql", host="localhost", port=3306, user="root", name="shop"),
        ),
        ("sqlite:///data/dev.db", Database(dialect="sqlite", name="/app/data/dev.db")),
        ("sqlite+aiosqlite:////var/dev.db", Database(dialect="sqlite", name="/var/dev.db")),
    ],
)
def test_url_is_read_when_it_is_written_as_frameworks_write_it(url: str, database: Database) -> None:
    """The URL of the application can be pasted as it is."""
    assert parse_url(url, "/app") == database


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///", "oracle://x/y", "mysql://h:port/x"])
def test_url_is_refused_when_nothing_can_be_asked(url: str) -> None:
    """A database in memory belongs to one process."""
    with pytest.raises(ValueError):  # noqa: PT011 - the words come from three places
        parse_url(url, "/app")


@pytest.mark.parametrize(
    ("rows", "passes"),
    [
        (Rows(first=(1,)), True),
        (Rows(first=(0,)), False),
        (Rows(first=(False,)), False),
        (Rows(), False),
        (Rows(has_result=False), True),
    ],
)
def test_result_passes_when_its_first_value_is_true_or_there_is_none(rows: Rows, passes: bool) -> None:
    """`SELECT count(*) > 0 FROM users` waits for a user."""
    assert isinstance(Sql(value="sqlite:///x").judge(rows), Passed) is passes


async def ask_sqlite(path: Path, query: str = "SELECT 1") -> Outcome:
    """Return what the probe says of a file."""
    return await Sql(value=f"sqlite:///{path.name}", query=query).check(
        Target(service="api", working_dir=str(path.parent))
    )


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    """Return a database with an empty table."""
    path = tmp_path / "dev.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE users (id INTEGER)")
    connection.close()
    return path


@pytest.mark.anyio
async def test_sqlite_passes_when_the_query_runs(sqlite_file: Path) -> None:
    """Relative paths begin at the service's folder."""
    assert isinstance(await ask_sqlite(sqlite_file), Passed)


@pytest.mark.anyio
async def test_sqlite_waits_when_a_table_is_missing(sqlite_file: Path) -> None:
    """A migration may still make it."""
    outcome = await ask_sqlite(sqlite_file, "SELECT 1 FROM orders")

    assert outcome == NotYet(reason=f"SQLite says of {sqlite_file}: no such table: orders")


@pytest.mark.anyio
async def test_sqlite_makes_no_file_when_there_is_none(tmp_path: Path) -> None:
    """Looking changes nothing."""
    outcome = await ask_sqlite(tmp_path / "none.db")

    assert outcome == NotYet(reason=f"there is no file {tmp_path / 'none.db'} yet")
    assert not os.path.lexists(tmp_path / "none.db")  # noqa: ASYNC240 - a look at a local folder


@pytest.mark.anyio
async def test_sqlite_refuses_when_the_query_writes(sqlite_file: Path) -> None:
    """A probe that writes would change what it checks."""
    outcome = await ask_sqlite(sqlite_file, "DELETE FROM users")

    assert isinstance(outcome, NotYet)
    assert "readonly" in outcome.reason


@pytest.mark.parametrize(
    ("probe", "text"),
    [
        (Redis(value="redis://app:hush@127.0.0.1:6379/2"), "redis app@127.0.0.1:6379/2"),
        (Redis(value="redis://:hush@127.0.0.1:6379"), "redis @127.0.0.1:6379"),
        (Redis(value="unix:///run/redis.sock?db=1&password=hush"), "redis /run/redis.sock"),
        (Sql(value="mysql+pymysql://app:hu@sh@h:1/x?password=hush"), "sql mysql+pymysql://app@h:1/x"),
    ],
)
def test_description_shows_place_and_user_but_no_password(probe: Redis | Sql, text: str) -> None:
    """Descriptions stand on screens and in logs."""
    assert probe.describe() == text


@pytest.mark.parametrize(
    "build",
    [
        lambda: Redis(value="127.0.0.1:6379"),
        lambda: Sql(value="app@localhost"),
        lambda: Sql(value="sqlite:///x", query=" "),
    ],
)
def test_probe_is_refused_when_it_makes_no_sense(build: type[object]) -> None:
    """A mistake in a file is found before anything starts."""
    with pytest.raises(ValueError, match=r"needs|empty"):
        build()
