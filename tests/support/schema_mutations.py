"""Random changes of a database's schema, each with the findings that it must lead to.

Owns the knowledge of which change breaks what, written down without a look at the comparison. Must not know servers'
drivers. Invariant: one random generator decides everything, so that a seed names a run.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from devenv.schema.ir import Column, Enum, Index, Schema, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """A change: statements, the ids that must be errors and no others, and those that must be told besides.

    `is_silent` is a change that must not be told at all.
    """

    statements: tuple[str, ...]
    errors: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    is_silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A constraint as the catalogue has it: `kind` is p, u or f."""

    schema: str
    table: str
    name: str
    kind: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a mutation is drawn from: the untouched database, what the code says of it, and the dice."""

    expected: Schema
    live: Schema
    constraints: tuple[Constraint, ...] = ()
    dice: random.Random = field(default_factory=random.Random)

    def table(self, is_fit: Callable[[Table], object] = lambda _: True) -> Table:
        """Draw a table that is no view; IndexError where none fits."""
        tables = [table for table in self.live.tables if not table.is_view and not table.owner and is_fit(table)]
        return self.dice.choice(tables)

    def column(self, is_fit: Callable[[Table, Column], object] = lambda _table, _column: True) -> tuple[Table, Column]:
        """Draw a column of a table that is no view; IndexError where none fits."""
        fits = [
            (table, column)
            for table in self.live.tables
            if not table.is_view and not table.owner
            for column in table.columns
            if is_fit(table, column)
        ]
        return self.dice.choice(fits)

    def wanted(self, table: Table) -> Table:
        """Return the table as the code has it."""
        return next(one for one in self.expected.tables if (one.name, one.schema) == (table.name, table.schema))

    def wanted_column(self, table: Table, column: Column) -> Column:
        """Return the column as the code has it."""
        return next(one for one in self.wanted(table).columns if one.name == column.name)

    def enum(self) -> Enum:
        """Draw an enum type."""
        return self.dice.choice(self.live.enums)

    def users(self, enum: Enum) -> Iterator[tuple[Table, Column]]:
        """Give the columns of an enum type."""
        for table in self.live.tables:
            for column in table.columns:
                if column.enum == enum.title and not table.is_view:
                    yield table, column

    def name(self, of: Table | Enum) -> str:
        """Return the quoted name with its schema."""
        return f"{quote(of.schema or self.live.default_schema)}.{quote(of.name)}"


Maker = Callable[[Target], Mutation | None]


def quote(name: str) -> str:
    """Return a name as standard SQL writes it."""
    return f'"{name}"'


def ids(*found: str) -> frozenset[str]:
    """Return ids as a set."""
    return frozenset(found)


def listed(columns: Sequence[str]) -> str:
    """Return the columns of a key as an id has them."""
    return ", ".join(column or "(expression)" for column in columns)


# --- what breaks code ---


def drop_table(at: Target) -> Mutation:
    """Drop a table with all that hangs on it."""
    table = at.table()
    return Mutation(statements=(f"DROP TABLE {at.name(table)} CASCADE",), errors=ids(f"table-missing:{table.title}"))


def rename_table(at: Target) -> Mutation:
    """Give a table another name."""
    table = at.table()
    errors = ids(f"table-missing:{table.title}")
    others = ids(f"table-extra:{table.title}_before")
    return Mutation(
        statements=(f"ALTER TABLE {at.name(table)} RENAME TO {quote(table.name + '_before')}",),
        errors=errors,
        others=others,
    )


def move_table(at: Target) -> Mutation:
    """Put a table into a schema that the code does not look into."""
    table = at.table()
    return Mutation(
        statements=("CREATE SCHEMA attic", f"ALTER TABLE {at.name(table)} SET SCHEMA attic"),
        errors=ids(f"table-missing:{table.title}"),
    )


def drop_column(at: Target) -> Mutation:
    """Drop a column with all that hangs on it, save where others are computed from it."""
    table, column = at.column(lambda table, column: column.is_generated or not has_computed(table))
    return Mutation(
        statements=(f"ALTER TABLE {at.name(table)} DROP COLUMN {quote(column.name)} CASCADE",),
        errors=ids(f"column-missing:{table.title}.{column.name}"),
    )


def rename_column(at: Target) -> Mutation:
    """Give a column another name: the code lacks one, and does not know the other."""
    table, column = at.column()
    errors = ids(f"column-missing:{table.title}.{column.name}")
    renamed = f"{table.title}.{column.name}_before"
    if is_demanded(column):
        errors, others = errors | {f"column-required:{renamed}"}, ids()
    else:
        others = ids(f"column-extra:{renamed}")
    renaming = f"RENAME COLUMN {quote(column.name)} TO {quote(column.name + '_before')}"
    return Mutation(statements=(f"ALTER TABLE {at.name(table)} {renaming}",), errors=errors, others=others)


def change_family(at: Target) -> Mutation:
    """Make a column hold another kind of value."""
    table, column = at.column(lambda _, column: not column.enum and not column.is_filled and not column.is_generated)
    is_text = column.type.startswith(("text", "character", "citext")) and not column.is_array
    return retype(at, table, column, at.dice.choice(["integer", "boolean", "uuid"]) if is_text else "text", "differs")


def change_time_zone(at: Target) -> Mutation:
    """Make a moment a wall clock's reading, or the other way about."""
    table, column = at.column(lambda _, column: column.type.startswith("timestamp") and not column.is_array)
    has_zone = column.type.endswith("with time zone")
    return retype(at, table, column, "timestamp" if has_zone else "timestamp with time zone", "differs")


NARROWER = (
    (r"bigint", "integer"),
    (r"integer", "smallint"),
    (r"double precision", "real"),
    (r"text", "character varying(40)"),
    (r"jsonb", "json"),
    (r"numeric", "numeric(10,2)"),
)


def narrow_type(at: Target) -> Mutation:
    """Make a column hold less of the same."""
    table, column = at.column(lambda _, column: not column.enum and narrower(column.type) and not column.is_generated)
    return retype(at, table, column, narrower(column.type), "narrower")


def narrower(type_: str) -> str:
    """Return a type that holds less, '' for none."""
    for pattern, less in NARROWER:
        if type_ == pattern:
            return less
    if found := re.fullmatch(r"numeric\((\d+),(\d+)\)", type_):
        return f"numeric({int(found[1]) - 1},{found[2]})"
    return ""


def make_single(at: Target) -> Mutation:
    """Make a list a single value."""
    table, column = at.column(lambda _, column: column.is_array and not column.enum)
    return retype(at, table, column, column.type.removesuffix("[]"), "differs")


def add_demanded_column(at: Target) -> Mutation:
    """Demand a value that the code does not know of."""
    table = at.table()
    type_ = at.dice.choice(["integer", "text", "timestamp", "uuid[]"])
    return Mutation(
        statements=(f"ALTER TABLE {at.name(table)} ADD COLUMN demanded {type_} NOT NULL",),
        errors=ids(f"column-required:{table.title}.demanded"),
    )


def make_generated(at: Target) -> Mutation:
    """Let the database compute what the code means to write."""
    table, column = at.column(lambda table, column: is_demanded(column) and not is_keyed(table, column))
    begin = f"ALTER TABLE {at.name(table)}"
    type_ = column.type
    return Mutation(
        statements=(
            f"{begin} DROP COLUMN {quote(column.name)}",
            f"{begin} ADD COLUMN {quote(column.name)} {type_} NOT NULL GENERATED ALWAYS AS (NULL::{type_}) STORED",
        ),
        errors=ids(f"type-differs:{table.title}.{column.name}"),
    )


def rename_value(at: Target) -> Mutation:
    """Call a value of an enum something else."""
    enum = at.enum()
    value = at.dice.choice(enum.values)
    return Mutation(
        statements=(f"ALTER TYPE {at.name(enum)} RENAME VALUE '{value}' TO 'something else'",),
        errors=ids(f"enum-value-missing:{enum.title}.{value}"),
        others=ids(f"enum-value-extra:{enum.title}.something else"),
    )


def remove_value(at: Target) -> Mutation:
    """Take a value out of an enum: PostgreSQL needs a new type for that."""
    enum = at.enum()
    value = at.dice.choice(enum.values)
    rest = ", ".join(f"'{one}'" for one in enum.values if one != value)
    old = Enum(name=f"{enum.name}_before", values=(), schema=enum.schema)
    return Mutation(
        statements=(
            f"ALTER TYPE {at.name(enum)} RENAME TO {quote(old.name)}",
            f"CREATE TYPE {at.name(enum)} AS ENUM ({rest})",
            *(one for user in at.users(enum) for one in recast(at, *user, at.name(enum))),
            f"DROP TYPE {at.name(old)}",
        ),
        errors=ids(f"enum-value-missing:{enum.title}.{value}"),
    )


def rename_enum(at: Target) -> Mutation:
    """Give an enum type another name."""
    enum = at.enum()
    return Mutation(
        statements=(f"ALTER TYPE {at.name(enum)} RENAME TO {quote(enum.name + '_before')}",),
        errors=ids(f"enum-missing:{enum.title}"),
    )


def replace_enum(at: Target) -> Mutation:
    """Make text of every column of an enum type, and drop the type."""
    enum = at.enum()
    users = list(at.users(enum))
    return Mutation(
        statements=(
            *(one for user in users for one in recast(at, *user, "text")),
            f"DROP TYPE {at.name(enum)}",
        ),
        errors=ids(
            f"enum-missing:{enum.title}", *(f"type-differs:{table.title}.{column.name}" for table, column in users)
        ),
    )


def replace_enum_of_column(at: Target) -> Mutation:
    """Make text of one column of an enum type."""
    table, column = at.column(lambda _, column: column.enum)
    errors = ids(f"type-differs:{table.title}.{column.name}")
    return Mutation(statements=tuple(recast(at, table, column, "text")), errors=errors)


def make_enum(at: Target) -> Mutation:
    """Make an enum of what is text to the code."""
    table, column = at.column(lambda _, column: column.type == "text" and not column.is_filled)
    return Mutation(
        statements=("CREATE TYPE fresh AS ENUM ('a', 'b')", *recast(at, table, column, "fresh")),
        errors=ids(f"type-differs:{table.title}.{column.name}"),
    )


# --- what is to be told, and does not block ---


def set_not_null(at: Target) -> Mutation:
    """Refuse NULL where the code may write it."""
    table, column = at.column(lambda _, column: column.nullable and not column.is_generated and not column.is_array)
    statement = f"ALTER TABLE {at.name(table)} ALTER COLUMN {quote(column.name)} SET NOT NULL"
    return Mutation(statements=(statement,), others=ids(f"not-null:{table.title}.{column.name}"))


def drop_not_null(at: Target) -> Mutation:
    """Allow NULL where the code expects none."""
    table, column = at.column(lambda table, column: not column.nullable and column.name not in table.primary_key)
    statement = f"ALTER TABLE {at.name(table)} ALTER COLUMN {quote(column.name)} DROP NOT NULL"
    return Mutation(statements=(statement,), others=ids(f"nullable:{table.title}.{column.name}"))


def drop_default(at: Target) -> Mutation | None:
    """Take away the value that the code leaves to the database."""
    table, column = at.column(lambda _, column: column.is_filled and not column.nullable and not column.is_generated)
    if not at.wanted_column(table, column).is_filled:
        return None
    begin = f"ALTER TABLE {at.name(table)} ALTER COLUMN {quote(column.name)}"
    return Mutation(
        statements=(f"{begin} DROP IDENTITY IF EXISTS", f"{begin} DROP DEFAULT"),
        others=ids(f"default-missing:{table.title}.{column.name}"),
    )


def lengthen(at: Target) -> Mutation:
    """Let a text be longer than the code says."""
    table, column = at.column(lambda _, column: re.fullmatch(r"character varying\(\d+\)", column.type))
    longer = column.type.replace(")", "0)")
    return Mutation(
        statements=tuple(recast(at, table, column, longer)), others=ids(f"length-differs:{table.title}.{column.name}")
    )


def shorten(at: Target) -> Mutation:
    """Let a text be shorter than the code says."""
    table, column = at.column(lambda _, column: re.fullmatch(r"character varying\(\d\d+\)", column.type))
    shorter = f"character varying({int(column.type[18:-1]) // 2})"
    return Mutation(
        statements=tuple(recast(at, table, column, shorter)), others=ids(f"length-differs:{table.title}.{column.name}")
    )


def add_value(at: Target) -> Mutation:
    """Add a value to an enum."""
    enum = at.enum()
    return Mutation(
        statements=(f"ALTER TYPE {at.name(enum)} ADD VALUE 'another'",),
        others=ids(f"enum-value-extra:{enum.title}.another"),
    )


def drop_primary_key(at: Target) -> Mutation | None:
    """Drop a primary key and the references to it."""
    constraint, table = draw_constraint(at, "p")
    if is_kept_unique(table, constraint):
        return None
    columns = listed(at.wanted(table).primary_key)
    kind = "primary-key" if columns else "unique-missing"
    columns = columns or listed(constraint.columns)
    return Mutation(
        statements=(drop_constraint(at, constraint, "CASCADE"),), others=ids(f"{kind}:{table.title}.{columns}")
    )


def drop_unique(at: Target) -> Mutation | None:
    """Drop what keeps columns unique, constraint or index."""
    indexes = [(index, table) for table in at.live.tables for index in table.indexes if index.unique]
    if indexes and at.dice.random() < len(indexes) / (len(indexes) + len(at.constraints) / 4):
        return drop_this_index(at, *at.dice.choice(indexes))
    constraint, table = draw_constraint(at, "u")
    if is_kept_unique(table, constraint):
        return None
    return Mutation(
        statements=(drop_constraint(at, constraint, "CASCADE"),),
        others=ids(f"unique-missing:{table.title}.{listed(constraint.columns)}"),
    )


def drop_index(at: Target) -> Mutation | None:
    """Drop an index that nothing else stands in for."""
    indexes = [(index, table) for table in at.live.tables for index in table.indexes if not index.unique]
    return drop_this_index(at, *at.dice.choice(indexes))


def drop_this_index(at: Target, index: Index, table: Table) -> Mutation | None:
    """Drop an index; None where the code does not ask for it, or another does its work."""
    wanted = find_wanted(at, index, table)
    if wanted is None or has_stand_in(index, table):
        return None
    kind = "unique-missing" if index.unique else "index-missing"
    return Mutation(
        statements=(f"DROP INDEX {quote(table.schema or at.live.default_schema)}.{quote(index.name)}",),
        others=ids(f"{kind}:{table.title}.{listed(wanted.columns)}"),
    )


def invalidate_index(at: Target) -> Mutation | None:
    """Leave an index as CREATE INDEX CONCURRENTLY leaves one when it fails."""
    index, table = at.dice.choice([(index, table) for table in at.live.tables for index in table.indexes])
    wanted = find_wanted(at, index, table)
    if wanted is None or has_stand_in(index, table):
        return None
    name = f"{quote(table.schema or at.live.default_schema)}.{quote(index.name)}"
    return Mutation(
        statements=(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass",),
        others=ids(f"index-invalid:{table.title}.{listed(wanted.columns)}"),
    )


def drop_foreign_key(at: Target) -> Mutation | None:
    """Drop a reference."""
    constraint, table = draw_constraint(at, "f")
    if [key.columns for key in table.foreign_keys].count(constraint.columns) > 1:
        return None
    return Mutation(
        statements=(drop_constraint(at, constraint, ""),),
        others=ids(f"foreign-key-missing:{table.title}.{listed(constraint.columns)}"),
    )


def add_unique(at: Target) -> Mutation:
    """Refuse duplicates that the code knows nothing of."""
    table, column = at.column(lambda table, column: not is_keyed(table, column))
    return Mutation(
        statements=(f"ALTER TABLE {at.name(table)} ADD UNIQUE ({quote(column.name)})",),
        others=ids(f"unique-extra:{table.title}.{column.name}"),
    )


# --- what is harmless ---


def widen_type(at: Target) -> Mutation:
    """Let a column hold more of the same."""
    table, column = at.column(lambda _, column: not column.enum and wider(column.type) and not column.is_generated)
    others = ids(f"type-wider:{table.title}.{column.name}")
    return Mutation(statements=tuple(recast(at, table, column, wider(column.type))), others=others)


def wider(type_: str) -> str:
    """Return a type that holds more, '' for none."""
    if re.fullmatch(r"character varying\(\d+\)", type_):
        return "text"
    if found := re.fullmatch(r"numeric\((\d+),(\d+)\)", type_):
        return f"numeric({int(found[1]) + 3},{int(found[2]) + 1})"
    return {"smallint": "integer", "integer": "bigint", "real": "double precision", "json": "jsonb"}.get(type_, "")


def add_table(at: Target) -> Mutation:
    """Make a table that the code does not know."""
    table = at.table()
    return Mutation(
        statements=(f"CREATE TABLE {quote(table.schema or at.live.default_schema)}.stranger (LIKE {at.name(table)})",),
        others=ids(f"table-extra:{table.schema + '.' if table.schema else ''}stranger"),
    )


def add_column(at: Target) -> Mutation:
    """Add a column that inserts need not fill."""
    table = at.table()
    demand = at.dice.choice(["", "DEFAULT 7", "NOT NULL DEFAULT 7", "GENERATED ALWAYS AS (7) STORED"])
    return Mutation(
        statements=(f"ALTER TABLE {at.name(table)} ADD COLUMN added integer {demand}",),
        others=ids(f"column-extra:{table.title}.added"),
    )


def rename_constraint(at: Target) -> Mutation:
    """Give a constraint another name."""
    constraint, table = draw_constraint(at, at.dice.choice("puf"))
    renaming = f"RENAME CONSTRAINT {quote(constraint.name)} TO renamed_by_hand"
    return Mutation(statements=(f"ALTER TABLE {at.name(table)} {renaming}",), is_silent=True)


def rename_index(at: Target) -> Mutation:
    """Give an index another name."""
    index, table = at.dice.choice([(index, table) for table in at.live.tables for index in table.indexes])
    name = f"{quote(table.schema or at.live.default_schema)}.{quote(index.name)}"
    return Mutation(statements=(f"ALTER INDEX {name} RENAME TO renamed_by_hand",), is_silent=True)


def add_index(at: Target) -> Mutation:
    """Add an index, a view and a comment: nothing that code could miss or stumble over."""
    table, column = at.column()
    statements = (
        f"CREATE INDEX by_hand ON {at.name(table)} ({quote(column.name)})",
        f"CREATE VIEW by_hand_too AS SELECT * FROM {at.name(table)}",
        f"CREATE UNIQUE INDEX partly ON {at.name(table)} ({quote(column.name)}) WHERE false",
    )
    return Mutation(statements=statements, is_silent=True)


def replace_constraint_by_index(at: Target) -> Mutation | None:
    """Keep columns unique by an index in place of a constraint."""
    constraint, table = draw_constraint(at, "u")
    if any(key.targets == constraint.columns for one in at.live.tables for key in one.foreign_keys):
        return None  # references go with the constraint
    columns = ", ".join(map(quote, reversed(constraint.columns)))
    adding = f"CREATE UNIQUE INDEX by_hand ON {at.name(table)} ({columns})"
    return Mutation(statements=(adding, drop_constraint(at, constraint, "")), is_silent=True)


def replace_by_view(at: Target) -> Mutation:
    """Put a view in a table's place, as one does while moving data."""
    table = at.table()
    base = Table(name=f"{table.name}_base", schema=table.schema)
    statements = (
        f"ALTER TABLE {at.name(table)} RENAME TO {quote(base.name)}",
        f"CREATE VIEW {at.name(table)} AS SELECT * FROM {at.name(base)}",
    )
    return Mutation(statements=statements, others=ids(f"table-extra:{base.title}"))


POSTGRES: tuple[Maker, ...] = (
    drop_table, rename_table, move_table, drop_column, rename_column, change_family, change_time_zone, narrow_type,
    make_single, add_demanded_column, make_generated, rename_value, remove_value, rename_enum, replace_enum,
    replace_enum_of_column, make_enum,
    set_not_null, drop_not_null, drop_default, lengthen, shorten, add_value, drop_primary_key, drop_unique, drop_index,
    invalidate_index, drop_foreign_key, add_unique,
    widen_type, add_table, add_column, rename_constraint, rename_index, add_index, replace_constraint_by_index,
    replace_by_view,
)  # fmt: skip


# --- what they share ---


def has_computed(table: Table) -> bool:
    """Tell whether a column is computed from others."""
    return any(column.is_generated for column in table.columns)


def is_demanded(column: Column) -> bool:
    """Tell whether an insert must give a value."""
    return not (column.nullable or column.is_filled or column.is_generated)


def is_keyed(table: Table, column: Column) -> bool:
    """Tell whether the column is part of a key or an index."""
    indexed = {name for index in table.indexes for name in index.columns}
    unique = {name for names in table.uniques for name in names}
    referring = {name for key in table.foreign_keys for name in key.columns}
    return column.name in {*table.primary_key, *indexed, *unique, *referring}


def is_kept_unique(table: Table, constraint: Constraint) -> bool:
    """Tell whether something else keeps the columns of a constraint unique."""
    keys = [table.primary_key, *table.uniques, *(i.columns for i in table.indexes if i.unique and not i.partial)]
    return [sorted(names) for names in keys].count(sorted(constraint.columns)) > 1


def has_stand_in(index: Index, table: Table) -> bool:
    """Tell whether another index begins with the same columns."""
    others = [table.primary_key, *table.uniques]
    others += [one.columns for one in table.indexes if one.name != index.name and not one.partial]
    return any(columns[: len(index.columns)] == index.columns for columns in others)


def find_wanted(at: Target, index: Index, table: Table) -> Index | None:
    """Return the index that the code asks for, by name or by columns: a unique one may be a constraint to it."""
    wanted = at.wanted(table)
    for one in (*wanted.indexes, *(Index(columns=columns, unique=True) for columns in wanted.uniques)):
        if (one.name and one.name == index.name) or (one.columns, one.unique) == (index.columns, index.unique):
            return one
    return None


def draw_constraint(at: Target, kind: str) -> tuple[Constraint, Table]:
    """Draw a constraint of a kind, and its table."""
    constraint = at.dice.choice([one for one in at.constraints if one.kind == kind])
    schema = "" if constraint.schema == at.live.default_schema else constraint.schema
    table = next(one for one in at.live.tables if (one.name, one.schema) == (constraint.table, schema))
    return constraint, table


def drop_constraint(at: Target, constraint: Constraint, how: str) -> str:
    """Return the statement that drops a constraint."""
    table = f"{quote(constraint.schema)}.{quote(constraint.table)}"
    return f"ALTER TABLE {table} DROP CONSTRAINT {quote(constraint.name)} {how}"


def retype(at: Target, table: Table, column: Column, type_: str, relation: str) -> Mutation:
    """Return the mutation that gives a column another type, which is an error."""
    errors = ids(f"type-{relation}:{table.title}.{column.name}")
    return Mutation(statements=tuple(recast(at, table, column, type_)), errors=errors)


def recast(at: Target, table: Table, column: Column, type_: str) -> Iterator[str]:
    """Give the statements that change a column's type; a list stays one of an enum, its default goes where needed."""
    begin = f"ALTER TABLE {at.name(table)} ALTER COLUMN {quote(column.name)}"
    is_list = column.is_array and bool(column.enum)
    if column.enum:
        yield f"{begin} DROP DEFAULT"
    type_, using = (f"{type_}[]", f"::text[]::{type_}[]") if is_list else (type_, f"::text::{type_}")
    yield f"{begin} TYPE {type_} USING {quote(column.name)}{using}"
