"""Databases, files and variables in trouble: each is a finding of one sentence, none a trace, and nothing is written.

Real servers; the code is a schema.prisma without packages wherever that does, since nothing of the user's has to run.
"""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import pymysql
import pytest
import redis
import yaml

from tests.e2e.gate_words import PASSWORD, Postgres, list_files, say, serve_postgres
from tests.support.daemon import Devenv
from tests.support.databases import run_mariadb, run_valkey
from tests.support.venvs import write_files

SHOP = Path(__file__).with_name("shop")
ITEMS = """datasource db {
  provider = "PROVIDER"
  url      = env("DATABASE_URL")
}

model Item {
  id   Int    @id
  name String

  @@map("items")
}
"""
MAKE_ITEMS = "CREATE TABLE items (id integer PRIMARY KEY, name text NOT NULL)"
SPECIAL = "p@ss/w:rd#100%&?[x]"
REVISION = '''"""{title}"""

revision = "{revision}"
down_revision = "{parent}"
'''


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """Run one server, with the database `made` that is what the code expects."""
    with serve_postgres() as server:
        server.run("postgres", "CREATE DATABASE made", f"CREATE ROLE special LOGIN PASSWORD '{SPECIAL}'",
                   f"CREATE ROLE visitor LOGIN PASSWORD '{PASSWORD}'")  # fmt: skip
        server.run("made", MAKE_ITEMS)
        yield server


@pytest.fixture
def items(project: Devenv, postgres: Postgres) -> str:
    """Return the name of a database of this test's own."""
    return postgres.copy("made", f"items_{project.name}")


def write_service(project: Devenv, url: str, *, schema: object = True, provider: str = "postgresql") -> None:
    """Write the service `api`, which has the table `items` in the database at `url`."""
    environment = {"DATABASE_URL": url}
    api = {"command": "sleep 1000", "working_dir": "api", "schema": schema, "environment": environment}
    project.write(yaml.safe_dump({"services": {"api": api}}))
    project.write(ITEMS.replace("PROVIDER", provider), "api/schema.prisma")


def check(project: Devenv, *options: str, expect: int) -> str:
    """Run `check`, hold it to an exit status and to writing nothing; return what it said, as one line."""
    files = list_files(project.folder)
    said = say(project.run("check", *options), expect)
    assert list_files(project.folder) == files
    return said


def test_login_that_is_refused_is_told(project: Devenv, postgres: Postgres) -> None:
    """The code would not get in either, so it blocks."""
    write_service(project, postgres.url("made").replace(PASSWORD, "not-the-one"))
    said = check(project, expect=6)
    for words in ("database made", f"127.0.0.1:{postgres.port}", "refuses user app", "fix: correct user and password"):
        assert words in said
    assert "not-the-one" not in said


def test_database_that_does_not_exist_is_told_with_the_command_that_makes_it(
    project: Devenv, postgres: Postgres
) -> None:
    """A name that is wrong, or a server that is new."""
    write_service(project, postgres.url("nowhere"))
    said = check(project, expect=6)
    assert "database nowhere" in said
    assert "does not exist" in said
    assert f"fix: createdb -h 127.0.0.1 -p {postgres.port} -U app nowhere" in said


def test_server_that_does_not_run_is_told(project: Devenv, free_port: int) -> None:
    """Nothing listens there."""
    write_service(project, f"postgresql://app:{PASSWORD}@127.0.0.1:{free_port}/made")
    said = check(project, expect=6)
    assert f"127.0.0.1:{free_port} cannot be reached" in said


def test_database_that_is_empty_is_told_as_such(project: Devenv, postgres: Postgres) -> None:
    """No table of ours, and none of anybody else's; no tool is known that makes them."""
    write_service(project, postgres.url(postgres.copy("template1", f"empty_{project.name}")))
    said = check(project, expect=6)
    assert "the table items is not in database empty_" in said
    assert "it is empty" in said
    assert "fix: set `schema: {migrate: …}` of api in services.yaml" in said


def test_database_that_is_read_only_is_checked_all_the_same(project: Devenv, postgres: Postgres, items: str) -> None:
    """A replica: looking needs no right to write."""
    postgres.run(items, f"ALTER DATABASE {items} SET default_transaction_read_only = on")
    write_service(project, postgres.url(items))
    assert "api: ok" in check(project, expect=0)
    write_service(project, postgres.url(items), schema={"ignore": ["audit_*"]})
    project.write(
        ITEMS.replace("PROVIDER", "postgresql").replace("  name", "  note String?\n  name"), "api/schema.prisma"
    )
    assert "items lacks 1 column that the code uses: note" in check(project, expect=6)


def test_role_without_a_right_on_the_catalogue_is_never_ok(project: Devenv, postgres: Postgres, items: str) -> None:
    """It could not be checked: said with the grant, and a reason to fail with `--strict`."""
    postgres.run(items, "REVOKE SELECT ON pg_catalog.pg_attribute FROM PUBLIC")
    write_service(project, postgres.url(items).replace("//app:", "//visitor:"))
    said = check(project, expect=0)
    for words in ("not checked", "may not be read by user visitor", "fix: GRANT"):
        assert words in said
    assert "api: ok" not in said
    check(project, "--strict", expect=6)


def test_role_without_a_right_on_the_record_of_migrations_is_never_ok(
    project: Devenv, postgres: Postgres, items: str
) -> None:
    """The tables are seen, and what has run may not be read: said with the grant."""
    postgres.run(items, "CREATE TABLE _prisma_migrations (id text, migration_name text, checksum text, logs text, "
                 "started_at timestamptz, finished_at timestamptz, rolled_back_at timestamptz)")  # fmt: skip
    write_service(project, postgres.url(items).replace("//app:", "//visitor:"))
    project.write(MAKE_ITEMS, "api/migrations/20240101000000_init/migration.sql")
    said = check(project, expect=0)
    for words in ("not checked", "may not be read by user visitor", "_prisma_migrations", "fix: GRANT"):
        assert words in said
    assert "api: ok" not in said
    check(project, "--strict", expect=6)


def test_connection_that_is_dropped_in_the_middle_is_told(project: Devenv, postgres: Postgres) -> None:
    """The server, or what is between, closes while the catalogue is read."""
    with dropping(postgres.port, at=b"pg_attribute") as port:
        write_service(project, postgres.url("made").replace(str(postgres.port), str(port)))
        said = check(project, expect=0)
    for words in ("not checked", f"127.0.0.1:{port}", "dropped the connection while it was read"):
        assert words in said


def test_password_with_special_characters_gets_in_and_is_not_shown(project: Devenv, postgres: Postgres) -> None:
    """Written as a URL wants it; where it is not, that is told, and no part of it."""
    encoded = quote(SPECIAL, safe="")
    url = postgres.url("made").replace(f"app:{PASSWORD}", f"special:{encoded}")
    write_service(project, url)
    said = check(project, expect=0)
    assert "api: ok" in said
    write_service(project, url.replace(encoded, SPECIAL.partition("@")[2]))
    wrong = check(project, expect=6)
    assert "the database URL cannot be read" in wrong
    for text in (said, wrong):
        assert encoded not in text
        assert "w:rd" not in text


BROKEN: Mapping[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "syntax": ({"0004_broken.py": 'revision = "0004"\ndef upgrade(:\n'}, ("0004_broken.py:2",)),
    "twice": (
        {"0003_again.py": REVISION.format(title="again", revision="0003", parent="0002")},
        ("0003", "0003_again.py", "0003_add_tenants.py"),
    ),
    "cycle": (
        {
            "0004_a.py": REVISION.format(title="a", revision="0004", parent="0005"),
            "0005_b.py": REVISION.format(title="b", revision="0005", parent="0004"),
        },
        ("build on each other in a circle", "0004 (a), 0005 (b)"),
    ),
    "orphan": (
        {"0009_orphan.py": REVISION.format(title="orphan", revision="0009", parent="0008")},
        ("0009", "0008"),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_migrations_folder_is_told_by_its_files(project: Devenv, postgres: Postgres, name: str) -> None:
    """Alembic itself would end with a trace in most of these."""
    shutil.copytree(SHOP, project.folder / "api", ignore=shutil.ignore_patterns("__pycache__"))
    files, expected = BROKEN[name]
    write_files(project.folder / "api" / "migrations" / "versions", files)
    url = postgres.url("made", "postgresql+psycopg")
    api = {
        "command": f"{sys.executable} x.py",
        "working_dir": "api",
        "schema": True,
        "environment": {"DATABASE_URL": url},
    }
    project.write(yaml.safe_dump({"services": {"api": api}}))
    said = check(project, expect=6)
    for words in expected:
        assert words in said


def test_mariadb_is_checked(project: Devenv) -> None:
    """Reached through PyMySQL; a column that is not there is told, with the database."""
    with (
        run_mariadb(password=PASSWORD) as port,
        closing(pymysql.connect(port=port, host="127.0.0.1", user="app", password=PASSWORD, database="app")) as made,
    ):
        made.cursor().execute("CREATE TABLE items (id int PRIMARY KEY, name varchar(191) NOT NULL)")
        write_service(project, f"mysql://app:{PASSWORD}@127.0.0.1:{port}/app", provider="mysql")
        said = check(project, expect=0)
        assert "api: ok" in said
        assert "MariaDB" in said
        made.cursor().execute("ALTER TABLE items DROP COLUMN name")
        said = check(project, expect=6)
    for words in ("table items lacks 1 column", "name", f"database app at 127.0.0.1:{port}"):
        assert words in said


def test_sqlite_file_is_checked(project: Devenv) -> None:
    """Prisma's `file:` begins where the schema is; a file that is not there is not made by looking."""
    write_service(project, "file:./dev.db", provider="sqlite")
    said = check(project, expect=6)
    assert "dev.db does not exist" in said
    with closing(sqlite3.connect(project.folder / "api" / "dev.db")) as made:
        made.execute(MAKE_ITEMS)
        assert "api: ok" in check(project, expect=0)
        made.execute("ALTER TABLE items DROP COLUMN name")
    assert "table items lacks 1 column that the code uses: name" in check(project, expect=6)


def test_accepted_and_ignored_differences_are_silent(project: Devenv, postgres: Postgres, items: str) -> None:
    """By the ids that `schema diff --ids` shows, and by globs of tables; an id that fits nothing is told."""
    postgres.run(items, "ALTER TABLE items DROP COLUMN name", "CREATE TABLE audit_log (id int)")
    write_service(project, postgres.url(items))
    shown = say(project.run("schema", "diff", "--ids"), 6)
    assert "column-missing:items.name" in shown
    assert "audit_log" in shown
    project.write("- column-missing:items.name\n- column-missing:items.colour\n", "accepted.yaml")
    write_service(project, postgres.url(items), schema={"accept": "accepted.yaml", "ignore": ["audit_*"]})
    said = check(project, expect=0)
    assert "api: ok" in said
    assert "audit_log" not in said
    assert "accepts what is no difference: column-missing:items.colour" in said


def test_drift_is_a_warning_when_the_rules_say_so(project: Devenv, postgres: Postgres, items: str) -> None:
    """`up` is ready and says what is wrong; `check` is asked for its verdict, and gives it."""
    postgres.run(items, "ALTER TABLE items DROP COLUMN name")
    write_service(project, postgres.url(items), schema={"on_drift": "warn"})
    said = say(project.run("up"), 0)
    assert "warning: api: database checked: table items lacks 1 column" in said
    assert project.states()["api"] == "ready"
    check(project, expect=6)


def test_variables_are_held_to_their_rules(project: Devenv) -> None:
    """Required, forbidden, weak, left from the example; no value of a secret is shown, here or with `--env-file`."""
    rules = {"required": ["SMTP_HOST", "API_TOKEN"], "forbidden": {"CC_DROP_TABLES": ["true"]}}
    declared = {"CC_DROP_TABLES": "True", "DB_PASSWORD": "hunter2", "API_TOKEN": "change-me-please"}
    api = {"command": "sleep 1000", "environment": declared, "env": rules}
    project.write(yaml.safe_dump({"services": {"api": api}}))
    project.write("API_TOKEN=change-me-please\nSMTP_HOST=mail.example.com\n", ".env.example")
    said = check(project, expect=6)
    for words in ("api needs SMTP_HOST, which is not set", "CC_DROP_TABLES=True, a value that its rules forbid",
                  "API_TOKEN of api still has the placeholder", "DB_PASSWORD of api is a well-known default",
                  "(.env.example shows it)"):  # fmt: skip
        assert words in said
    project.write(
        "SMTP_HOST=mail\nCC_DROP_TABLES=false\nAPI_TOKEN=4fj39fj3f93jf93jf\nDB_PASSWORD=hunter2\n", "staging.env"
    )
    staging = check(project, "--env-file", "staging.env", expect=6)
    assert "DB_PASSWORD of api is a well-known default" in staging
    assert "SMTP_HOST" not in staging
    for secret in ("hunter2", "change-me", "4fj39"):
        assert secret not in said + staging


def test_missing_package_is_told_before_the_trace_of_the_service(project: Devenv) -> None:
    """The service dies of it; the first thing that is said is what is not installed, and `npm ci`."""
    package = {"name": "web", "version": "1.0.0", "dependencies": {"ms": "2.1.3"}}
    lock = {"name": "web", "version": "1.0.0", "lockfileVersion": 3, "requires": True,
            "packages": {"": package, "node_modules/ms": {"version": "2.1.3"}}}  # fmt: skip
    project.write(json.dumps(package), "web/package.json")
    project.write(json.dumps(lock), "web/package-lock.json")
    project.write('require("ms");\n', "web/server.js")
    (project.folder / "web" / "node_modules").mkdir()
    web = {"command": "node server.js", "working_dir": "web"}
    project.write(yaml.safe_dump({"services": {"web": web}}))
    missing = "web/node_modules lacks 1 package of package-lock.json: ms 2.1.3"
    said = say(project.run("up"), 5)
    assert f"warning: web: {missing} (cd web && npm ci)" in said
    assert said.index(missing) < said.index("exited with status 1") < said.index("Node.js v")
    assert "fix: cd web && npm ci" in said
    said = check(project, expect=6)
    assert missing in said
    assert "fix: cd web && npm ci" in said


def test_keys_of_a_cache_are_held_to_their_prefixes(project: Devenv) -> None:
    """Without a TTL, above the one declared, of no declared prefix; a cache that is down is not ok."""
    with run_valkey(password=PASSWORD) as (port, _):
        url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
        rules = {"url": url, "prefixes": {"booking:*": "1h", "session:*": "any"}}
        project.write(yaml.safe_dump({"services": {"cache": {"external": url, "cache": rules}}}))
        with closing(redis.Redis(port=port, password=PASSWORD)) as client:
            client.set("booking:1", "x", ex=60)
            client.set("session:1", "x", ex=90_000)
            client.set("lead:1", "x", ex=60)
            said = check(project, expect=0)
            assert "cache: ok, 1 note" in said
            assert "the cache of cache holds 1 key lead:*, which nobody declared" in said
            client.set("booking:2", "x")
            client.set("booking:3", "x", ex=9000)
            client.set("lead:2", "x", ex=60)
            said = check(project, expect=0)
        for words in ("1 of 3 keys booking:* in the cache of cache has no TTL", "such as booking:2",
                      "1 of 3 keys booking:* in the cache of cache lives longer than the 3600 s declared",
                      "2 keys lead:*", "at the last check it was 1"):  # fmt: skip
            assert words in said
    said = check(project, expect=0)
    assert "not checked: the cache of cache could not be looked at" in said
    assert "checked: the keys" not in said
    check(project, "--strict", expect=6)


WAITING = """\
    import time
    from pathlib import Path
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    Path("here").touch()
    ends = time.monotonic() + 10
    while not Path("../OTHER/here").exists():
        assert time.monotonic() < ends, "nobody else is being checked"
        time.sleep(0.01)

    class Base(DeclarativeBase):
        pass

    class Item(Base):
        __tablename__ = "items"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        name: Mapped[str]
    """


def test_services_are_checked_at_the_same_time(project: Devenv, postgres: Postgres) -> None:
    """The models of each wait for those of the other: one after the other they would never end."""
    services = {}
    for name, other in (("left", "right"), ("right", "left")):
        write_files(project.folder / name, {"models.py": WAITING.replace("OTHER", other)})
        services[name] = {
            "command": f"{sys.executable} x.py", "working_dir": name, "schema": {"models": "models:Base"},
            "environment": {"DATABASE_URL": postgres.url("made")},
        }  # fmt: skip
    project.write(yaml.safe_dump({"services": services}))
    assert "left: ok; right: ok" in say(project.run("check"), 0)


@contextmanager
def dropping(port: int, *, at: bytes) -> Iterator[int]:
    """Stand before a server; close the connection where what is asked contains `at`."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    with client, socket.create_connection(("127.0.0.1", port)) as server:
                        _pass_on(client, server, at)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _pass_on(client: socket.socket, server: socket.socket, at: bytes) -> None:
    answers = threading.Thread(target=_pump, args=(server, client, b""))
    answers.start()
    _pump(client, server, at)
    for end in (client, server):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    answers.join(10)


def _pump(source: socket.socket, target: socket.socket, at: bytes) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            if at and at in chunk:
                return
            target.sendall(chunk)
