"""From differences to sentences: one finding a cause, with what made it and what mends it."""

from __future__ import annotations

from devenv.domain.findings import Finding, Severity
from devenv.schema.causes import Evidence, explain
from devenv.schema.differences import Difference, Kind
from devenv.schema.ir import Dialect, Schema, Table
from devenv.schema.records.state import Edit, Failure, Migration, RecordState

PLACE = "database app, schema public at 127.0.0.1:5432 (PostgreSQL 15.18)"
FIRST = Migration(id="0001", title="create users", creates=frozenset({"users"}))
SECOND = Migration(
    id="0002",
    title="second",
    path="/app/versions/0002.py",
    creates=frozenset({"orders", "items"}),
    adds=frozenset({("users", "tenant_id"), ("users", "last_seen")}),
)


def missing(*columns: str, table: str = "users", place: str = "app/models/user.py:14") -> tuple[Difference, ...]:
    """Return differences for missing columns, or for a missing table where no column is named."""
    if not columns:
        return (Difference(kind=Kind.TABLE_MISSING, table=table, place=place),)
    return tuple(Difference(kind=Kind.COLUMN_MISSING, table=table, part=one, place=place) for one in columns)


def alembic(**facts: object) -> RecordState:
    """Return the record of a project with two migrations, of which the first has run."""
    known = {
        "known": (FIRST, SECOND),
        "applied": ("0001",),
        "apply": "alembic upgrade head",
        "make": "alembic revision --autogenerate",
    }
    made = {"tool": "alembic", "title": "Alembic", "table": "alembic_version", "folder": "/app", **known, **facts}
    return RecordState(**made)  # type: ignore[arg-type]


def schema(*names: str, source: str = "SQLAlchemy app.models:Base", schema: str = "") -> Schema:
    """Return a schema with tables of these names."""
    tables = tuple(Table(name=name, schema=schema) for name in names)
    return Schema(dialect=Dialect.POSTGRESQL, source=source, tables=tables)


def causes(*differences: Difference, states: tuple[RecordState, ...] = (), **facts: object) -> tuple[Finding, ...]:
    """Return the findings for a service whose models and database share the table `common`."""
    made = {"expected": (schema("common", "users"),), "live": schema("common", "users"), **facts}
    return explain(
        Evidence(service="api", place=PLACE, differences=differences, states=states, **made)  # type: ignore[arg-type]
    )


def test_pending_migration_is_named_with_the_columns_that_it_adds() -> None:
    """The incident of the User model: table, columns, place in the code, migration, command."""
    (finding,) = causes(*missing("tenant_id", "last_seen"), states=(alembic(pending=(SECOND,)),))
    assert finding.text == (
        f"{PLACE} is 1 Alembic migration behind this checkout (last applied 0001); table users lacks 2 columns that "
        'the code uses: tenant_id, last_seen (app/models/user.py:14); migration 0002 "second" adds them and is pending'
    )
    assert finding.severity is Severity.ERROR
    assert finding.fix == "devenv migrate api"
    assert "that runs: alembic upgrade head" in finding.details
    assert finding.place == "app/models/user.py:14"


def test_old_backup_is_one_finding_with_a_count() -> None:
    """Missing tables of pending migrations are not told one by one; the list is in the details."""
    lost = [*missing(table="orders"), *missing(table="items")]
    (finding,) = causes(*lost, states=(alembic(pending=(SECOND,)),))
    assert '2 tables are missing: orders, items (created by 0002 "second")' in finding.text
    assert "table items is missing (app/models/user.py:14)" in finding.details


def test_backup_newer_than_the_code_is_told_as_such() -> None:
    """Records without a file mean that somebody else is ahead."""
    (finding,) = causes(states=(alembic(unknown=("0003", "0004")),))
    assert finding.text == (
        f"{PLACE} has 2 Alembic migrations that this checkout does not have (0003, 0004): it is newer than the code, "
        "or another project's"
    )
    assert finding.fix == "git pull"


def test_backup_newer_than_the_code_names_the_branch_that_has_it() -> None:
    """Another branch made the migration: merging it is the way on."""
    (finding,) = causes(states=(alembic(unknown=("0003",), branches={"0003": "branch feature/tenants"}),))
    assert finding.text.endswith("does not have (0003): found on branch feature/tenants")
    assert finding.fix == "git merge feature/tenants"


def test_partial_restore_names_the_migration_whose_table_is_gone() -> None:
    """All is recorded as applied, and only the comparison sees it."""
    (finding,) = causes(*missing(table="orders"), states=(alembic(applied=("0002",)),))
    assert finding.text == (
        f'migration 0002 "second" is recorded as applied in {PLACE}, but its table orders does not exist: the restore '
        "was incomplete"
    )


def test_model_without_migration_is_told_with_the_command_that_writes_one() -> None:
    """No record can see it: the model was changed and nobody made a migration."""
    (finding,) = causes(*missing("nickname"), states=(alembic(applied=("0002",)),))
    assert finding.text == (
        "table users lacks 1 column that the code uses: nickname (app/models/user.py:14), and no migration makes it "
        f"({PLACE})"
    )
    assert finding.fix == "devenv run api -- alembic revision --autogenerate"


def test_wrong_schema_is_told_where_the_tables_are() -> None:
    """All tables are there, under another schema than the URL asks for."""
    live = Schema(
        dialect=Dialect.POSTGRESQL,
        source="PostgreSQL",
        tables=(Table(name="users", schema="app"), Table(name="common", schema="app")),
    )
    (finding,) = causes(*missing(table="users"), *missing(table="common"), live=live)
    assert finding.id == "schema-wrong"
    assert finding.text == f"0 of 2 tables in {PLACE}: users, common are in schema app, which the URL does not ask for"


def test_strangers_in_the_database_are_told() -> None:
    """Another program's tables and none of ours: the URL is wrong."""
    (finding,) = causes(*missing(table="users"), *missing(table="common"), live=schema("wp_posts"))
    assert finding.id == "database-wrong"
    assert "holds 1 other table, such as wp_posts" in finding.text


def test_empty_database_is_behind_by_all_migrations() -> None:
    """A fresh database is no wrong one: its migrations have not run."""
    (finding,) = causes(
        *missing(table="users"),
        *missing(table="common"),
        live=schema(),
        states=(alembic(applied=(), has_table=False, pending=(FIRST, SECOND)),),
    )[:1]
    assert finding.id == "migrations-pending:alembic"
    assert "2 Alembic migrations behind this checkout (none has run yet)" in finding.text


def test_missing_enum_value_is_told_with_the_enum() -> None:
    """The code would write what the database refuses."""
    lost = Difference(kind=Kind.ENUM_VALUE_MISSING, table="TenantStatus", part="ARCHIVED")
    (finding,) = causes(lost, states=(alembic(pending=(FIRST,)),))[1:]
    assert finding.text.startswith("enum TenantStatus lacks the value ARCHIVED that the code writes")
    assert finding.fix == "devenv migrate api"


def test_failed_migration_is_told_with_its_message_and_the_way_on() -> None:
    """What the tool wrote down of it is shown."""
    failed = Failure(id="20240101_x", at="10:42", message="ERROR: relation exists")
    (finding,) = causes(states=(alembic(tool="prisma", title="Prisma", failed=(failed,)),))
    assert finding.text == "the Prisma migration 20240101_x failed at 10:42: ERROR: relation exists"
    assert finding.fix == "npx prisma migrate resolve --rolled-back 20240101_x"


def test_edited_migration_is_harmless_when_only_line_endings_differ() -> None:
    """A checkout on another system is no edit."""
    edits = (Edit(id="1", path="/a"), Edit(id="2", path="/b", only_line_endings=True))
    first, second = causes(states=(alembic(edited=edits),))
    assert (first.severity, second.severity) == (Severity.WARNING, Severity.INFO)


def test_mild_differences_are_one_finding_a_kind() -> None:
    """Twenty-eight foreign keys that were dropped on purpose are one line, and never block."""
    keys = [
        Difference(kind=Kind.FOREIGN_KEY_MISSING, table=f"t{number}", part="user_id", expected="users (id)")
        for number in range(28)
    ]
    (finding,) = causes(*keys)
    assert finding.severity is Severity.WARNING
    assert finding.text == "t0 has no foreign key (user_id) to users (id), and 27 more of this kind"
    assert len(finding.details) == 28


def test_every_difference_is_in_one_finding() -> None:
    """Nothing is lost on the way from symptoms to causes."""
    every = [Difference(kind=kind, table=f"t_{kind}", part="x") for kind in Kind]
    text = " ".join(f"{one.text} {' '.join(one.details)}" for one in causes(*every, states=(alembic(),)))
    assert [kind for kind in Kind if f"t_{kind}" not in text] == []
