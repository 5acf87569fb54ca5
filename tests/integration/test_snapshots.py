"""Snapshots of real databases: kept, put back, and what happens where a restore cannot be finished.

Each test has a database of its own on a server that all of them share; PostgreSQL also runs in a container, where the
dump is made inside. The password holds what a URL and a shell would stumble over.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pymysql
import pytest

from devenv.adapters.databases.opening import open_database
from devenv.adapters.snapshots import mysql, postgres, sqlite
from devenv.adapters.snapshots.looking import make_looks
from devenv.adapters.snapshots.store import SnapshotStore, hash_file
from devenv.adapters.snapshots.taking import Restored, restore_snapshot, take_snapshot
from devenv.domain.database import ServerPlace
from devenv.domain.errors import DatabaseFailed, DevenvError, UsageError
from devenv.domain.model import SchemaRules
from devenv.domain.snapshots import KEPT, Snapshot, Why
from devenv.domain.subject import CodePlace, Subject
from devenv.schema.fingerprint import fingerprint_schema
from devenv.schema.ir import Dialect
from tests.support.databases import run_mariadb, run_postgres
from tests.support.wait import until

PASSWORD = "p@ss:w/o#r%d &$HOME?"
ROWS = 1000

POSTGRES_SHOP = f"""
CREATE EXTENSION citext;
CREATE SCHEMA "odd Schema";
CREATE TYPE state AS ENUM ('new', 'it''s paid');
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN n * 2; END $$;
CREATE TABLE users (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email citext NOT NULL UNIQUE, data bytea);
CREATE TABLE "odd Schema"."Order" (
    id serial PRIMARY KEY, "User Id" int REFERENCES users, state state NOT NULL DEFAULT 'new',
    doubled int GENERATED ALWAYS AS (twice(3)) STORED, CHECK (twice(id) > 0)
);
CREATE INDEX ON "odd Schema"."Order" (state) WHERE state = 'new';
CREATE VIEW paid AS SELECT id FROM "odd Schema"."Order" WHERE state <> 'new';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE TRIGGER touched BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();
INSERT INTO users (email, data) SELECT 'u' || n || '@ünï.example', decode(md5(n::text), 'hex')
  FROM generate_series(1, {ROWS}) n;
INSERT INTO "odd Schema"."Order" ("User Id", state) VALUES (1, 'it''s paid'), (2, 'new');
CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n FROM users;
"""
POSTGRES_CHANGES = """
DROP TABLE "odd Schema"."Order" CASCADE; DROP TYPE state; DELETE FROM users; ALTER TABLE users ADD nickname text;
CREATE TABLE later (id int REFERENCES users); CREATE VIEW newer AS SELECT * FROM later;
CREATE SEQUENCE counting; DROP FUNCTION twice; INSERT INTO users (email) VALUES ('late@example.org');
REFRESH MATERIALIZED VIEW totals;
"""
MARIADB_SHOP = f"""
CREATE TABLE users (id int AUTO_INCREMENT PRIMARY KEY, email varchar(80) NOT NULL UNIQUE, data varbinary(40));
CREATE TABLE `odd Order` (
    id int PRIMARY KEY, user int, state enum('new', 'it''s paid') NOT NULL, FOREIGN KEY (user) REFERENCES users (id)
);
CREATE VIEW paid AS SELECT id FROM `odd Order` WHERE state <> 'new';
CREATE TRIGGER touched BEFORE UPDATE ON users FOR EACH ROW SET new.email = lower(new.email);
CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC RETURN n * 2;
INSERT INTO users (email, data) SELECT concat('u', seq, '@ünï.example'), unhex(md5(seq)) FROM seq_1_to_{ROWS};
INSERT INTO `odd Order` VALUES (1, 1, 'it''s paid'), (2, 2, 'new');
"""
MARIADB_CHANGES = """
DROP VIEW paid; DROP TABLE `odd Order`; DELETE FROM users; ALTER TABLE users ADD nickname text;
CREATE TABLE later (id int, FOREIGN KEY (id) REFERENCES users (id)); CREATE VIEW newer AS SELECT * FROM later;
DROP FUNCTION twice; INSERT INTO users (email) VALUES ('late@example.org');
"""
SQLITE_SHOP = f"""
PRAGMA journal_mode = wal;
CREATE TABLE users (id integer PRIMARY KEY, email text NOT NULL UNIQUE, data blob);
CREATE TABLE "odd Order" (id integer PRIMARY KEY, user int REFERENCES users, state text);
CREATE VIEW paid AS SELECT id FROM "odd Order";
CREATE TRIGGER touched BEFORE UPDATE ON users BEGIN SELECT 1; END;
WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {ROWS})
  INSERT INTO users (email, data) SELECT 'u' || n || '@ünï.example', randomblob(16) FROM s;
INSERT INTO "odd Order" VALUES (1, 1, 'it''s paid'), (2, 2, 'new');
"""
SQLITE_CHANGES = """
DROP VIEW paid; DROP TABLE "odd Order"; DELETE FROM users; ALTER TABLE users ADD nickname text;
CREATE TABLE later (id int);
INSERT INTO users (email) VALUES ('late@example.org');
"""


@dataclass(kw_only=True)
class Bench:
    """A database with its service and its snapshots."""

    url: str
    connect: Callable[[], Any]
    changes: str
    folder: Path
    server: ServerPlace = field(default_factory=ServerPlace)
    said: list[str] = field(default_factory=list)

    @property
    def store(self) -> SnapshotStore:
        """Return where the snapshots are."""
        return SnapshotStore(self.folder / "snapshots")

    @property
    def subject(self) -> Subject:
        """Return the service."""
        code = CodePlace(folder=str(self.folder))
        rules = SchemaRules(database=self.url)
        return Subject(service="api", rules=rules, code=code, repository=str(self.folder), server=self.server)

    def save(self, name: str = "", why: Why = Why.ASKED) -> Snapshot:
        """Take a snapshot."""
        looks = make_looks()
        return take_snapshot(self.subject, store=self.store, looks=looks, say=self.said.append, name=name, why=why)

    def restore(self, snapshot: Snapshot) -> Restored:
        """Put it back."""
        looks = make_looks()
        return restore_snapshot(snapshot, self.subject, store=self.store, looks=looks, say=self.said.append)

    def refuse(self, snapshot: Snapshot) -> str:
        """Hold that it is not put back and that nothing has changed; return why, which has no password."""
        before = self.look()
        with pytest.raises(DevenvError) as caught:
            self.restore(snapshot)
        assert self.look() == before
        words = " ".join([caught.value.what, caught.value.why, caught.value.fix, *caught.value.details, *self.said])
        assert PASSWORD not in words
        return words

    def run(self, *statements: str) -> None:
        """Run statements."""
        with closing(self.connect()) as connection:
            run_sql(connection, *statements)

    def change(self) -> None:
        """Change rows and schema."""
        self.run(self.changes)

    def look(self) -> tuple[str, dict[str, list[str]]]:
        """Return the schema's fingerprint, and the rows of every table and view."""
        with closing(open_database(self.url, folder=str(self.folder))) as live:
            schema = live.introspect()
        rows: dict[str, list[str]] = {}
        with closing(self.connect()) as connection:
            for table in schema.tables:
                cursor = connection.cursor()
                parts = [part for part in (table.schema, table.name) if part]
                cursor.execute("SELECT * FROM " + ".".join(quote_name(schema.dialect, part) for part in parts))
                rows[table.title] = sorted(map(repr, cursor.fetchall()))
        return fingerprint_schema(schema), rows


def quote_name(dialect: Dialect, name: str) -> str:
    """Return an identifier as SQL writes it."""
    mark = "`" if dialect is Dialect.MYSQL else '"'
    return mark + name.replace(mark, mark * 2) + mark


def run_sql(connection: Any, *statements: str) -> None:
    """Run statements, several in a text, on a connection that stays open."""
    cursor = connection.cursor()
    for text in statements:
        for statement in re.split(r";\n|; (?=[A-Z]{4})", text) if "BEGIN" not in text else [text]:
            if statement.strip():
                cursor.execute(statement)


@contextmanager
def make_postgres(port: int, folder: Path, name: str, server: ServerPlace | None = None) -> Iterator[Bench]:
    """Give a database with the shop on a PostgreSQL."""
    login: dict[str, Any] = {"host": "127.0.0.1", "port": port, "user": "app", "password": PASSWORD, "autocommit": True}
    with psycopg.connect(**login, dbname="postgres") as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        bench = Bench(
            url=f"postgresql+psycopg://app:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/{name}",
            connect=lambda: psycopg.connect(**login, dbname=name),
            changes=POSTGRES_CHANGES,
            folder=folder,
            server=server or ServerPlace(),
        )
        with closing(bench.connect()) as shop:
            shop.execute(POSTGRES_SHOP)
        try:
            yield bench
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def make_mariadb(port: int, folder: Path) -> Bench:
    """Give the server's database with the shop."""
    login: dict[str, Any] = {"host": "127.0.0.1", "port": port, "user": "app", "password": PASSWORD, "autocommit": True}
    with closing(pymysql.connect(**login)) as connection:
        run_sql(connection, "DROP DATABASE app", "CREATE DATABASE app")
    bench = Bench(
        url=f"mysql+pymysql://app:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/app",
        connect=lambda: pymysql.connect(**login, database="app"),
        changes=MARIADB_CHANGES,
        folder=folder,
    )
    bench.run(MARIADB_SHOP)
    return bench


def make_sqlite(folder: Path) -> Bench:
    """Give a file with the shop."""
    path = folder / "the shop.db"
    bench = Bench(
        url=f"sqlite:///{path}",
        connect=lambda: sqlite3.connect(path, isolation_level=None, timeout=0.1),
        changes=SQLITE_CHANGES,
        folder=folder,
    )
    with closing(bench.connect()) as connection:
        connection.executescript(SQLITE_SHOP)
    return bench


@pytest.fixture(scope="module")
def postgres_port() -> Iterator[int]:
    """Run PostgreSQL."""
    with run_postgres(password=PASSWORD) as port:
        yield port


@pytest.fixture(scope="module")
def mariadb_port() -> Iterator[int]:
    """Run MariaDB."""
    with run_mariadb(password=PASSWORD) as port:
        yield port


@pytest.fixture
def postgres_bench(postgres_port: int, tmp_path: Path, unique_name: str) -> Iterator[Bench]:
    """Give the shop on PostgreSQL."""
    with make_postgres(postgres_port, tmp_path, unique_name) as bench:
        yield bench


@pytest.fixture
def mariadb_bench(mariadb_port: int, tmp_path: Path) -> Bench:
    """Give the shop on MariaDB."""
    return make_mariadb(mariadb_port, tmp_path)


@pytest.fixture(params=["postgres", "mariadb", "sqlite"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """Give the shop on each kind of database."""
    if request.param == "sqlite":
        return make_sqlite(tmp_path)
    made: Bench = request.getfixturevalue(f"{request.param}_bench")
    return made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait one second for locks."""
    for module in (postgres, mysql, sqlite):
        monkeypatch.setattr(module, "LOCK_WAIT_S", 1)


def test_restore_gives_back_schema_and_rows(bench: Bench) -> None:
    """Everything that was changed is as it was; what was there a moment ago is kept and can be put back as well."""
    before = bench.look()
    snapshot = bench.save("clean")
    bench.change()
    changed = bench.look()
    assert changed != before
    restored = bench.restore(snapshot)
    assert bench.look() == before
    assert restored.is_same_schema
    assert (restored.safety.why, snapshot.fingerprint) == (Why.RESTORE, before[0])
    bench.restore(restored.safety)
    assert bench.look() == changed
    assert PASSWORD not in " ".join(bench.said)


def test_functions_triggers_and_sequences_work_after_a_restore(postgres_bench: Bench) -> None:
    """They are not tables: the fingerprint does not see them."""
    snapshot = postgres_bench.save()
    postgres_bench.change()
    postgres_bench.restore(snapshot)
    postgres_bench.run(
        "UPDATE users SET email = 'x@example.org' WHERE id = 1",
        'INSERT INTO "odd Schema"."Order" ("User Id") VALUES (twice(1))',
        'DO $$ BEGIN ASSERT (SELECT max(id) FROM "odd Schema"."Order") = 3; END $$',
        "DO $$ BEGIN ASSERT (SELECT count(*) FROM pg_trigger WHERE tgname = 'touched') = 1; END $$",
    )


def test_snapshot_tells_what_it_holds(bench: Bench) -> None:
    """Tables, about how many rows, the server's version; its files are the user's own."""
    snapshot = bench.save()
    assert "users" in snapshot.tables
    assert "paid" in snapshot.tables
    assert snapshot.server_version.startswith(("PostgreSQL", "MariaDB", "SQLite"))
    assert PASSWORD not in snapshot.database
    assert bench.store.list_snapshots() == (snapshot,)
    dump = bench.store.dump_of(snapshot)
    assert (dump.stat().st_mode & 0o777, dump.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert snapshot.size_bytes == dump.stat().st_size


def test_empty_database_is_kept_and_put_back(bench: Bench) -> None:
    """Nothing is a state as well."""
    full = bench.save("full")
    rows = bench.look()
    empty = make_empty(bench)
    bench.restore(full)
    assert bench.look() == rows
    bench.restore(empty)
    assert bench.look()[1] == {}


def make_empty(bench: Bench) -> Snapshot:
    """Drop everything, and keep that."""
    if bench.url.startswith("sqlite"):
        bench.run("DROP VIEW paid", 'DROP TABLE "odd Order"', "DROP TABLE users")
    elif bench.url.startswith("mysql"):
        bench.run("DROP VIEW paid", "DROP TABLE `odd Order`", "DROP TABLE users", "DROP FUNCTION twice")
    else:
        bench.run('DROP SCHEMA "odd Schema" CASCADE', "DROP MATERIALIZED VIEW totals", "DROP TABLE users")
    return bench.save("empty")


def cut(data: bytes) -> bytes:
    """Return the first half."""
    return data[: len(data) // 2]


def damage(data: bytes) -> bytes:
    """Return `data` with other bytes in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes(byte ^ 0x5A for byte in data[middle : middle + 200]) + data[middle + 200 :]


@pytest.mark.parametrize("harm", [cut, damage])
def test_damaged_dump_changes_nothing(tmp_path: Path, harm: Callable[[bytes], bytes]) -> None:
    """It is found before anything is touched."""
    bench = make_sqlite(tmp_path)
    snapshot = bench.save("torn")
    dump = bench.store.dump_of(snapshot)
    dump.write_bytes(harm(dump.read_bytes()))
    bench.change()
    assert "its dump is damaged" in bench.refuse(snapshot)
    assert bench.store.list_snapshots() == (snapshot,), "a safety snapshot of nothing that was done"


@pytest.mark.parametrize("harm", [cut, damage])
def test_dump_that_turns_out_broken_changes_nothing(bench: Bench, harm: Callable[[bytes], bytes]) -> None:
    """Its checksum is right, so it is half put back before the mistake shows."""
    snapshot = bench.save("torn")
    dump = bench.store.dump_of(snapshot)
    dump.write_bytes(harm(dump.read_bytes()))
    facts = dump.with_name("snapshot.json")
    told = json.loads(facts.read_text())
    facts.write_text(json.dumps({**told, "checksum": hash_file(dump)}))
    bench.change()
    said = bench.refuse(bench.store.find("torn"))
    assert "cannot restore torn" in said
    assert "is as it was" in said


def test_idle_connection_does_not_matter(bench: Bench) -> None:
    """The application stays connected, and goes on afterwards."""
    snapshot = bench.save()
    before = bench.look()
    bench.change()
    with closing(bench.connect()) as application:
        application.cursor().execute("SELECT count(*) FROM users")
        bench.restore(snapshot)
        assert bench.look() == before
        cursor = application.cursor()
        cursor.execute("SELECT count(*) FROM users")
        assert cursor.fetchone() == (ROWS,)


@contextmanager
def holding(bench: Bench, *statements: str) -> Iterator[Any]:
    """Keep a transaction open that has run `statements`."""
    with closing(bench.connect()) as application:
        begin = "BEGIN EXCLUSIVE" if bench.url.startswith("sqlite") else "BEGIN"
        cursor = application.cursor()
        for statement in (begin, *statements):
            cursor.execute(statement)
        yield application
        cursor.execute("ROLLBACK")


@pytest.mark.usefixtures("impatient")
def test_open_transaction_is_named_when_a_restore_waits_for_it(postgres_bench: Bench) -> None:
    """Somebody reads the table: by the deadline it is said who, and nothing has changed."""
    snapshot = postgres_bench.save()
    with holding(postgres_bench, "SET application_name = 'reports'", "SELECT FROM users LIMIT 1") as application:
        began = time.monotonic()
        said = postgres_bench.refuse(snapshot)
        assert time.monotonic() - began < 5
        for words in (f"pid {application.info.backend_pid} (reports) of app, idle in transaction", "as it was"):
            assert words in said


@pytest.mark.usefixtures("impatient")
def test_open_transaction_is_named_when_a_dump_waits_for_it(postgres_bench: Bench) -> None:
    """Somebody changes the table."""
    with holding(postgres_bench, "LOCK TABLE users") as application:
        with pytest.raises(DevenvError) as caught:
            postgres_bench.save()
        assert f"pid {application.info.backend_pid} " in caught.value.why
    assert postgres_bench.store.list_snapshots() == ()


@pytest.mark.usefixtures("impatient")
def test_open_transaction_of_mariadb_is_named_when_a_restore_waits_for_it(mariadb_bench: Bench) -> None:
    """The statement that drops the tables gives up as a whole."""
    snapshot = mariadb_bench.save()
    with holding(mariadb_bench, "SELECT 1 FROM users LIMIT 1") as application:
        said = mariadb_bench.refuse(snapshot)
        assert f"connection {application.thread_id()} of app" in said
        assert "as it was" in said


@pytest.mark.usefixtures("impatient")
def test_open_transaction_of_mariadb_is_named_when_a_dump_waits_for_it(mariadb_bench: Bench) -> None:
    """Mysqldump itself would wait for a day."""
    with closing(mariadb_bench.connect()) as application:
        application.cursor().execute("LOCK TABLES users WRITE")
        with pytest.raises(DatabaseFailed) as caught:
            mariadb_bench.save()
        assert f"connection {application.thread_id()} of app" in caught.value.why
    assert mariadb_bench.store.list_snapshots() == ()


@pytest.mark.usefixtures("impatient")
def test_locked_sqlite_file_is_said_when_a_restore_waits_for_it(tmp_path: Path) -> None:
    """A writer that came after the safety snapshot."""
    bench = make_sqlite(tmp_path)
    snapshot = bench.save()
    with closing(bench.connect()) as application:

        def lock(text: str) -> None:
            if text.startswith("kept"):
                application.execute("BEGIN IMMEDIATE")

        with pytest.raises(DatabaseFailed, match="is as it was") as caught:
            restore_snapshot(snapshot, bench.subject, store=bench.store, looks=make_looks(), say=lock)
        assert "kept the file locked for more than 1 s" in caught.value.why
        application.execute("ROLLBACK")


def test_mariadb_names_the_way_back_when_it_cannot_go_it(mariadb_bench: Bench, impatient: None) -> None:
    """A function is in use: the server refuses to drop it when the tables have gone, and so it does the second time."""
    del impatient
    snapshot = mariadb_bench.save()
    before = mariadb_bench.look()
    with holding(mariadb_bench, "SELECT twice(1)"), pytest.raises(DatabaseFailed, match="cannot put back") as caught:
        mariadb_bench.restore(snapshot)
    safety = mariadb_bench.store.find(caught.value.fix.removeprefix("devenv snapshot restore "))
    mariadb_bench.restore(safety)
    assert mariadb_bench.look() == before


@pytest.mark.parametrize("program", ["pg_dump", "mariadb-dump"])
def test_password_is_neither_on_a_command_line_nor_in_a_file(request: pytest.FixtureRequest, program: str) -> None:
    """Looked for while the dump runs, which a lock keeps from its end."""
    is_postgres = program == "pg_dump"
    bench: Bench = request.getfixturevalue("postgres_bench" if is_postgres else "mariadb_bench")
    with ThreadPoolExecutor(1) as background, closing(bench.connect()) as application:
        run_sql(application, *(["BEGIN", "LOCK TABLE users"] if is_postgres else ["LOCK TABLES users WRITE"]))
        saving = background.submit(bench.save)
        try:
            until(lambda: program in read_command_lines(), deadline_s=5, what=f"a {program}")
            lines = read_command_lines()
        finally:
            run_sql(application, "ROLLBACK" if is_postgres else "UNLOCK TABLES")
        saving.result(timeout=10)
    written = b"".join(path.read_bytes() for path in bench.folder.rglob("*") if path.is_file())
    for secret in (PASSWORD, quote(PASSWORD, safe="")):
        assert secret not in lines
        assert secret.encode() not in written


def read_command_lines() -> str:
    """Return the command lines of everything that runs here."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(lines)


def test_automatic_snapshots_are_pruned_and_others_never(tmp_path: Path) -> None:
    """Ten of the automatic ones stay, the newest."""
    bench = make_sqlite(tmp_path)
    asked = [bench.save(f"asked-{number}") for number in range(2)]
    automatic = [bench.save(f"{number:02}", why=Why.MIGRATE) for number in range(KEPT + 3)]
    left = {one.name for one in bench.store.list_snapshots()}
    assert left == {one.name for one in (*asked, *automatic[3:])}


def test_oldest_automatic_snapshot_can_be_restored(tmp_path: Path) -> None:
    """The safety snapshot would be one too many."""
    bench = make_sqlite(tmp_path)
    before = bench.look()
    oldest = bench.save("00", why=Why.MIGRATE)
    bench.change()
    for number in range(1, KEPT):
        bench.save(f"{number:02}", why=Why.MIGRATE)
    bench.restore(oldest)
    assert bench.look() == before


KILLED = """
import os, signal, sys
from pathlib import Path
from devenv.adapters.snapshots import sqlite
from devenv.adapters.snapshots.looking import make_looks
from devenv.adapters.snapshots.store import SnapshotStore
from devenv.adapters.snapshots.taking import restore_snapshot
from devenv.domain.model import SchemaRules
from devenv.domain.subject import CodePlace, Subject

url, folder = sys.argv[1:]
store = SnapshotStore(Path(folder) / "snapshots")
subject = Subject(service="api", rules=SchemaRules(database=url), code=CodePlace(folder=folder), repository=folder)

def die_halfway(text):
    if text.startswith("kept"):  # the safety snapshot: what is copied now is the restore
        sqlite._PAGES = 20
        sqlite._give_up_after = lambda *_: lambda _status, left, total: left * 2 < total and os.kill(os.getpid(), 9)

restore_snapshot(store.find("clean"), subject, store=store, looks=make_looks(), say=die_halfway)
"""


def start_restore(bench: Bench) -> subprocess.Popen[bytes]:
    """Put `clean` back in another process; SQLite's dies halfway by itself."""
    return subprocess.Popen([sys.executable, "-c", KILLED, bench.url, str(bench.folder)], cwd=bench.folder)


def test_sqlite_is_as_it_was_when_a_restore_is_killed_halfway(tmp_path: Path) -> None:
    """Whoever opens the file next rolls back."""
    bench = make_sqlite(tmp_path)
    bench.run("CREATE TABLE big AS SELECT randomblob(4000) AS data, id FROM users")
    bench.save("clean")
    bench.change()
    bench.run("DELETE FROM big WHERE id > 100")
    before = bench.look()
    assert start_restore(bench).wait(timeout=20) == -signal.SIGKILL
    assert bench.look() == before
    with closing(bench.connect()) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert len(bench.store.list_snapshots()) == 2


def test_mariadb_can_go_back_when_a_restore_is_killed_halfway(mariadb_bench: Bench) -> None:
    """It has no transaction for this; what was there is kept as a snapshot."""
    mariadb_bench.save("clean")
    mariadb_bench.change()
    before = mariadb_bench.look()
    restoring = start_restore(mariadb_bench)
    with closing(mariadb_bench.connect()) as connection:
        cursor = connection.cursor()
        until(lambda: not cursor.execute("SHOW TABLES LIKE 'later'"), deadline_s=10, what="an emptied database")
        restoring.kill()
        assert restoring.wait(timeout=5) == -signal.SIGKILL
        # Its client goes on until it has read what was piped to it.
        others = "SELECT id FROM information_schema.processlist WHERE db = 'app' AND id <> connection_id()"
        until(lambda: not cursor.execute(others), deadline_s=10, what="the end of its client")
    safety, clean = mariadb_bench.store.list_snapshots()
    assert (safety.why, clean.name) == (Why.RESTORE, "clean")
    mariadb_bench.restore(safety)
    assert mariadb_bench.look() == before


def test_half_written_snapshot_is_never_listed_and_goes_with_the_next(tmp_path: Path) -> None:
    """A killed `save` leaves its folder; nobody holds it any more."""
    bench = make_sqlite(tmp_path)
    kept = bench.save()
    left = tmp_path / "snapshots" / ".new-killed"
    left.mkdir()
    (left / "dump").write_bytes(b"half")
    os.utime(left, (0, 0))
    assert bench.store.list_snapshots() == (kept,)
    bench.save("another")
    assert not left.exists()


def test_second_command_is_refused_while_one_restores(tmp_path: Path) -> None:
    """Two at once would each be half of what is there."""
    bench = make_sqlite(tmp_path)
    snapshot = bench.save()
    with bench.store.changing("api"), pytest.raises(UsageError, match="cannot change") as caught:
        bench.restore(snapshot)
    assert f"pid {os.getpid()}" in caught.value.why


def test_dump_of_another_kind_of_database_is_refused(postgres_bench: Bench, tmp_path: Path) -> None:
    """SQLite's into PostgreSQL."""
    snapshot = make_sqlite(tmp_path).save()
    assert "it is a dump of SQLite" in postgres_bench.refuse(snapshot)
