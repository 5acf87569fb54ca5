"""What is a difference and what is none: expected and live schemas built by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from devenv.domain.findings import Severity
from devenv.schema.compare import compare
from devenv.schema.differences import SEVERITIES, Difference, Kind
from devenv.schema.ir import Column, Dialect, Enum, ForeignKey, Index, Schema, Table

ID = Column(name="id", type="INTEGER", nullable=False, is_filled=True)
LIVE_ID = replace(ID, type="integer")
EMAIL = Column(name="email", type="VARCHAR(80)", nullable=False, place="models.py:7")
LIVE_EMAIL = replace(EMAIL, type="character varying(80)", place="")
USERS = Table(name="users", columns=(ID, EMAIL), primary_key=("id",), place="models.py:4")
LIVE_USERS = Table(name="users", columns=(LIVE_ID, LIVE_EMAIL), primary_key=("id",))
ORDERS = Table(
    name="orders",
    columns=(ID, Column(name="user_id", type="INTEGER"), Column(name="code", type="TEXT")),
    primary_key=("id",),
    foreign_keys=(ForeignKey(columns=("user_id",), table="users", targets=("id",), name="orders_user_id_fkey"),),
)
MOOD = Enum(name="mood", values=("sad", "ok", "happy"))
FEELING = Column(name="mood", type="mood", enum="mood")


def schema(*tables: Table, dialect: Dialect = Dialect.POSTGRESQL, enums: tuple[Enum, ...] = ()) -> Schema:
    """Return a schema; `public` is the default one."""
    return Schema(dialect=dialect, source="test", default_schema="public", tables=tables, enums=enums)


def ids(expected: Schema, live: Schema, **options: Any) -> list[str]:
    """Return the ids of what differs."""
    return [difference.id for difference in compare(expected, live, **options)]


def table_ids(expected: Table, live: Table, dialect: Dialect = Dialect.POSTGRESQL) -> list[str]:
    """Return the ids of what differs between two tables."""
    return ids(schema(expected, dialect=dialect), schema(live, dialect=dialect))


def with_columns(table: Table, *columns: Column, **changes: Any) -> Table:
    """Return the table with more columns."""
    return replace(table, columns=(*table.columns, *columns), **changes)


def without_column(table: Table, name: str) -> Table:
    """Return the table without a column, as a server drops one: with every key that it is in."""
    return replace(
        table,
        columns=tuple(column for column in table.columns if column.name != name),
        indexes=tuple(index for index in table.indexes if name not in index.columns),
        uniques=tuple(names for names in table.uniques if name not in names),
        foreign_keys=tuple(key for key in table.foreign_keys if name not in key.columns),
    )


def test_every_kind_has_a_severity() -> None:
    """A difference without one could not be told."""
    assert set(SEVERITIES) == set(Kind)


def test_nothing_differs_when_both_sides_mean_the_same() -> None:
    """Spelling, places and names of keys are not meaning."""
    live = replace(ORDERS, foreign_keys=(replace(ORDERS.foreign_keys[0], name="fk_1"),))
    assert ids(schema(USERS, ORDERS), schema(LIVE_USERS, live)) == []


def test_missing_table_is_all_that_is_told_when_a_table_is_missing() -> None:
    """Neither its columns nor the foreign keys of others that refer to it, which went with it."""
    live = replace(ORDERS, foreign_keys=())
    assert compare(schema(USERS, ORDERS), schema(live)) == (
        Difference(kind=Kind.TABLE_MISSING, table="users", place="models.py:4"),
    )


def test_missing_column_is_all_that_is_told_when_a_column_is_missing() -> None:
    """Its index, its unique constraint and its foreign key went with it."""
    full = replace(ORDERS, indexes=(Index(columns=("user_id", "code")),), uniques=(("user_id",),))
    assert ids(schema(USERS, full), schema(LIVE_USERS, without_column(full, "user_id"))) == [
        "column-missing:orders.user_id"
    ]


def test_missing_column_tells_type_and_place() -> None:
    """The finding needs them."""
    assert compare(schema(USERS), schema(without_column(LIVE_USERS, "email"))) == (
        Difference(kind=Kind.COLUMN_MISSING, table="users", part="email", expected="VARCHAR(80)", place="models.py:7"),
    )


EXTRA = Column(name="legacy", type="integer")


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (EXTRA, Kind.COLUMN_EXTRA),
        (replace(EXTRA, nullable=False, is_filled=True), Kind.COLUMN_EXTRA),
        (replace(EXTRA, nullable=False, is_generated=True), Kind.COLUMN_EXTRA),
        (replace(EXTRA, nullable=False), Kind.COLUMN_REQUIRED),
    ],
)
def test_unknown_column_blocks_only_when_inserts_must_fill_it(column: Column, kind: Kind) -> None:
    """NOT NULL without a default refuses every insert of code that does not know the column."""
    assert table_ids(USERS, with_columns(LIVE_USERS, column)) == [f"{kind}:users.legacy"]


@pytest.mark.parametrize(
    ("live", "found"),
    [
        ("integer", "type-differs:users.email"),
        ("character varying(40)", "length-differs:users.email"),
        ("character varying(200)", "length-differs:users.email"),
        ("text", "type-wider:users.email"),
        ("email_address", "type-uncertain:users.email"),
    ],
)
def test_type_is_told_by_what_it_can_hold(live: str, found: str) -> None:
    """One kind for each relation of two types."""
    assert table_ids(USERS, replace(LIVE_USERS, columns=(LIVE_ID, replace(LIVE_EMAIL, type=live)))) == [found]


def test_array_is_no_single_value_when_only_a_mark_says_so() -> None:
    """A source may give the element's type and say beside it that it is a list."""
    expected = with_columns(USERS, Column(name="tags", type="TEXT", is_array=True))
    array = Column(name="tags", type="text[]", is_array=True)
    assert table_ids(expected, with_columns(LIVE_USERS, array)) == []
    assert table_ids(expected, with_columns(LIVE_USERS, Column(name="tags", type="text"))) == [
        "type-differs:users.tags"
    ]


@pytest.mark.parametrize(
    ("expected", "live", "found"),
    [
        ({"nullable": False}, {"nullable": True}, "nullable"),
        ({"nullable": True}, {"nullable": False}, "not-null"),
        ({"nullable": True}, {"nullable": False, "is_filled": True}, "not-null"),
        ({"nullable": False, "is_filled": True}, {"nullable": False}, "default-missing"),
        ({"nullable": False}, {"nullable": False, "is_filled": True}, None),
        ({"nullable": False}, {"nullable": False, "is_generated": True}, "type-differs"),
        ({"nullable": False, "is_filled": True}, {"nullable": True, "is_generated": True}, None),
    ],
)
def test_null_and_default_are_compared(
    expected: Mapping[str, bool], live: Mapping[str, bool], found: str | None
) -> None:
    """A value that one side may leave out and the other demands."""
    wanted = with_columns(USERS, Column(name="note", type="text", **expected))
    there = with_columns(LIVE_USERS, Column(name="note", type="text", **live))
    assert table_ids(wanted, there) == ([f"{found}:users.note"] if found else [])


def test_null_of_a_key_column_is_no_difference_when_sqlite_allows_it() -> None:
    """SQLite says that a key's column may be NULL wherever the statement did not say otherwise."""
    live = replace(LIVE_USERS, columns=(replace(LIVE_ID, nullable=True), LIVE_EMAIL))
    assert table_ids(USERS, live, Dialect.SQLITE) == []


FEELERS = with_columns(USERS, FEELING)
LIVE_FEELERS = with_columns(LIVE_USERS, FEELING)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (("happy", "ok", "sad"), []),
        (("sad", "happy"), ["enum-value-missing:mood.ok"]),
        (("sad", "ok", "happy", "angry"), ["enum-value-extra:mood.angry"]),
        (("sad", "fine", "happy"), ["enum-value-missing:mood.ok", "enum-value-extra:mood.fine"]),
    ],
)
def test_enum_values_are_compared_without_their_order(values: tuple[str, ...], found: list[str]) -> None:
    """A renamed value is one missing and one more."""
    live = schema(LIVE_FEELERS, enums=(replace(MOOD, values=values),))
    assert ids(schema(FEELERS, enums=(MOOD,)), live) == found


def test_enum_is_missing_when_it_was_renamed() -> None:
    """The columns that have the renamed one say nothing more."""
    live = with_columns(LIVE_USERS, replace(FEELING, type="state", enum="state"))
    assert ids(schema(FEELERS, enums=(MOOD,)), schema(live, enums=(replace(MOOD, name="state"),))) == [
        "enum-missing:mood"
    ]


@pytest.mark.parametrize(
    ("expected", "live"),
    [
        (FEELING, Column(name="mood", type="text")),
        (Column(name="mood", type="TEXT"), FEELING),
        (FEELING, replace(FEELING, enum="other")),
        (FEELING, replace(FEELING, is_array=True)),
    ],
)
def test_type_differs_when_only_one_side_has_the_enum(expected: Column, live: Column) -> None:
    """PostgreSQL compares an enum with nothing but itself."""
    enums = (MOOD, Enum(name="other", values=("x",)))
    found = ids(
        schema(with_columns(USERS, expected), enums=(MOOD,)), schema(with_columns(LIVE_USERS, live), enums=enums)
    )
    assert found == ["type-differs:users.mood"]


def test_enum_is_the_same_when_only_one_side_names_the_default_schema() -> None:
    """`public.mood` is `mood` where public is the default schema."""
    expected = with_columns(USERS, replace(FEELING, enum="public.mood"))
    enums = (replace(MOOD, schema="public"),)
    assert ids(schema(expected, enums=enums), schema(LIVE_FEELERS, enums=(MOOD,))) == []


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (("sad", "ok"), []),
        (("sad",), ["enum-value-missing:users.mood.ok"]),
        (("sad", "ok", "happy"), ["enum-value-extra:users.mood.happy"]),
    ],
)
def test_values_of_a_column_are_compared_on_mysql(values: tuple[str, ...], found: list[str]) -> None:
    """MySQL has no enum types: the column lists the values."""
    expected = with_columns(USERS, Column(name="mood", type="ENUM('sad','ok')", values=("sad", "ok")))
    live = with_columns(LIVE_USERS, Column(name="mood", type="enum(...)", values=values))
    assert table_ids(expected, live, Dialect.MYSQL) == found


KEYED = with_columns(
    USERS, Column(name="a", type="integer"), Column(name="b", type="integer"), Column(name="c", type="integer")
)


@pytest.mark.parametrize(
    ("expected", "live"),
    [
        ({"uniques": (("a", "b"),)}, {"indexes": (Index(columns=("b", "a"), unique=True),)}),
        ({"indexes": (Index(columns=("a",), unique=True),)}, {"uniques": (("a",),)}),
        ({"primary_key": ("a", "b")}, {"primary_key": (), "uniques": (("a", "b"),)}),
        ({"primary_key": (), "uniques": (("a", "b"),)}, {"primary_key": ("a", "b")}),
        ({"uniques": (("id",),)}, {}),
        ({"indexes": (Index(columns=("a",)),)}, {"indexes": (Index(columns=("a", "b"), name="other"),)}),
        ({"indexes": (Index(columns=("id",)),)}, {}),
        ({"indexes": (Index(columns=("a",)), Index(columns=("a",)))}, {"indexes": (Index(columns=("a",)),)}),
        ({}, {"indexes": (Index(columns=("a",)), Index(columns=("b",), unique=True, partial=True))}),
        ({"uniques": (("a",),)}, {"uniques": (("a",), ("a", "b"))}),
        (
            {"indexes": (Index(columns=("",), name="lower"),)},
            {"indexes": (Index(columns=("",), name="renamed"),)},
        ),
        (
            {"indexes": (Index(columns=("", "b"), name="newest"),)},
            {"indexes": (Index(columns=("a", "b"), name="newest"),)},
        ),
        (
            {"indexes": (Index(columns=("", "b"), name="newest"),)},
            {"indexes": (Index(columns=("a", "b"), name="renamed"),)},
        ),
        (
            {"indexes": (Index(columns=("a",), unique=True, partial=True),)},
            {"indexes": (Index(columns=("a",), unique=True, partial=True),)},
        ),
    ],
)
def test_keys_are_the_same_when_they_do_the_same(expected: Mapping[str, Any], live: Mapping[str, Any]) -> None:
    """Constraint or index, under whatever name, and longer than needed."""
    assert table_ids(replace(KEYED, **expected), replace(KEYED, **live)) == []


@pytest.mark.parametrize(
    ("expected", "live", "found"),
    [
        ({}, {"primary_key": ()}, ["primary-key:users.id"]),
        ({"primary_key": ("a", "b")}, {"primary_key": ("a",)}, ["primary-key:users.a, b"]),
        ({"uniques": (("a", "b"),)}, {}, ["unique-missing:users.a, b"]),
        ({"uniques": (("a", "b"),)}, {"indexes": (Index(columns=("a", "b")),)}, ["unique-missing:users.a, b"]),
        (
            {"uniques": (("a",),)},
            {"indexes": (Index(columns=("a",), unique=True, partial=True),)},
            ["unique-missing:users.a"],
        ),
        (
            {"uniques": (("a",),)},
            {"indexes": (Index(columns=("a",), unique=True, valid=False),)},
            ["index-invalid:users.a"],
        ),
        ({}, {"uniques": (("a", "b"),)}, ["unique-extra:users.a, b"]),
        ({"indexes": (Index(columns=("a",)),)}, {}, ["index-missing:users.a"]),
        (
            {"indexes": (Index(columns=("a",)),)},
            {"indexes": (Index(columns=("b", "a")),)},
            ["index-missing:users.a"],
        ),
        (
            {"indexes": (Index(columns=("a",)),)},
            {"indexes": (Index(columns=("a",), partial=True),)},
            ["index-missing:users.a"],
        ),
        (
            {"indexes": (Index(columns=("a",)),)},
            {"indexes": (Index(columns=("a",), valid=False),)},
            ["index-invalid:users.a"],
        ),
        ({}, {"indexes": (Index(columns=("a",), valid=False),)}, ["index-invalid:users.a"]),
        (
            {"indexes": (Index(columns=("",), name="one"), Index(columns=("",), name="two"))},
            {"indexes": (Index(columns=("",), name="one"),)},
            ["index-missing:users.(expression)"],
        ),
        (
            {"indexes": (Index(columns=("",), name="lower"),)},
            {"indexes": (Index(columns=("a",), name="other"),)},
            ["index-missing:users.(expression)"],
        ),
        (
            {"indexes": (Index(columns=("",), name="lower"),)},
            {"indexes": (Index(columns=("",), name="lower", valid=False),)},
            ["index-invalid:users.(expression)"],
        ),
        (
            {"indexes": (Index(columns=("a",), unique=True, partial=True),)},
            {},
            ["unique-missing:users.a"],
        ),
    ],
)
def test_key_is_told_when_the_database_lacks_it(
    expected: Mapping[str, Any], live: Mapping[str, Any], found: list[str]
) -> None:
    """Nothing else in the database does what it is for."""
    assert table_ids(replace(KEYED, **expected), replace(KEYED, **live)) == found


@pytest.mark.parametrize(
    "key",
    [
        ForeignKey(columns=("user_id",), table="users", targets=("email",)),
        ForeignKey(columns=("user_id",), table="orders", targets=("id",)),
        ForeignKey(columns=("code",), table="users", targets=("id",)),
    ],
)
def test_foreign_key_is_missing_when_columns_or_target_differ(key: ForeignKey) -> None:
    """A name alone is nothing."""
    live = replace(ORDERS, foreign_keys=(replace(key, name="orders_user_id_fkey"),))
    assert ids(schema(USERS, ORDERS), schema(LIVE_USERS, live)) == ["foreign-key-missing:orders.user_id"]


def test_foreign_key_is_the_same_when_sqlite_leaves_out_the_target() -> None:
    """`REFERENCES users` means the primary key of users."""
    live = replace(ORDERS, foreign_keys=(ForeignKey(columns=("user_id",), table="users", targets=()),))
    assert ids(schema(USERS, ORDERS), schema(LIVE_USERS, live, dialect=Dialect.SQLITE)) == []


def test_foreign_key_is_the_same_when_only_one_side_names_the_default_schema() -> None:
    """`public.users` is `users` where public is the default schema."""
    expected = replace(ORDERS, foreign_keys=(replace(ORDERS.foreign_keys[0], schema="public"),))
    assert ids(schema(replace(USERS, schema="public"), expected), schema(LIVE_USERS, ORDERS)) == []


def test_extra_table_is_told_when_the_code_uses_its_schema() -> None:
    """Tables of a schema that the code never mentions are somebody else's."""
    live = schema(LIVE_USERS, replace(LIVE_USERS, name="old"), replace(LIVE_USERS, name="jobs", schema="queue"))
    assert ids(schema(USERS), live) == ["table-extra:old"]


def test_table_is_missing_when_it_is_in_another_schema() -> None:
    """A table of the same name elsewhere is another table."""
    assert ids(schema(USERS), schema(replace(LIVE_USERS, schema="app"))) == ["table-missing:users"]


@pytest.mark.parametrize(
    ("table", "options"),
    [
        (replace(USERS, name="audit_log"), {"ignore": ["audit_*"]}),
        (replace(USERS, name="log", schema="audit"), {"ignore": ["audit.*"]}),
        (replace(USERS, name="log"), {"ignore": ["public.log"]}),
        (replace(USERS, name="alembic_version"), {"tool_tables": {"alembic_version"}}),
        (
            replace(USERS, name="__drizzle_migrations", schema="drizzle"),
            {"tool_tables": {"drizzle.__drizzle_migrations"}},
        ),
    ],
)
def test_table_is_left_out_on_both_sides_when_ignored(table: Table, options: Mapping[str, Any]) -> None:
    """By glob with or without its schema, or as the record of a migration tool."""
    other = replace(USERS, name="other", schema=table.schema)
    assert ids(schema(other, table), schema(other), **options) == []
    assert ids(schema(other), schema(other, table), **options) == []


def test_enum_is_left_out_when_only_ignored_tables_use_it() -> None:
    """Who ignores a table ignores what is there for it alone."""
    audit = replace(FEELERS, name="audit_log")
    assert ids(schema(USERS, audit, enums=(MOOD,)), schema(LIVE_USERS), ignore=["audit_*"]) == []


def test_table_is_left_out_when_an_extension_made_it() -> None:
    """Whether the code knows it or not."""
    live = replace(LIVE_USERS, name="spatial_ref_sys", columns=(), owner="postgis")
    assert ids(schema(USERS), schema(LIVE_USERS, live)) == []
    assert ids(schema(USERS, replace(USERS, name="spatial_ref_sys")), schema(LIVE_USERS, live)) == []


def test_view_has_no_keys_and_no_nulls_to_compare() -> None:
    """Its columns may be NULL as far as a server knows; what is missing or of another type still counts."""
    live = Table(name="users", columns=(replace(LIVE_EMAIL, nullable=True, type="integer"),), is_view=True)
    assert table_ids(USERS, live) == ["column-missing:users.id", "type-differs:users.email"]


def test_view_is_no_extra_table() -> None:
    """Reports and materialised views are nothing that code misses."""
    assert ids(schema(USERS), schema(LIVE_USERS, Table(name="totals", is_view=True))) == []


@pytest.mark.parametrize(
    ("dialect", "found"),
    [
        (Dialect.MYSQL, []),
        (Dialect.SQLITE, []),
        (Dialect.POSTGRESQL, ["table-missing:Users", "table-extra:users"]),
    ],
)
def test_case_of_names_counts_only_where_the_server_says_so(dialect: Dialect, found: list[str]) -> None:
    """MySQL on macOS and Windows keeps every name in lower case; PostgreSQL tells them apart everywhere."""
    expected = Table(name="Users", columns=(replace(ID, name="ID"),), primary_key=("ID",))
    assert table_ids(expected, Table(name="users", columns=(LIVE_ID,), primary_key=("id",)), dialect) == found


def test_table_of_the_same_case_is_taken_when_two_differ_in_case_alone() -> None:
    """MySQL on Linux tells them apart."""
    both = (replace(LIVE_USERS, name="USERS", columns=()), LIVE_USERS)
    live = schema(*both, dialect=Dialect.MYSQL)
    assert ids(schema(USERS, dialect=Dialect.MYSQL), live) == ["table-extra:USERS"]


def test_partial_index_is_a_whole_one_when_the_server_has_none() -> None:
    """SQLAlchemy drops the condition of a partial index on MySQL, which has no such thing."""
    expected = replace(KEYED, indexes=(Index(columns=("a",), unique=True, partial=True),))
    assert table_ids(expected, replace(KEYED, uniques=(("a",),)), Dialect.MYSQL) == []


def test_only_errors_block() -> None:
    """What is graver than a warning is what breaks code; missing keys and indexes never are."""
    harmless = {Kind.INDEX_MISSING, Kind.FOREIGN_KEY_MISSING, Kind.UNIQUE_MISSING, Kind.TABLE_EXTRA, Kind.TYPE_WIDER}
    assert all(SEVERITIES[kind] is not Severity.ERROR for kind in harmless)
