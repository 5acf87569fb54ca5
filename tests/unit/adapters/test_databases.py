"""Databases as the schema gate reads them, without a server: URLs, SQLite files, and what failures are called."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from devenv.adapters.databases.failures import Limits, explaining
from devenv.adapters.databases.mysql import _read_values
from devenv.adapters.databases.opening import open_database
from devenv.domain.database import Database
from devenv.domain.findings import Severity
from devenv.probes.sql_drivers import DriverFailure, Trouble
from devenv.schema.ir import Column, ForeignKey, Index, Schema, Table
from devenv.schema.ports import CannotLook, LiveDatabase
from tests.bench.big_schema import COLUMNS, INDEXES, TABLES, write_ddl

SHOP = """
CREATE TABLE users (
    id INTEGER PRIMARY KEY, email VARCHAR(80) NOT NULL UNIQUE, name TEXT DEFAULT 'x', born DATE,
    doubled INT GENERATED ALWAYS AS (id * 2) STORED
);
CREATE TABLE members (team TEXT, user INTEGER, PRIMARY KEY (user, team)) WITHOUT ROWID;
CREATE TABLE numbers (id INTEGER PRIMARY KEY DESC);
CREATE TABLE notes (
    id INTEGER PRIMARY KEY, user INTEGER REFERENCES users, team TEXT,
    FOREIGN KEY (user, team) REFERENCES members (user, team)
);
CREATE INDEX notes_team ON notes (lower(team), user) WHERE user IS NOT NULL;
CREATE UNIQUE INDEX notes_user ON notes (user);
CREATE VIEW emails AS SELECT email FROM users;
CREATE VIEW broken AS SELECT * FROM nowhere;
CREATE VIRTUAL TABLE pages USING fts5(body);
CREATE TABLE pages_read (page INTEGER);
"""


def write(path: Path, script: str = SHOP) -> Path:
    """Make a SQLite file."""
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    return path


def open_file(path: Path, limits: Limits = Limits()) -> LiveDatabase:  # noqa: B008 - a frozen value
    """Open a SQLite file by its URL."""
    return open_database(f"sqlite:///{path.name}", folder=str(path.parent), limits=limits)


def read(path: Path) -> Schema:
    """Return what is in a SQLite file."""
    database = open_file(path)
    try:
        return database.introspect()
    finally:
        database.close()


def names_in(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return [path.name for path in folder.iterdir()]


def refusal(url: str, folder: Path = Path("/")) -> CannotLook:
    """Return why a URL cannot be opened."""
    with pytest.raises(CannotLook) as caught:
        open_database(url, folder=str(folder))
    return caught.value


def table(schema: Schema, name: str) -> Table:
    """Return one table of a schema."""
    (found,) = [one for one in schema.tables if one.title == name]
    return found


@pytest.mark.parametrize(
    "url",
    [
        "oracle://app:hush@127.0.0.1/app",
        "postgresql://app:hush/er@127.0.0.1/app",
        "postgresql://app:hush#er@127.0.0.1/app",
        "postgresql://app:[hush@127.0.0.1/app",
        "postgresql://app:hush\N{FULLWIDTH COMMERCIAL AT}@127.0.0.1/app",
        "postgresql://app:hush@127.0.0.1:99999/app",
        "postgresql://app:hush@127.0.0.1/app?port=hush",
        "mysql://app:hush@127.0.0.1:3306",
        "sqlite:///:memory:",
        "",
    ],
)
def test_url_is_refused_when_it_cannot_be_read(url: str) -> None:
    """It is said before anything is asked, and what may be half a password is not repeated."""
    found = refusal(url)

    assert (found.code, found.severity) == ("bad-url", Severity.ERROR)
    assert "hush" not in found.reason
    assert found.fix


def test_sqlite_makes_no_file_when_there_is_none(tmp_path: Path) -> None:
    """Looking at a database that is not there yet does not make it."""
    found = refusal("sqlite:///none.db", tmp_path)

    assert (found.code, found.severity) == ("no-database", Severity.ERROR)
    assert found.reason == f"SQLite file {tmp_path / 'none.db'} does not exist: there is no such file"
    assert names_in(tmp_path) == []


def test_sqlite_is_broken_when_the_file_is_something_else(tmp_path: Path) -> None:
    """A picture, or half of a copy."""
    (tmp_path / "dev.db").write_bytes(b"\x89PNG" * 1000)

    found = refusal("sqlite:///dev.db", tmp_path)

    assert (found.code, found.severity) == ("broken", Severity.ERROR)


def test_sqlite_is_broken_when_the_file_is_cut(tmp_path: Path) -> None:
    """Its first page promises more than there is."""
    path = write(tmp_path / "dev.db")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    assert refusal("sqlite:///dev.db", tmp_path).code == "broken"


def test_sqlite_has_no_file_when_the_path_is_a_folder(tmp_path: Path) -> None:
    """A volume that was mounted where the file should be."""
    (tmp_path / "dev.db").mkdir()

    assert refusal("sqlite:///dev.db", tmp_path).code == "no-database"


def test_sqlite_has_no_tables_when_the_file_is_empty(tmp_path: Path) -> None:
    """An empty file is an empty database."""
    (tmp_path / "dev.db").touch()

    assert read(tmp_path / "dev.db").tables == ()


def test_sqlite_says_timeout_when_another_holds_the_lock(tmp_path: Path) -> None:
    """A migration under way is waited for briefly."""
    path = write(tmp_path / "dev.db")
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(CannotLook) as caught:
            open_file(path, Limits(lock_s=0.01))
    finally:
        writer.close()

    assert (caught.value.code, caught.value.severity) == ("timeout", Severity.UNKNOWN)


def test_sqlite_says_timeout_when_a_query_does_not_end(tmp_path: Path) -> None:
    """Every statement has a limit."""
    database = open_file(write(tmp_path / "dev.db"), Limits(statement_s=0.02))
    try:
        with pytest.raises(CannotLook) as caught:
            database.query("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n")
    finally:
        database.close()

    assert caught.value.code == "timeout"


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO users (email) VALUES ('a')",
        "DROP TABLE users",
        "PRAGMA user_version = 3",
        "ATTACH 'new.db' AS other",
        "VACUUM INTO 'copy.db'",
    ],
)
def test_sqlite_refuses_when_a_query_would_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    """Neither the file nor any beside it."""
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "dev.db")
    before = path.read_bytes()
    database = open_file(path)
    try:
        with pytest.raises(CannotLook):
            database.query(sql)
    finally:
        database.close()

    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["dev.db"]


def test_sqlite_leaves_no_file_when_it_reads_one_with_a_log(tmp_path: Path) -> None:
    """Any reader brings back the companions of a file in WAL mode, and a read-only one cannot remove them."""
    path = write(tmp_path / "dev.db", "PRAGMA journal_mode = WAL; CREATE TABLE users (id INTEGER PRIMARY KEY);")

    assert [one.name for one in read(path).tables] == ["users"]
    assert names_in(tmp_path) == ["dev.db"]


def test_sqlite_sees_what_is_in_the_log_when_the_application_runs(tmp_path: Path) -> None:
    """What another process has written, and not yet moved into the file, is there."""
    path = tmp_path / "dev.db"
    application = sqlite3.connect(path)
    application.executescript("PRAGMA journal_mode = WAL; CREATE TABLE users (id INTEGER PRIMARY KEY);")
    try:
        tables = [one.name for one in read(path).tables]
    finally:
        application.close()

    assert tables == ["users"]


def test_sqlite_opens_when_its_path_has_special_characters(tmp_path: Path) -> None:
    """A URL within a URL."""
    path = write(tmp_path / "a?b#c d.db")
    database = open_database("sqlite:///a%3Fb%23c%20d.db", folder=str(tmp_path))
    database.close()

    assert database.place == f"SQLite file {path} (SQLite {sqlite3.sqlite_version})"


def test_sqlite_columns_are_read_as_they_are_declared(tmp_path: Path) -> None:
    """Types in the file's own words, and what SQLite fills by itself."""
    assert table(read(write(tmp_path / "dev.db")), "users") == Table(
        name="users",
        columns=(
            Column(name="id", type="INTEGER", nullable=False, is_filled=True),
            Column(name="email", type="VARCHAR(80)", nullable=False),
            Column(name="name", type="TEXT", is_filled=True),
            Column(name="born", type="DATE"),
            Column(name="doubled", type="INT", is_filled=True, is_generated=True),
        ),
        primary_key=("id",),
        uniques=(("email",),),
    )


@pytest.mark.parametrize(
    ("name", "primary_key", "first"),
    [
        ("members", ("user", "team"), Column(name="team", type="TEXT", nullable=False)),
        ("numbers", ("id",), Column(name="id", type="INTEGER")),
    ],
)
def test_sqlite_key_is_not_filled_when_it_is_no_row_number(
    tmp_path: Path, name: str, primary_key: tuple[str, ...], first: Column
) -> None:
    """Keys in their own order; `INTEGER PRIMARY KEY DESC` is an ordinary column, and may even be NULL."""
    found = table(read(write(tmp_path / "dev.db")), name)

    assert found.primary_key == primary_key
    assert found.columns[0] == first


def test_sqlite_indexes_and_references_are_read(tmp_path: Path) -> None:
    """A reference without columns means the primary key."""
    notes = table(read(write(tmp_path / "dev.db")), "notes")

    assert notes.indexes == (
        Index(name="notes_team", columns=("", "user"), partial=True),
        Index(name="notes_user", columns=("user",), unique=True),
    )
    assert set(notes.foreign_keys) == {
        ForeignKey(columns=("user",), table="users", targets=("id",)),
        ForeignKey(columns=("user", "team"), table="members", targets=("user", "team")),
    }


def test_sqlite_views_are_read_when_one_of_them_is_broken(tmp_path: Path) -> None:
    """SQLite itself fails on all of them at once."""
    schema = read(write(tmp_path / "dev.db"))

    assert table(schema, "emails") == Table(
        name="emails", is_view=True, columns=(Column(name="email", type="VARCHAR(80)"),)
    )
    assert table(schema, "broken").columns == ()


def test_sqlite_tables_are_read_when_the_module_of_one_is_not_loaded(tmp_path: Path) -> None:
    """Only the application has it, as with vectors; all other tables are as they were."""
    script = f"""{SHOP}
    PRAGMA writable_schema = ON;
    UPDATE sqlite_master SET sql = 'CREATE VIRTUAL TABLE pages USING vec9(body)' WHERE name = 'pages';
    """
    schema = read(write(tmp_path / "dev.db", script))

    assert table(schema, "pages") == Table(name="pages", owner="a module that is not loaded here")
    assert len(table(schema, "users").columns) == 5


def test_sqlite_tables_have_an_owner_when_a_virtual_table_made_them(tmp_path: Path) -> None:
    """A full text index keeps itself in five tables."""
    owners = {one.name: one.owner for one in read(write(tmp_path / "dev.db")).tables if one.name.startswith("pages")}

    assert (owners.pop("pages"), owners.pop("pages_read")) == ("", "")
    assert set(owners.values()) == {"virtual table pages"}


def test_sqlite_tells_which_tables_there_are(tmp_path: Path) -> None:
    """Whatever characters a name has; a broken view cannot be read."""
    database = open_file(write(tmp_path / "dev.db", SHOP + 'CREATE TABLE "a""b" (id);'))
    try:
        found = [database.has_table(name) for name in ("users", 'a"b', "orders", "broken")]
    finally:
        database.close()
        database.close()

    assert found == [True, True, False, False]


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        ("enum('new','it''s','a,b','')", ("new", "it's", "a,b", "")),
        ("set('a')", ()),
        ("varchar(20)", ()),
    ],
)
def test_inline_enum_values_are_read_from_the_type(type_: str, values: tuple[str, ...]) -> None:
    """Quotes within a value are doubled."""
    assert _read_values(type_) == values


@pytest.mark.parametrize(
    ("failure", "is_login", "code", "severity"),
    [
        (DriverFailure(Trouble.REFUSED, code="57P03"), True, "unreachable", Severity.ERROR),
        (DriverFailure(Trouble.REFUSED, code="57P01"), True, "unreachable", Severity.ERROR),
        (DriverFailure(Trouble.REFUSED, code="57P01"), False, "dropped", Severity.UNKNOWN),
        (DriverFailure(Trouble.REFUSED, code="42501"), True, "refused", Severity.ERROR),
        (DriverFailure(Trouble.REFUSED, code="42501"), False, "no-permission", Severity.UNKNOWN),
        (DriverFailure(Trouble.REFUSED, "no pg_hba.conf entry, no encryption", code="28000"), True, "refused",
         Severity.UNKNOWN),
        (DriverFailure(Trouble.REFUSED, code="XX000"), False, "failed", Severity.UNKNOWN),
        (DriverFailure(Trouble.SILENT), True, "silent", Severity.ERROR),
        (DriverFailure(Trouble.SILENT), False, "silent", Severity.UNKNOWN),
        (DriverFailure(Trouble.ENDED), True, "unreachable", Severity.ERROR),
        (DriverFailure(Trouble.ENDED), False, "dropped", Severity.UNKNOWN),
        (DriverFailure(Trouble.INCAPABLE), True, "login-method", Severity.UNKNOWN),
    ],
)  # fmt: skip
def test_failure_is_an_error_when_the_application_would_meet_it(
    failure: DriverFailure, is_login: bool, code: str, severity: Severity
) -> None:
    """A login that fails blocks; what only the check runs into is unknown."""
    database = Database(dialect="postgresql", port=5432, user="app", password="hush", name="shop")
    with pytest.raises(CannotLook) as caught, explaining(database, Limits(), is_login=is_login):
        raise failure

    assert (caught.value.code, caught.value.severity) == (code, severity)
    assert "database shop at 127.0.0.1:5432" in caught.value.reason


def test_big_schema_is_as_big_as_it_says() -> None:
    """The benchmark's figures are about this many."""
    text = write_ddl()

    assert text.count("CREATE TABLE") == TABLES
    assert text.count("INDEX") + text.count("PRIMARY KEY") + text.count("UNIQUE (") == INDEXES
    assert TABLES * 12 == COLUMNS
