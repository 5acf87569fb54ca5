"""`devenv snapshot` and `devenv migrate` as they are typed: what is said, how they end, and what is in the database.

The shop's Alembic project on SQLite, PostgreSQL where a restore is cut off, and one in a container.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import redis
import yaml

from tests.e2e.terminals import run_in_terminal
from tests.support.daemon import Devenv, Done
from tests.support.databases import run_postgres, run_valkey
from tests.support.engine import Engine
from tests.support.images import POSTGRES
from tests.support.wait import until

SHOP = Path(__file__).with_name("shop")
PASSWORD = "p@ss:w/o#r%d &?"
URL_PASSWORD = quote(PASSWORD, safe="")
UPGRADE = f"{sys.executable} -m alembic upgrade head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A checkout of the shop as the service `api`, on a SQLite file."""

    project: Devenv

    @property
    def file(self) -> Path:
        """Return the database."""
        return self.project.folder / "shop.db"

    def tables(self) -> set[str]:
        """Return what is in the database, but for Alembic's own."""
        with closing(sqlite3.connect(self.file)) as connection:
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name for (name,) in rows} - {"alembic_version"}

    def run(self, *arguments: str, expect: int = 0) -> Done:
        """Run devenv and hold it to an exit status."""
        done = self.project.run(*arguments)
        assert done.status == expect, str(done)
        return done

    def snapshots(self) -> list[tuple[str, str]]:
        """Return what each snapshot was taken for, and its name, the newest first."""
        found = self.run("snapshot", "list", "--json").json()["snapshots"]
        return [(one["why"], one["name"]) for one in found]


MakeShop = Callable[..., Shop]


@pytest.fixture(scope="module")
def old_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database as the first migration leaves it."""
    folder = tmp_path_factory.mktemp("old")
    shutil.copytree(SHOP, folder / "api")
    subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "0001"], cwd=folder / "api", check=True, capture_output=True,
        env={**os.environ, "DATABASE_URL": f"sqlite:///{folder}/shop.db"}, timeout=30,
    )  # fmt: skip
    return folder / "shop.db"


@pytest.fixture
def make_shop(project: Devenv, old_file: Path) -> MakeShop:
    """Return a function that gives a checkout whose database is two migrations behind."""

    def make(migrate: str = UPGRADE, **more: object) -> Shop:
        shop = Shop(project=project)
        shutil.copytree(SHOP, project.folder / "api", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(old_file, shop.file)
        api = {
            "command": "true",
            "working_dir": "api",
            "environment": {"DATABASE_URL": f"sqlite:///{shop.file}"},
            "schema": {"migrate": migrate},
        }
        project.write(yaml.safe_dump({"name": project.name, "services": {"api": api, **more}}))
        return shop

    return make


def flatten(text: str) -> str:
    """Return a text without its line breaks."""
    return " ".join(text.split())


OLD = {"users"}
NEW = {"users", "orders", "items"}


def test_restore_says_first_what_the_checkout_will_miss(make_shop: MakeShop) -> None:
    """Nobody can be asked: refused, with what would be missing and the command that agrees; typed, it is done."""
    shop = make_shop()
    shop.run("snapshot", "save", "old")
    assert "to go back: devenv migrate --rollback api" in flatten(shop.run("migrate").out)
    assert shop.tables() == NEW
    refused = shop.run("snapshot", "restore", "old", expect=2)
    said = flatten(refused.err)
    assert "it is 2 Alembic migrations older than this checkout (last applied 0001)" in said
    assert "which will miss 2 tables (items, orders)" in said
    assert shop.tables() == NEW
    found = re.search(r"fix: devenv (.*)", refused.err)
    assert found is not None, str(refused)
    done = shop.run(*found[1].split(), expect=6)
    assert shop.tables() == OLD
    assert "old is restored, but it is not what api expects" in flatten(done.err)
    (_, safety), *_ = shop.snapshots()
    assert f"to go back: devenv snapshot restore {safety}" in flatten(done.err)
    assert shop.run("snapshot", "restore", safety, "--yes").out.startswith(f"restored {safety} into SQLite file")
    assert shop.tables() == NEW


def test_restore_asks_on_a_terminal(make_shop: MakeShop) -> None:
    """No is no, yes is yes."""
    shop = make_shop()
    shop.run("snapshot", "save", "old")
    with closing(sqlite3.connect(shop.file)) as connection:
        connection.execute("CREATE TABLE later (id int)")
    question = "Replace everything in SQLite file"
    no = run_in_terminal(shop.project, "snapshot", "restore", "old", answers=[(question, "n\n")])
    assert (no.status, "nothing was changed" in no.screen, shop.tables()) == (2, True, {*OLD, "later"})
    yes = run_in_terminal(shop.project, "snapshot", "restore", "old", answers=[(question, "y\n")])
    assert (yes.status, shop.tables()) == (6, OLD)


def test_failed_migration_is_5_and_rollback_undoes_it(make_shop: MakeShop) -> None:
    """It had dropped a table when it failed: its last words, and the way back, which works."""
    harm = f"""{sys.executable} -c 'import os, sqlite3, sys; path = os.environ["DATABASE_URL"][10:]
        sqlite3.connect(path).execute("DROP TABLE users"); sys.exit("the disk is on fire")'"""
    shop = make_shop(re.sub(r"\n\s+", "; ", harm))
    done = shop.run("migrate", expect=5)
    for words in ("ended with status 1", "the disk is on fire", "to go back: devenv migrate --rollback api"):
        assert words in flatten(done.err)
    assert shop.tables() == set()
    assert "devenv migrate --rollback api --yes" in flatten(shop.run("migrate", "--rollback", expect=2).err)
    shop.run("migrate", "--rollback", "--yes", expect=6)
    assert shop.tables() == OLD


def test_migration_that_does_not_mend_the_database_is_6(make_shop: MakeShop) -> None:
    """The command ran well, and tables are still missing: what, and the way back, for programs too."""
    shop = make_shop("true")
    done = shop.run("migrate", expect=6)
    for words in ("still not what the code expects", "2 tables are missing", "devenv migrate --rollback api"):
        assert words in flatten(done.err)
    document = shop.run("migrate", "--json", expect=6).json()
    assert (document["status"], document["failures"][0]["code"]) == (6, "schema-drift")
    (migration,) = document["migrations"]
    assert (migration["status"], migration["is_ready"]) == (0, False)
    assert ("before migrate", migration["snapshot"]) == shop.snapshots()[0]


def test_destructive_migration_runs_only_when_it_is_allowed(make_shop: MakeShop) -> None:
    """Nothing is run and nothing kept before."""
    shop = make_shop("touch ../ran --accept-data-loss")
    refused = shop.run("migrate", expect=2)
    assert "--allow-destructive" in flatten(refused.err)
    assert shop.snapshots() == []
    # touch knows no such option, which is how we see that it was run
    assert "status 1" in flatten(shop.run("migrate", "--allow-destructive", expect=5).err)
    assert [why for why, _ in shop.snapshots()] == ["before migrate"]


def test_migration_drops_the_declared_keys_of_a_cache(make_shop: MakeShop) -> None:
    """`flush_on_migrate`: theirs, nobody else's, and only once the command has succeeded."""
    with run_valkey(password="k3pt") as (port, _):
        url = f"redis://:k3pt@127.0.0.1:{port}/0"
        cache = {"external": url, "cache": {"url": url, "prefixes": {"user:*": "any"}, "flush_on_migrate": True}}
        shop = make_shop("test -e ../go && " + UPGRADE, cache=cache)
        with redis.Redis(port=port, password="k3pt") as client:
            client.mset({"user:1": "old", "session:1": "kept"})
            shop.run("migrate", expect=5)
            assert client.exists("user:1", "session:1") == 2
            (shop.project.folder / "go").touch()
            done = shop.run("migrate")
            assert (client.exists("user:1"), client.exists("session:1")) == (0, 1)
            assert "1 keys of user:* dropped" in flatten(done.err)


@pytest.fixture(scope="module")
def postgres() -> Iterator[int]:
    """Run PostgreSQL; give its port."""
    with run_postgres(password=PASSWORD) as port:
        yield port


SLOW = """
CREATE FUNCTION dawdle(id int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
CREATE TABLE users (id int CHECK (dawdle(id))); INSERT INTO users SELECT generate_series(1, 60);
CREATE OR REPLACE FUNCTION dawdle(id int) RETURNS bool LANGUAGE plpgsql
  AS 'BEGIN PERFORM pg_sleep(0.02); RETURN true; END';
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_database_is_as_it_was_when_a_restore_is_cut_off(
    project: Devenv, postgres: int, number: signal.Signals, status: int
) -> None:
    """In the middle of the rows, which a slow constraint stretches."""
    login = {"host": "127.0.0.1", "port": postgres, "user": "app", "password": PASSWORD}
    with psycopg.connect(**login, dbname="postgres", autocommit=True) as admin:  # type: ignore[arg-type]
        admin.execute(f"CREATE DATABASE {project.name}".encode())
        url = f"postgresql://app:{URL_PASSWORD}@127.0.0.1:{postgres}/{project.name}"
        with psycopg.connect(url, autocommit=True) as shop:
            shop.execute(SLOW)
        api = {"command": "true", "schema": {"database": url}}
        project.write(yaml.safe_dump({"name": project.name, "services": {"api": api}}))
        saved = project.run("snapshot", "save", "slow")
        assert saved.status == 0, str(saved)
        with psycopg.connect(url, autocommit=True) as shop:
            shop.execute("DELETE FROM users; INSERT INTO users VALUES (7); CREATE TABLE later (id int)")
        restoring = project.start("snapshot", "restore", "slow", "--yes")
        sessions = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'devenv-%%' AND query LIKE %s"
        copying = ["COPY public.users%FROM stdin%"]  # "TO stdout" is the safety snapshot's
        try:
            until(lambda: admin.execute(sessions, copying).fetchall(), deadline_s=15, what="a COPY")
        finally:
            restoring.send_signal(number)
            _, said = restoring.communicate(timeout=10)
        assert restoring.returncode == status, said
        until(lambda: not admin.execute(sessions, ["%"]).fetchall(), deadline_s=10, what="the end of psql")
        with psycopg.connect(url) as shop:
            assert shop.execute("SELECT id FROM users").fetchall() == [(7,)]
            assert shop.execute("SELECT count(*) FROM later").fetchall() == [(0,)]
    kept = project.run("snapshot", "list", "--json").json()["snapshots"]
    assert [one["why"] for one in kept] == ["before restore", "asked"]
    assert PASSWORD not in said


def test_database_in_a_container_is_kept_and_put_back(project: Devenv, engine: Engine, free_port: int) -> None:
    """With the tools inside it; the password is on no command line while the dump waits for a lock."""
    del engine
    secrets = {"POSTGRES_USER": "app", "POSTGRES_PASSWORD": PASSWORD, "POSTGRES_DB": "shop"}
    db = {"image": POSTGRES, "environment": secrets, "ports": [f"127.0.0.1:{free_port}:5432"]}
    project.write(yaml.safe_dump({"services": {"db": db}}), "compose.yaml")
    url = f"postgresql://app:{URL_PASSWORD}@127.0.0.1:{free_port}/shop"
    services = {"db": {"ready": {"sql": url}}, "api": {"command": "true", "schema": {"database": url}}}
    project.write(yaml.safe_dump({"name": project.name, "compose": "compose.yaml", "services": services}))
    project.up("db")
    with psycopg.connect(url, autocommit=True) as shop:
        shop.execute("CREATE TABLE users (id int); INSERT INTO users VALUES (1), (2)")
        shop.execute("BEGIN; LOCK TABLE users")
        saving = project.start("snapshot", "save", "clean")
        try:
            lines = until(lambda: _read_command_lines("pg_dump"), deadline_s=10, what="a pg_dump")
        finally:
            shop.execute("ROLLBACK")
            _, said = saving.communicate(timeout=20)
        assert saving.returncode == 0, said
        assert "docker exec" in lines
        assert PASSWORD not in lines
        shop.execute("DELETE FROM users; ALTER TABLE users ADD name text; CREATE TABLE later (id int)")
        done = project.run("snapshot", "restore", "clean", "--yes")
        assert done.status == 0, str(done)
        assert shop.execute("SELECT * FROM users").fetchall() == [(1,), (2,)]
        assert shop.execute("SELECT to_regclass('later')").fetchall() == [(None,)]


def _read_command_lines(wanted: str) -> str:
    """Return all command lines where one of them has the `wanted` word."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended
            continue
    text = "\n".join(lines)
    return text if wanted in text else ""
