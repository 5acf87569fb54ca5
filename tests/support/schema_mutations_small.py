"""A smaller set of random changes for MariaDB and SQLite; see `schema_mutations` for PostgreSQL's.

Owns what breaks code there. Must not know drivers. SQLite changes few things by statement: there a mutation is an edit
of the CREATE TABLE that the file is made from.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from devenv.schema.ir import Column, Table
from tests.support.schema_mutations import Target, ids, is_demanded, is_keyed, listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of `table`: a statement, or `edit` of its CREATE TABLE; `undo` where making the table again does not."""

    table: str
    statement: str = ""
    edit: tuple[str, str] = ("", "")
    undo: str = ""
    errors: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    is_silent: bool = False


Maker = Callable[[Target], Change | None]


def plain(table: Table, column: Column) -> bool:
    """Tell whether a column can be changed without more: in no key, counted or computed by nobody."""
    return not (is_keyed(table, column) or column.is_filled or column.is_generated or has_computed(table))


def has_computed(table: Table) -> bool:
    """Tell whether a column is computed from others."""
    return any(column.is_generated for column in table.columns)


def drop_table(at: Target) -> Change:
    """Drop a table."""
    name = at.table().name
    return Change(table=name, statement=f"DROP TABLE `{name}`", errors=ids(f"table-missing:{name}"))


def rename_table(at: Target) -> Change:
    """Give a table another name."""
    name = at.table().name
    return Change(
        table=name,
        statement=f"ALTER TABLE `{name}` RENAME TO `{name}_b`",
        undo=f"ALTER TABLE `{name}_b` RENAME TO `{name}`",
        errors=ids(f"table-missing:{name}"),
        others=ids(f"table-extra:{name}_b"),
    )


def drop_column(at: Target) -> Change:
    """Drop a column."""
    table, column = at.column(plain)
    return Change(
        table=table.name,
        statement=f"ALTER TABLE `{table.name}` DROP COLUMN `{column.name}`",
        errors=ids(f"column-missing:{table.name}.{column.name}"),
    )


def rename_column(at: Target) -> Change:
    """Give a column another name."""
    table, column = at.column(lambda table, _: not has_computed(table))
    errors, others = ids(f"column-missing:{table.name}.{column.name}"), ids()
    if is_demanded(column):
        errors |= {f"column-required:{table.name}.renamed"}
    else:
        others = ids(f"column-extra:{table.name}.renamed")
    statement = f"ALTER TABLE `{table.name}` RENAME COLUMN `{column.name}` TO renamed"
    undo = f"ALTER TABLE `{table.name}` RENAME COLUMN renamed TO `{column.name}`"
    return Change(table=table.name, statement=statement, undo=undo, errors=errors, others=others)


def add_column(at: Target) -> Change:
    """Add a column that inserts need not fill."""
    name = at.table().name
    demand = at.dice.choice(["", "DEFAULT 7", "NOT NULL DEFAULT 7"])
    statement = f"ALTER TABLE `{name}` ADD COLUMN added INT {demand}"
    return Change(table=name, statement=statement, others=ids(f"column-extra:{name}.added"))


def add_index(at: Target) -> Change:
    """Add an index."""
    table, column = at.column(plain)
    return Change(
        table=table.name, statement=f"CREATE INDEX by_hand ON `{table.name}` (`{column.name}`)", is_silent=True
    )


def drop_index(at: Target) -> Change | None:
    """Drop an index or a unique index."""
    index, table = at.dice.choice([(index, table) for table in at.live.tables for index in table.indexes])
    others = [table.primary_key, *table.uniques, *(one.columns for one in table.indexes if one.name != index.name)]
    wanted = at.wanted(table)
    is_asked_for = index.unique or any(one.columns == index.columns for one in wanted.indexes)
    if not is_asked_for or any(columns[: len(index.columns)] == index.columns for columns in others):
        return None
    kind = "unique-missing" if index.unique else "index-missing"
    how = f"DROP INDEX `{index.name}`" + (f" ON `{table.name}`" if at.live.dialect == "mysql" else "")
    return Change(table=table.name, statement=how, others=ids(f"{kind}:{table.name}.{listed(index.columns)}"))


# --- MariaDB ---


def modify(table: Table, column: Column, type_: str, *, nullable: bool | None = None) -> str:
    """Return the statement that gives a column another type or another nullability."""
    is_nullable = column.nullable if nullable is None else nullable
    return f"ALTER TABLE `{table.name}` MODIFY `{column.name}` {type_} {'NULL' if is_nullable else 'NOT NULL'}"


def mysql_family(at: Target) -> Change:
    """Make a column hold another kind of value."""
    table, column = at.column(lambda table, column: plain(table, column) and not column.values)
    other = "date" if column.type.startswith(("int", "small", "big", "tiny")) else "int"
    return Change(
        table=table.name,
        statement=modify(table, column, other),
        errors=ids(f"type-differs:{table.name}.{column.name}"),
    )


def mysql_narrower(at: Target) -> Change:
    """Make a column hold less of the same."""
    table, column = at.column(lambda table, column: plain(table, column) and mysql_less(column.type))
    return Change(
        table=table.name,
        statement=modify(table, column, mysql_less(column.type)),
        errors=ids(f"type-narrower:{table.name}.{column.name}"),
    )


def mysql_less(type_: str) -> str:
    """Return a type that holds less, '' for none."""
    if found := re.fullmatch(r"decimal\((\d+),(\d+)\)", type_):
        return f"decimal({int(found[1]) - 1},{found[2]})"
    return {"int(11)": "smallint", "bigint(20)": "int", "text": "tinytext", "blob": "tinyblob"}.get(type_, "")


def mysql_wider(at: Target) -> Change:
    """Make a column hold more of the same."""
    more = {
        "int(11)": "bigint",
        "smallint(6)": "int",
        "text": "longtext",
        "tinyint(1)": "int",
        "datetime": "datetime(6)",
    }
    table, column = at.column(lambda table, column: plain(table, column) and column.type in more)
    return Change(
        table=table.name,
        statement=modify(table, column, more[column.type]),
        others=ids(f"type-wider:{table.name}.{column.name}"),
    )


def mysql_value(at: Target) -> Change:
    """Take a value from an enum, or call it something else."""
    table, column = at.column(lambda _, column: column.values and not column.is_filled)
    value = at.dice.choice(column.values)
    instead = at.dice.choice([(), ("something else",)])
    values = ", ".join(f"'{one}'" for one in (*(one for one in column.values if one != value), *instead))
    named = f"{table.name}.{column.name}"
    return Change(
        table=table.name,
        statement=modify(table, column, f"ENUM({values})"),
        errors=ids(f"enum-value-missing:{named}.{value}"),
        others=ids(*(f"enum-value-extra:{named}.{one}" for one in instead)),
    )


def mysql_enum_to_text(at: Target) -> Change:
    """Make text of an enum: it takes every value that the code writes."""
    table, column = at.column(lambda _, column: column.values and not column.is_filled)
    others = ids(f"type-wider:{table.name}.{column.name}")
    return Change(table=table.name, statement=modify(table, column, "varchar(50)"), others=others)


def mysql_null(at: Target) -> Change:
    """Allow NULL where the code expects none, or refuse it where the code may write it."""
    table, column = at.column(plain)
    kind = "not-null" if column.nullable else "nullable"
    return Change(
        table=table.name,
        statement=modify(table, column, column.type, nullable=not column.nullable),
        others=ids(f"{kind}:{table.name}.{column.name}"),
    )


def mysql_demanded(at: Target) -> Change:
    """Demand a value that the code does not know of."""
    name = at.table().name
    statement = f"ALTER TABLE `{name}` ADD COLUMN demanded INT NOT NULL"
    return Change(table=name, statement=statement, errors=ids(f"column-required:{name}.demanded"))


def mysql_reference(at: Target) -> Change:
    """Drop a reference."""
    key, table = at.dice.choice([(key, table) for table in at.live.tables for key in table.foreign_keys])
    others = ids(f"foreign-key-missing:{table.name}.{listed(key.columns)}")
    return Change(
        table=table.name, statement=f"ALTER TABLE `{table.name}` DROP FOREIGN KEY `{key.name}`", others=others
    )


SHARED: tuple[Maker, ...] = (
    drop_table, rename_table, drop_column, rename_column, add_column, add_index, drop_index,
)  # fmt: skip
MARIADB: tuple[Maker, ...] = (
    *SHARED, mysql_family, mysql_narrower, mysql_wider, mysql_value, mysql_enum_to_text, mysql_null, mysql_demanded,
    mysql_reference,
)  # fmt: skip


# --- SQLite ---


def sqlite_family(at: Target) -> Change:
    """Make a column hold another kind of value."""
    families = {
        "VARCHAR": "INTEGER",
        "TEXT": "REAL",
        "CHAR": "INTEGER",
        "INTEGER": "TEXT",
        "NUMERIC": "TEXT",
        "BLOB": "TEXT",
    }
    table, column = at.column(lambda _, column: column.type.partition("(")[0] in families)
    other = families[column.type.partition("(")[0]]
    return Change(
        table=table.name,
        edit=(f"\t{column.name} {column.type}", f"\t{column.name} {other}"),
        errors=ids(f"type-differs:{table.name}.{column.name}"),
    )


def sqlite_spelling(at: Target) -> Change:
    """Call a type what SQLite makes of it: nothing that it keeps is different."""
    table, column = at.column(lambda _, column: column.type.startswith("VARCHAR"))
    edit = (f"\t{column.name} {column.type}", f"\t{column.name} TEXT")
    return Change(table=table.name, edit=edit, is_silent=True)


def sqlite_null(at: Target) -> Change:
    """Allow NULL where the code expects none, or refuse it where the code may write it."""
    table, column = at.column(plain)
    words = f"\t{column.name} {column.type}"
    edit = (f"{words}, ", f"{words} NOT NULL, ") if column.nullable else (f"{words} NOT NULL", words)
    kind = "not-null" if column.nullable else "nullable"
    return Change(table=table.name, edit=edit, others=ids(f"{kind}:{table.name}.{column.name}"))


def sqlite_demanded(at: Target) -> Change:
    """Demand a value that the code does not know of."""
    name = at.table().name
    first = next(table for table in at.live.tables if table.name == name).columns[0]
    words = f"\t{first.name} "
    return Change(
        table=name, edit=(words, f"\tdemanded INT NOT NULL, \n{words}"), errors=ids(f"column-required:{name}.demanded")
    )


def sqlite_unique(at: Target) -> Change | None:
    """Drop a unique constraint."""
    unique, table = at.dice.choice([(unique, table) for table in at.live.tables for unique in table.uniques])
    return Change(
        table=table.name,
        edit=(f" UNIQUE ({', '.join(unique)})", f" CHECK ({unique[0]} <> 0)"),
        others=ids(f"unique-missing:{table.name}.{listed(unique)}"),
    )


def sqlite_reference(at: Target) -> Change:
    """Drop a reference."""
    key, table = at.dice.choice([(key, table) for table in at.live.tables for key in table.foreign_keys])
    words = f" FOREIGN KEY({', '.join(key.columns)}) REFERENCES {key.table} ({', '.join(key.targets)})"
    others = ids(f"foreign-key-missing:{table.name}.{listed(key.columns)}")
    return Change(table=table.name, edit=(words, f" CHECK ({key.columns[0]} <> 0)"), others=others)


SQLITE: tuple[Maker, ...] = (
    *SHARED, sqlite_family, sqlite_spelling, sqlite_null, sqlite_demanded, sqlite_unique, sqlite_reference,
)  # fmt: skip
