"""Each tool's record, as the tool writes it, against its files: one row of `TOOLS` after the other."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devenv.domain.findings import Severity
from devenv.schema.ports import CannotLook
from devenv.schema.records.reading import pick_recorded, read_records
from devenv.schema.records.state import Edit, Failure, RecordState, ToolPlace
from devenv.schema.records.tools import TOOLS, sum_lines
from tests.support.fakes_databases import MemoryDatabase

SQL = "CREATE TABLE orders (id int);\nALTER TABLE users ADD COLUMN age int;\n"
DBMATE = "-- migrate:up\nCREATE TABLE orders (id int);\n\n-- migrate:down\nCREATE TABLE ghost (id int);\n"
GOOSE = "-- +goose Up\nCREATE TABLE orders (id int);\n\n-- +goose Down\nCREATE TABLE ghost (id int);\n"
RUBY = (
    "class A < ActiveRecord::Migration[7.1]\n  def up\n    create_table :orders do |t|\n    end\n"
    "    add_column :users, :age, :integer\n  end\n  def down\n    create_table :ghost\n  end\nend\n"
)
ECTO = (
    "defmodule A do\n  use Ecto.Migration\n  def up do\n    create table(:orders) do\n    end\n  end\n"
    "  def down do\n    create table(:ghost)\n  end\nend\n"
)
SEQUEL = (
    "Sequel.migration do\n  up do\n    create_table(:orders) do\n    end\n  end\n"
    "  down do\n    create_table(:ghost)\n  end\nend\n"
)
SEQUELIZE = (
    "module.exports = {\n  up: async (queryInterface) => {\n    await queryInterface.createTable('orders', {});\n"
    "    await queryInterface.addColumn('users', 'age', {});\n  },\n"
    "  down: async (queryInterface) => { await queryInterface.createTable('ghost', {}); },\n};\n"
)
KNEX = (
    "exports.up = (knex) => knex.schema.createTable('orders', (t) => t.increments());\n"
    "exports.down = (knex) => knex.schema.createTable('ghost');\n"
)
VERSIONS = "CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY);"
PRISMA = """CREATE TABLE _prisma_migrations (
    id text PRIMARY KEY, checksum text NOT NULL, finished_at datetime, migration_name text NOT NULL, logs text,
    rolled_back_at datetime, started_at datetime NOT NULL DEFAULT current_timestamp,
    applied_steps_count integer NOT NULL DEFAULT 0);"""
GOOSE_TABLE = """CREATE TABLE goose_db_version (
    id integer PRIMARY KEY AUTOINCREMENT, version_id integer NOT NULL, is_applied integer NOT NULL,
    tstamp timestamp);"""
GOLANG = "CREATE TABLE schema_migrations (version uint64, dirty bool);"
SQLX = """CREATE TABLE _sqlx_migrations (
    version bigint PRIMARY KEY, description text NOT NULL, installed_on timestamp NOT NULL DEFAULT current_timestamp,
    success boolean NOT NULL, checksum blob NOT NULL, execution_time bigint NOT NULL);"""
FLYWAY = """CREATE TABLE flyway_schema_history (
    installed_rank int PRIMARY KEY, version varchar(50), description varchar(200) NOT NULL, type varchar(20) NOT NULL,
    script varchar(1000) NOT NULL, checksum int, installed_by varchar(100) NOT NULL, installed_on text NOT NULL,
    execution_time int NOT NULL, success boolean NOT NULL);"""
KNEX_TABLES = """
    CREATE TABLE knex_migrations (
        id integer PRIMARY KEY, name varchar(255), batch integer, migration_time datetime);
    CREATE TABLE knex_migrations_lock ("index" integer PRIMARY KEY, is_locked integer);
    INSERT INTO knex_migrations_lock VALUES (1, 0);"""
DRIZZLE = "CREATE TABLE __drizzle_migrations (id integer PRIMARY KEY, hash text NOT NULL, created_at numeric);"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A tool with two migrations on disk; the record has the first, and one without a file."""

    tool: str
    files: Mapping[str, str]
    tables: str
    rows: Mapping[str, list[tuple[object, ...]]]
    known: tuple[str, str]
    unknown: str
    apply: str
    adds: frozenset[tuple[str, str]] = field(default=frozenset())


def place(root: Path, tool: str, folder: str = "migrations", config: str = "") -> ToolPlace:
    """Return a place below `root`."""
    return ToolPlace(tool=tool, folder=str(root / folder), config=str(root / config) if config else "", root=str(root))


def read(root: Path, tool: str, files: Mapping[str, str | bytes], live: MemoryDatabase) -> RecordState:
    """Write these files into `migrations` and hold the record against them."""
    for name, content in files.items():
        path = root / "migrations" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (root / "migrations").mkdir(exist_ok=True)
    return read_records(place(root, tool), live)


def pending(state: RecordState) -> list[str]:
    """Return the ids of what is pending."""
    return [one.id for one in state.pending]


def sha256(content: str | bytes) -> str:
    """Return the checksum that Prisma and drizzle record."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def flyway_row(rank: int, version: str | None, script: str, **other: object) -> tuple[object, ...]:
    """Return a row of Flyway's history."""
    row = {"type": "SQL", "checksum": None, "success": 1, **other}
    return (
        rank, version, "make it", row["type"], script, row["checksum"], "app", "2024-05-01 10:00:00", 5, row["success"],
    )  # fmt: skip


def sqlx_row(version: int, content: str, *, success: bool = True) -> tuple[object, ...]:
    """Return a row of sqlx's record."""
    return (version, "make it", "2024-05-01 10:00:00", success, hashlib.sha384(content.encode()).digest(), 5)


def prisma_row(
    name: str, content: str, *, finished: object = 1714557600000, rolled_back: object = None, logs: str | None = None
) -> tuple[object, ...]:
    """Return a row as Prisma writes it to SQLite, where moments are numbers."""
    started = 1714557600000
    return (f"{name}{finished}{rolled_back}", sha256(content), finished, name, logs, rolled_back, started, 1)


CASES = (
    Case(
        tool="dbmate",
        files={"20240101_make_orders.sql": DBMATE, "20240102_more.sql": DBMATE, "notes.txt": ""},
        tables=VERSIONS,
        rows={"schema_migrations": [("20240101",), ("20240109",)]},
        known=("20240101", "20240102"),
        unknown="20240109",
        apply="dbmate --migrations-dir migrations up",
    ),
    Case(
        tool="goose",
        files={"00001_make_orders.sql": GOOSE, "00002_more.sql": GOOSE, "helper_test.go": "", "00003_x_test.go": ""},
        tables=GOOSE_TABLE,
        rows={"goose_db_version": [(1, 0, 1, ""), (2, 1, 1, ""), (3, 9, 1, "")]},
        known=("1", "2"),
        unknown="9",
        apply="goose -dir migrations up",
    ),
    Case(
        tool="sqlx",
        files={
            "20240101_make_orders.sql": SQL,
            "20240102_more.up.sql": SQL,
            "20240102_more.down.sql": "CREATE TABLE ghost (id int);",
        },
        tables=SQLX,
        rows={"_sqlx_migrations": [sqlx_row(20240101, SQL), sqlx_row(20240109, SQL)]},
        known=("20240101", "20240102"),
        unknown="20240109",
        apply="sqlx migrate run",
        adds=frozenset({("users", "age")}),
    ),
    Case(
        tool="flyway",
        files={"V1__make_orders.sql": SQL, "sub/V1_10__more.sql": SQL, "U1__undo.sql": SQL, "beforeMigrate.sql": SQL},
        tables=FLYWAY,
        rows={
            "flyway_schema_history": [
                flyway_row(1, "1", "V1__make_orders.sql", checksum=int(sum_lines(SQL.encode()))),
                flyway_row(2, "9.1", "V9_1__gone.sql"),
            ]
        },
        known=("1", "1.10"),
        unknown="9.1",
        apply="flyway migrate",
        adds=frozenset({("users", "age")}),
    ),
    Case(
        tool="rails",
        files={"20240101_make_orders.rb": RUBY, "20240102_more.rb": RUBY},
        tables=VERSIONS + "CREATE TABLE ar_internal_metadata (key text, value text);",
        rows={"schema_migrations": [("20240101",), ("20240109",)]},
        known=("20240101", "20240102"),
        unknown="20240109",
        apply="bin/rails db:migrate",
        adds=frozenset({("users", "age")}),
    ),
    Case(
        tool="ecto",
        files={"20240101_make_orders.exs": ECTO, "20240102_more.exs": ECTO, ".formatter.exs": ""},
        tables="CREATE TABLE schema_migrations (version bigint PRIMARY KEY, inserted_at timestamp);",
        rows={"schema_migrations": [(20240101, None), (20240109, None)]},
        known=("20240101", "20240102"),
        unknown="20240109",
        apply="mix ecto.migrate",
    ),
    Case(
        tool="sequel",
        files={"20240101_make_orders.rb": SEQUEL, "20240102_more.rb": SEQUEL},
        tables="CREATE TABLE schema_migrations (filename varchar(255) PRIMARY KEY);",
        rows={"schema_migrations": [("20240101_make_orders.rb",), ("20240109_gone.rb",)]},
        known=("20240101", "20240102"),
        unknown="20240109",
        apply='sequel -m migrations "$DATABASE_URL"',
    ),
    Case(
        tool="sequelize",
        files={"20240101-make-orders.js": SEQUELIZE, "20240102-more.js": SEQUELIZE, "types.d.ts": ""},
        tables='CREATE TABLE "SequelizeMeta" (name varchar(255) PRIMARY KEY);',
        rows={"SequelizeMeta": [("20240101-make-orders.js",), ("20240109-gone.js",)]},
        known=("20240101-make-orders.js", "20240102-more.js"),
        unknown="20240109-gone.js",
        apply="npx sequelize-cli db:migrate",
        adds=frozenset({("users", "age")}),
    ),
    Case(
        tool="knex",
        files={"20240101_make_orders.js": KNEX, "20240102_more.ts": KNEX},
        tables=KNEX_TABLES,
        rows={"knex_migrations": [(1, "20240101_make_orders.js", 1, ""), (2, "20240109_gone.js", 2, "")]},
        known=("20240101_make_orders.js", "20240102_more.ts"),
        unknown="20240109_gone.js",
        apply="npx knex migrate:latest",
    ),
    Case(
        tool="prisma",
        files={
            "20240101_make_orders/migration.sql": SQL,
            "20240102_more/migration.sql": SQL,
            "migration_lock.toml": "",
        },
        tables=PRISMA,
        rows={"_prisma_migrations": [prisma_row("20240101_make_orders", SQL), prisma_row("20240109_gone", SQL)]},
        known=("20240101_make_orders", "20240102_more"),
        unknown="20240109_gone",
        apply="npx prisma migrate deploy",
        adds=frozenset({("users", "age")}),
    ),
    Case(
        tool="drizzle",
        files={
            "0000_make_orders.sql": SQL,
            "0001_more.sql": SQL,
            "meta/_journal.json": json.dumps(
                {"entries": [{"tag": "0000_make_orders", "when": 1001}, {"tag": "0001_more", "when": 1002}]}
            ),
        },
        tables=DRIZZLE,
        rows={"__drizzle_migrations": [(1, sha256(SQL), 1001), (2, "0" * 64, 1009)]},
        known=("0000_make_orders", "0001_more"),
        unknown="1009",
        apply="npx drizzle-kit migrate",
        adds=frozenset({("users", "age")}),
    ),
)
by_tool = pytest.mark.parametrize("case", CASES, ids=[case.tool for case in CASES])


def run(root: Path, case: Case) -> RecordState:
    """Return the state of a case."""
    live = MemoryDatabase(case.tables)
    for table, rows in case.rows.items():
        live.fill(table, *rows)
    return read(root, case.tool, case.files, live)


# What all tools have in common


def test_every_tool_has_a_case() -> None:
    """A row that nobody tests is a promise that nobody keeps; three have tests of their own."""
    assert {case.tool for case in CASES} | {"alembic", "django", "golang-migrate"} == set(TOOLS)


@by_tool
def test_pending_and_unknown_are_told_apart(tmp_path: Path, case: Case) -> None:
    """A file without a record, and a record without a file."""
    state = run(tmp_path, case)
    assert tuple(one.id for one in state.known) == case.known
    assert (pending(state), state.unknown) == ([case.known[1]], (case.unknown,))
    assert state.applied == (case.known[0], case.unknown)
    assert (state.failed, state.edited, state.findings) == ((), (), ())
    assert (state.title, state.apply) == (TOOLS[case.tool].title, case.apply)


@by_tool
def test_everything_is_pending_when_there_is_no_record(tmp_path: Path, case: Case) -> None:
    """A new database has not even the table."""
    state = read(tmp_path, case.tool, case.files, MemoryDatabase())
    assert (state.has_table, tuple(pending(state)), state.applied) == (False, case.known, ())


@by_tool
def test_makings_are_known_of_the_way_up_alone(tmp_path: Path, case: Case) -> None:
    """Each file makes `orders`; what its way down makes is none of them."""
    for one in run(tmp_path, case).known:
        assert (one.creates, one.adds) == ({"orders"}, case.adds)
        assert one.lines["orders"] == 1 + Path(one.path).read_text().split("orders")[0].count("\n")


@by_tool
def test_everything_is_unknown_when_no_file_is_there(tmp_path: Path, case: Case) -> None:
    """An empty checkout against a full database."""
    live = MemoryDatabase(case.tables)
    for table, rows in case.rows.items():
        live.fill(table, *rows)
    state = read(tmp_path, case.tool, {"meta/_journal.json": '{"entries": []}'}, live)
    assert (len(state.unknown), state.pending) == (2, ())


def test_folder_that_is_missing_cannot_be_looked_at(tmp_path: Path) -> None:
    """It is said with its path."""
    with pytest.raises(CannotLook, match=r"the migrations folder .*/gone does not exist"):
        read_records(place(tmp_path, "dbmate", "gone"), MemoryDatabase(VERSIONS))


def test_two_files_of_one_id_are_an_error(tmp_path: Path) -> None:
    """The tool would run one of them, or refuse both."""
    files = {"1_a.sql": DBMATE, "1_b.sql": DBMATE}
    (found,) = read(tmp_path, "dbmate", files, MemoryDatabase()).findings
    assert (found.id, found.severity) == ("dbmate-duplicate:1", Severity.ERROR)
    assert found.text == "two dbmate migrations are called 1: migrations/1_a.sql and migrations/1_b.sql"


def test_file_that_cannot_be_read_is_still_a_migration(tmp_path: Path) -> None:
    """What it makes is not known; that it is pending is."""
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations/1_a.sql").symlink_to("/proc/self/mem")  # fails for root as well
    state = read_records(place(tmp_path, "dbmate"), MemoryDatabase())
    assert [finding.severity for finding in state.findings] == [Severity.UNKNOWN]
    assert pending(state) == ["1"]


def test_order_is_that_of_numbers_not_of_letters(tmp_path: Path) -> None:
    """10 follows 9."""
    state = read(tmp_path, "goose", {"9_a.sql": GOOSE, "10_b.sql": GOOSE, "1_c.sql": GOOSE}, MemoryDatabase())
    assert pending(state) == ["1", "9", "10"]


def test_branch_is_named_when_version_control_has_an_unknown_migration(tmp_path: Path) -> None:
    """Only a few are sought: each costs a search through the history."""
    live = MemoryDatabase(VERSIONS).fill("schema_migrations", *((str(number),) for number in range(1, 6)))
    sought: list[str] = []

    def find_branch(id_: str, folder: Path) -> str:
        assert folder == tmp_path / "migrations"
        sought.append(id_)
        return "branch next" if id_ == "2" else ""

    (tmp_path / "migrations").mkdir()
    state = read_records(place(tmp_path, "dbmate"), live, find_branch=find_branch)
    assert (len(state.unknown), sought, dict(state.branches)) == (5, ["1", "2", "3"], {"2": "branch next"})


def test_record_has_the_name_that_the_project_gives_it(tmp_path: Path) -> None:
    """Alembic's `version_table` may be any."""
    live = MemoryDatabase("CREATE TABLE shop_version (version_num varchar(32)); INSERT INTO shop_version VALUES ('a');")
    (tmp_path / "migrations").mkdir()
    state = read_records(place(tmp_path, "alembic"), live, version_table="shop_version")
    assert (state.table, state.unknown) == ("shop_version", ("a",))


# schema_migrations, which five tools share

SHARED = {
    "dbmate": (VERSIONS, "('1')"),
    "rails": (VERSIONS, "('1')"),
    "golang-migrate": (GOLANG, "(1, 0)"),
    "ecto": ("CREATE TABLE schema_migrations (version bigint, inserted_at timestamp);", "(1, '')"),
    "sequel": ("CREATE TABLE schema_migrations (filename varchar(255));", "('1_a.rb')"),
}


@pytest.mark.parametrize("owner", SHARED)
@pytest.mark.parametrize("tool", SHARED)
def test_shared_record_is_read_by_the_tool_whose_columns_it_has(tmp_path: Path, tool: str, owner: str) -> None:
    """Another tool's is said to be that; dbmate and Rails have the same."""
    (tmp_path / "migrations").mkdir()
    live = MemoryDatabase(SHARED[owner][0] + f"INSERT INTO schema_migrations VALUES {SHARED[owner][1]};")
    if tool == owner or {tool, owner} == {"dbmate", "rails"}:
        assert read_records(place(tmp_path, tool), live).applied == ("1",)
        return
    with pytest.raises(CannotLook) as caught:
        read_records(place(tmp_path, tool), live)
    assert caught.value.code == "other-record"
    assert f"is the record of {'dbmate or Rails' if owner == 'rails' else TOOLS[owner].title}" in caught.value.reason


def test_table_of_no_tool_is_said_with_its_columns(tmp_path: Path) -> None:
    """An application may have a table of that name."""
    (tmp_path / "migrations").mkdir()
    live = MemoryDatabase("CREATE TABLE schema_migrations (title text, body text);")
    with pytest.raises(CannotLook) as caught:
        read_records(place(tmp_path, "dbmate"), live)
    assert caught.value.reason == "the table schema_migrations has the columns body, title, not that of dbmate"


def test_tool_with_a_record_wins_when_files_fit_several(tmp_path: Path) -> None:
    """The first one stays where no record tells."""
    rivals = (place(tmp_path, "golang-migrate"), place(tmp_path, "sqlx"))
    alone = place(tmp_path, "prisma", "prisma/migrations")
    assert pick_recorded((*rivals, alone), MemoryDatabase(SQLX)) == (rivals[1], alone)
    assert pick_recorded((*rivals, alone), MemoryDatabase()) == (rivals[0], alone)
    assert pick_recorded(rivals, MemoryDatabase(VERSIONS)) == (rivals[0],)


# golang-migrate

GOLANG_FILES = {f"00000{number}_x.{way}.sql": SQL for number in (1, 2, 3) for way in ("up", "down")}


def golang(root: Path, *rows: tuple[object, ...]) -> RecordState:
    """Return the state of three files against the one row."""
    return read(root, "golang-migrate", GOLANG_FILES, MemoryDatabase(GOLANG).fill("schema_migrations", *rows))


@pytest.mark.parametrize(
    ("rows", "left", "unknown"),
    [
        ((), ["1", "2", "3"], ()),
        (((2, 0),), ["3"], ()),
        (((3, 0),), [], ()),
        (((9, 0),), [], ("9",)),
        (((-1, 0),), ["1", "2", "3"], ()),
        (((None, 0),), ["1", "2", "3"], ()),
    ],
)
def test_golang_migrate_has_run_everything_up_to_its_version(
    tmp_path: Path, rows: tuple[tuple[object, ...], ...], left: list[str], unknown: tuple[str, ...]
) -> None:
    """One row is the whole record."""
    state = golang(tmp_path, *rows)
    assert (pending(state), state.unknown, state.failed) == (left, unknown, ())
    assert state.apply == 'migrate -path migrations -database "$DATABASE_URL" up'


def test_golang_migrate_has_failed_when_dirty(tmp_path: Path) -> None:
    """The migration of the version broke off; those before it have run, the next one has not."""
    state = golang(tmp_path, (2, 1))
    assert (state.failed, pending(state), state.applied) == (
        (Failure(id="2", message="it is marked dirty"),),
        ["3"],
        ("1",),
    )


# goose


def test_goose_counts_the_latest_row_of_a_version(tmp_path: Path) -> None:
    """Down and up again are rows of their own."""
    live = MemoryDatabase(GOOSE_TABLE).fill(
        "goose_db_version",
        *((number, *row, "") for number, row in enumerate(((0, 1), (1, 1), (2, 1), (2, 0), (3, 1), (3, 0), (3, 1)))),
    )
    files = {f"0000{number}_x.sql": GOOSE for number in (1, 2, 3)}
    state = read(tmp_path, "goose", files, live)
    assert (state.applied, pending(state), state.unknown) == (("1", "3"), ["2"], ())


# Flyway


@pytest.mark.parametrize("content", [b"123456789", b"1234\r\n56789", b"1234\n56789\n", b"\xef\xbb\xbf1234\r56789"])
def test_flyway_checksum_is_that_of_the_lines(content: bytes) -> None:
    """CRC-32's published check value, as the signed number that Java makes of it, whatever the line endings."""
    assert sum_lines(content) == "-873187034" == str(0xCBF43926 - (1 << 32))


def test_flyway_checksum_is_positive_when_its_highest_bit_is_not_set() -> None:
    """The number that zlib gives, then."""
    assert sum_lines(b"SELECT 1") == str(zlib.crc32(b"SELECT 1")) == sum_lines(b"SELECT\n 1")


def flyway(root: Path, files: Mapping[str, str], *rows: tuple[object, ...]) -> RecordState:
    """Return the state of files against a history."""
    return read(root, "flyway", files, MemoryDatabase(FLYWAY).fill("flyway_schema_history", *rows))


def test_flyway_has_failed_when_a_row_says_so(tmp_path: Path) -> None:
    """It is neither pending nor applied."""
    state = flyway(tmp_path, {"V1__a.sql": SQL}, flyway_row(1, "1", "V1__a.sql", success=0))
    assert state.failed == (Failure(id="1", at="2024-05-01 10:00:00", message="make it"),)
    assert (pending(state), state.applied) == ([], ())


def test_flyway_counts_the_latest_row_when_repaired_or_undone(tmp_path: Path) -> None:
    """Failed and run again; undone; deleted by `repair`."""
    state = flyway(
        tmp_path,
        {"V1__a.sql": SQL, "V2__b.sql": SQL},
        flyway_row(0, None, "<< Flyway Schema Creation >>", type="SCHEMA"),
        flyway_row(1, "1", "V1__a.sql", success=0),
        flyway_row(2, "1", "V1__a.sql"),
        flyway_row(3, "2", "V2__b.sql"),
        flyway_row(4, "2", "U2__b.sql", type="UNDO_SQL"),
        flyway_row(5, "8", "V8__gone.sql"),
        flyway_row(6, "8", "V8__gone.sql", type="DELETE"),
    )
    assert (state.applied, pending(state), state.failed, state.unknown) == (("1",), ["2"], (), ())


def test_flyway_baseline_covers_what_is_older(tmp_path: Path) -> None:
    """A database that existed before Flyway has those already."""
    files = {f"V{version}__x.sql": SQL for version in ("1", "1_5", "1_10", "2")}
    state = flyway(tmp_path, files, flyway_row(1, "1.9", "<< Flyway Baseline >>", type="BASELINE"))
    assert (pending(state), state.applied) == (["1.10", "2"], ("1", "1.5"))


def test_flyway_repeatable_runs_again_when_its_file_changed(tmp_path: Path) -> None:
    """That is what repeatable ones are for: no edit of what ran."""
    row = flyway_row(1, None, "views/R__views.sql", checksum=int(sum_lines(b"CREATE VIEW v AS SELECT 1;")))
    assert pending(flyway(tmp_path, {"R__views.sql": "CREATE VIEW v AS SELECT 1;"}, row)) == []
    state = flyway(tmp_path, {"R__views.sql": "CREATE VIEW v AS SELECT 2;"}, row)
    assert (pending(state), state.edited, state.unknown) == (["R__views.sql"], (), ())


def test_flyway_java_migrations_are_not_unknown(tmp_path: Path) -> None:
    """Their files are classes, which are not looked for."""
    state = flyway(tmp_path, {}, flyway_row(1, "1", "db.migration.V1__a", type="JDBC"))
    assert (state.unknown, state.applied) == ((), ("1",))


def test_flyway_has_no_edit_when_only_line_endings_changed(tmp_path: Path) -> None:
    """Its checksum does not see them."""
    row = flyway_row(1, "1", "V1__a.sql", checksum=int(sum_lines(SQL.encode())))
    assert flyway(tmp_path, {"V1__a.sql": SQL.replace("\n", "\r\n")}, row).edited == ()
    (edit,) = flyway(tmp_path, {"V1__a.sql": SQL + "SELECT 1;"}, row).edited
    assert (edit.id, edit.only_line_endings) == ("1", False)


# sqlx


def test_sqlx_has_failed_when_a_row_says_so(tmp_path: Path) -> None:
    """MySQL and SQLite keep what ran before it broke off."""
    live = MemoryDatabase(SQLX).fill("_sqlx_migrations", sqlx_row(1, SQL, success=False))
    state = read(tmp_path, "sqlx", {"0001_a.sql": SQL}, live)
    assert state.failed == (Failure(id="1", at="2024-05-01 10:00:00", message="make it"),)
    assert pending(state) == []


# Edits


EDITED: Mapping[str, tuple[str, str, str, tuple[object, ...]]] = {
    "sqlx": ("1_a.sql", SQLX, "_sqlx_migrations", sqlx_row(1, SQL)),
    "prisma": ("1_a/migration.sql", PRISMA, "_prisma_migrations", prisma_row("1_a", SQL)),
    "drizzle": ("1_a.sql", DRIZZLE, "__drizzle_migrations", (1, sha256(SQL), 1001)),
}
JOURNAL = {"meta/_journal.json": '{"entries": [{"tag": "1_a", "when": 1001}]}'}


@pytest.mark.parametrize("tool", EDITED)
@pytest.mark.parametrize(
    ("content", "only_line_endings"),
    [(SQL.replace("\n", "\r\n"), True), (SQL + "-- one more", False), (SQL.replace("\n", "\r\n") + "x", False)],
)
def test_edit_is_found_when_the_checksum_is_another(
    tmp_path: Path, tool: str, content: str, only_line_endings: bool
) -> None:
    """Whether only Git's line endings did it is said too."""
    file, tables, table, row = EDITED[tool]
    state = read(tmp_path, tool, {file: content, **JOURNAL}, MemoryDatabase(tables).fill(table, row))
    id_ = state.known[0].id
    assert state.edited == (
        Edit(id=id_, path=str(tmp_path / "migrations" / file), only_line_endings=only_line_endings),
    )
    assert (pending(state), state.unknown) == ([], ())


def test_edit_is_found_when_the_record_has_the_endings_of_windows(tmp_path: Path) -> None:
    """It ran on one machine, and is checked out on another."""
    live = MemoryDatabase(PRISMA).fill("_prisma_migrations", prisma_row("1_a", SQL.replace("\n", "\r\n")))
    (edit,) = read(tmp_path, "prisma", {"1_a/migration.sql": SQL}, live).edited
    assert edit.only_line_endings


# Prisma


def prisma(root: Path, *rows: tuple[object, ...]) -> RecordState:
    """Return the state of two migrations against a record."""
    files = {"1_a/migration.sql": SQL, "2_b/migration.sql": SQL}
    return read(root, "prisma", files, MemoryDatabase(PRISMA).fill("_prisma_migrations", *rows))


def test_prisma_has_failed_when_a_migration_never_finished(tmp_path: Path) -> None:
    """When, and what the database said; the next one is pending."""
    logs = (
        "A migration failed to apply. New migrations cannot be applied before the error is recovered from.\n\n"
        "Migration name: 1_a\n\nDatabase error code: 42P07\n\nDatabase error:\nERROR: relation orders already exists\n"
        'DbError { severity: "ERROR" }\n'
    )
    state = prisma(tmp_path, prisma_row("1_a", SQL, finished=None, logs=logs))
    assert state.failed == (
        Failure(id="1_a", at="2024-05-01 10:00:00", message="ERROR: relation orders already exists"),
    )
    assert (pending(state), state.applied) == (["2_b"], ())


def test_prisma_migration_is_pending_again_when_rolled_back(tmp_path: Path) -> None:
    """`migrate resolve --rolled-back` says that it was undone."""
    state = prisma(tmp_path, prisma_row("1_a", SQL, finished=None, rolled_back=1714557600000))
    assert (state.failed, pending(state)) == ((), ["1_a", "2_b"])


def test_prisma_migration_is_applied_when_a_later_attempt_finished(tmp_path: Path) -> None:
    """Each attempt has a row."""
    state = prisma(
        tmp_path,
        prisma_row("1_a", SQL, finished=None, rolled_back=1714557600000),
        prisma_row("1_a", SQL),
    )
    assert (state.failed, state.applied, pending(state)) == ((), ("1_a",), ["2_b"])


# knex


def test_knex_lock_is_told_when_a_run_holds_it(tmp_path: Path) -> None:
    """An interrupted run leaves it; nothing migrates until it is given back."""
    live = MemoryDatabase(KNEX_TABLES + "UPDATE knex_migrations_lock SET is_locked = 1;")
    state = read(tmp_path, "knex", {"1_a.js": KNEX}, live)
    (found,) = state.findings
    assert (found.id, found.severity, found.fix) == ("knex-lock", Severity.WARNING, "npx knex migrate:unlock")
    assert "knex_migrations_lock.is_locked is 1" in found.text
    assert pending(state) == ["1_a.js"]


def test_knex_needs_no_lock_table(tmp_path: Path) -> None:
    """It may have been left out of a dump."""
    live = MemoryDatabase(KNEX_TABLES + "DROP TABLE knex_migrations_lock;")
    assert read(tmp_path, "knex", {"1_a.js": KNEX}, live).findings == ()


# Sequel


@pytest.mark.parametrize(("version", "left", "unknown"), [(0, ["1", "2"], ()), (1, ["2"], ()), (9, [], ("9",))])
def test_sequel_has_run_everything_up_to_its_number(
    tmp_path: Path, version: int, left: list[str], unknown: tuple[str, ...]
) -> None:
    """Its older way: one number."""
    live = MemoryDatabase("CREATE TABLE schema_info (version integer);").fill("schema_info", (version,))
    state = read(tmp_path, "sequel", {"001_a.rb": SEQUEL, "002_b.rb": SEQUEL}, live)
    assert (pending(state), state.unknown, state.table) == (left, unknown, "schema_info")


# drizzle


def test_drizzle_file_that_the_journal_names_must_be_there(tmp_path: Path) -> None:
    """The journal is in version control, and so is the file, as a rule."""
    state = read(tmp_path, "drizzle", JOURNAL, MemoryDatabase())
    assert [finding.id for finding in state.findings] == ["drizzle-unreadable:1_a.sql"]
    assert pending(state) == ["1_a"]


@pytest.mark.parametrize("content", ["{", "[]", '{"entries": [{"tag": "a"}]}', '{"entries": 1}', "\0\udcff"])
def test_drizzle_journal_is_an_error_when_broken(tmp_path: Path, content: str) -> None:
    """A conflict that was merged badly, for instance."""
    journal = content.encode("utf-8", errors="surrogateescape")
    state = read(tmp_path, "drizzle", {"meta/_journal.json": journal}, MemoryDatabase())
    (found,) = state.findings
    assert (found.id, found.fix) == ("drizzle-journal", "git checkout -- migrations/meta/_journal.json")


def test_drizzle_without_a_journal_cannot_be_looked_at(tmp_path: Path) -> None:
    """Its order is nowhere else."""
    (found,) = read(tmp_path, "drizzle", {"0000_a.sql": SQL}, MemoryDatabase()).findings
    assert (found.severity, found.place) == (Severity.UNKNOWN, "migrations/meta/_journal.json")


# Commands


@pytest.mark.parametrize(
    ("tool", "folder", "config", "apply"),
    [
        ("alembic", "db/versions", "alembic.ini", "alembic upgrade head"),
        ("alembic", "db/versions", "db/alembic.ini", "alembic -c db/alembic.ini upgrade head"),
        ("alembic", "db/versions", "", "alembic upgrade head"),
        ("prisma", "prisma/migrations", "prisma/schema.prisma", "npx prisma migrate deploy"),
        ("prisma", "db/migrations", "db/schema.prisma", "npx prisma migrate deploy --schema db/schema.prisma"),
        ("dbmate", "db/migrations", "", "dbmate up"),
        ("goose", ".", "", "goose up"),
        ("flyway", "sql", "ops/flyway.toml", "flyway -configFiles ops/flyway.toml migrate"),
        ("sequelize", "db/migrations", "", "npx sequelize-cli db:migrate --migrations-path db/migrations"),
    ],
)
def test_command_names_the_place_when_it_is_not_the_usual_one(
    tmp_path: Path, tool: str, folder: str, config: str, apply: str
) -> None:
    """What is typed must work in the service's folder."""
    assert TOOLS[tool].command(TOOLS[tool].apply, place(tmp_path, tool, folder, config)) == apply
