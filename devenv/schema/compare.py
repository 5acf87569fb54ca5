"""Holds what the code expects against what the database has, by meaning: names of keys and indexes do not matter.

Pure. Must not know where a `Schema` comes from, nor causes. Invariant: what follows from a difference that is already
told is none of its own: a missing table has no missing columns, and a missing column no missing index.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import translate

from devenv.schema.differences import Difference, Kind
from devenv.schema.ir import Column, Dialect, Enum, ForeignKey, Index, Schema, Table
from devenv.schema.types import Relation, read_type, relate

Names = tuple[str, ...]

_KINDS: Mapping[Relation, Kind] = {
    Relation.WIDER: Kind.TYPE_WIDER,
    Relation.LENGTH: Kind.LENGTH_DIFFERS,
    Relation.UNCERTAIN: Kind.TYPE_UNCERTAIN,
    Relation.NARROWER: Kind.TYPE_NARROWER,
    Relation.DIFFERENT: Kind.TYPE_DIFFERS,
}


def compare(
    expected: Schema, live: Schema, *, ignore: Sequence[str] = (), tool_tables: Collection[str] = ()
) -> tuple[Difference, ...]:
    """Return every difference, in the order of the code's tables, and what only the database has at the end.

    `ignore` are globs of table names, with or without their schema; `tool_tables` are the records of migration tools.
    Both are left out on either side, as are tables that an extension made, views that the code does not know, and
    whatever is in a schema that the code never mentions.
    """
    return tuple(_Comparison(expected, live, ignore, tool_tables).run())


class _Comparison:
    """What all steps of one comparison share."""

    def __init__(self, expected: Schema, live: Schema, ignore: Sequence[str], tool_tables: Collection[str]) -> None:
        self.dialect = live.dialect
        self.default = live.default_schema
        # PostgreSQL alone tells `Users` from `users` on every machine.
        self.fold: Callable[[str], str] = _keep if live.dialect is Dialect.POSTGRESQL else str.lower
        self.ignored = _compile(ignore)
        self.tool_tables = frozenset(name.lower() for name in tool_tables)
        self.live = live
        self.expected = expected
        self.exact = {self.key(table.schema, table.name): table for table in live.tables}
        self.folded = {(self.fold(schema), self.fold(name)): found for (schema, name), found in self.exact.items()}
        self.live_enums = {self.enum_key(enum.title): enum for enum in live.enums}

    def run(self) -> Iterator[Difference]:
        kept = [table for table in self.expected.tables if not self.is_left_out(table)]
        yield from self.compare_enums(self.enums_of(kept))
        known: set[int] = set()
        for table in kept:
            found = self.find(table.schema, table.name)
            if found is None:
                yield Difference(kind=Kind.TABLE_MISSING, table=table.title, place=table.place)
            elif not found.owner:
                known.add(id(found))
                yield from self.compare_table(table, found)
        schemas = {self.fold(self.key(table.schema, "")[0]) for table in self.expected.tables}
        for (schema, _), found in self.exact.items():
            is_ours = self.fold(schema) in schemas and not found.is_view and not self.is_left_out(found)
            if is_ours and id(found) not in known:
                yield Difference(kind=Kind.TABLE_EXTRA, table=found.title)

    def key(self, schema: str, name: str) -> tuple[str, str]:
        return "" if schema == self.default else schema, name

    def find(self, schema: str, name: str) -> Table | None:
        key = self.key(schema, name)
        return self.exact.get(key) or self.folded.get((self.fold(key[0]), self.fold(name)))

    def is_left_out(self, table: Table) -> bool:
        names = {table.name.lower(), f"{table.schema or self.default}.{table.name}".lower()}
        is_ignored = self.ignored is not None and any(map(self.ignored.fullmatch, names))
        return bool(table.owner or names & self.tool_tables or is_ignored)

    def enum_key(self, title: str) -> str:
        return title.removeprefix(f"{self.default}.") if self.default else title

    def enums_of(self, kept: Sequence[Table]) -> Iterator[Enum]:
        """Give the enum types of the code, without those that only tables left out make use of."""
        used = {column.enum for table in kept for column in table.columns if column.enum}
        others = {column.enum for table in self.expected.tables for column in table.columns if column.enum} - used
        return (enum for enum in self.expected.enums if enum.title not in others)

    def compare_enums(self, enums: Iterable[Enum]) -> Iterator[Difference]:
        for enum in enums:
            found = self.live_enums.get(self.enum_key(enum.title))
            if found is None:
                values = ", ".join(enum.values)
                yield Difference(kind=Kind.ENUM_MISSING, table=enum.title, expected=values, place=enum.place)
            else:
                yield from _compare_values(enum.values, found.values, enum.title, "", enum.place)

    def compare_table(self, table: Table, found: Table) -> Iterator[Difference]:
        live = {self.fold(column.name): column for column in found.columns}
        is_view = table.is_view or found.is_view
        names = set()
        for column in table.columns:
            name = self.fold(column.name)
            names.add(name)
            here = live.get(name)
            if here is None:
                yield Difference(
                    kind=Kind.COLUMN_MISSING,
                    table=table.title,
                    part=column.name,
                    expected=_type_words(column),
                    place=column.place or table.place,
                )
            else:
                yield from self.compare_type(table, column, here)
                if not is_view:
                    yield from _compare_null(table, column, here)
        if is_view:
            return
        for name, column in live.items():
            if name not in names:
                yield _describe_extra(table, column)
        keys = _Keys(self, table, found)
        yield from keys.compare_primary_key()
        yield from keys.compare_uniques()
        yield from keys.compare_indexes()
        yield from self.compare_foreign_keys(table, found, live)

    def compare_type(self, table: Table, column: Column, found: Column) -> Iterator[Difference]:
        """Compare types; a generated column takes no value from code that means to write one."""
        kind = self.relate_columns(column, found)
        words = _type_words(found)
        if kind is None and found.is_generated and not (column.is_filled or column.is_generated or column.nullable):
            kind, words = Kind.TYPE_DIFFERS, f"{words}, generated by the database"
        if kind:
            yield Difference(
                kind=kind,
                table=table.title,
                part=column.name,
                expected=_type_words(column),
                found=words,
                place=column.place or table.place,
            )
        elif column.values and found.values and self.dialect is Dialect.MYSQL and _has_choices(column, found):
            yield from _compare_values(column.values, found.values, table.title, column.name, column.place)

    def relate_columns(self, column: Column, found: Column) -> Kind | None:
        if self.dialect is Dialect.POSTGRESQL and (column.enum or found.enum):
            wanted = self.enum_key(column.enum)
            if column.enum and found.enum and wanted not in self.live_enums:
                return None  # the missing enum says it
            is_same = wanted == self.enum_key(found.enum) and column.is_array == found.is_array
            return None if is_same else Kind.TYPE_DIFFERS
        return _KINDS.get(relate(_spell(column), _spell(found), self.dialect))

    def compare_foreign_keys(self, table: Table, found: Table, columns: Mapping[str, Column]) -> Iterator[Difference]:
        if not table.foreign_keys:
            return
        live = {self.meaning(key) for key in found.foreign_keys}
        for key in table.foreign_keys:
            target = self.find(key.schema, key.table)
            has_sides = target and all(self.fold(name) in columns for name in key.columns)
            if not target or not has_sides or not self.has_columns(target, key.targets):
                continue
            pairs, there = self.meaning(key)
            if (pairs, there) not in live and (frozenset((name, "") for name, _ in pairs), there) not in live:
                yield Difference(
                    kind=Kind.FOREIGN_KEY_MISSING,
                    table=table.title,
                    part=", ".join(key.columns),
                    expected=f"{target.title} ({', '.join(key.targets)})",
                    place=table.place,
                )

    def meaning(self, key: ForeignKey) -> tuple[frozenset[tuple[str, str]], str]:
        """Return which column refers to which one of what table; SQLite may leave out the targets."""
        target = self.find(key.schema, key.table)
        targets = key.targets or (target.primary_key if target else ())
        aligned = targets if len(targets) == len(key.columns) else ("",) * len(key.columns)
        pairs = frozenset((self.fold(name), self.fold(to)) for name, to in zip(key.columns, aligned, strict=True))
        return pairs, self.fold(target.title if target else key.table)

    def has_columns(self, table: Table, names: Names) -> bool:
        there = {self.fold(column.name) for column in table.columns}
        return all(self.fold(name) in there for name in names)


class _Keys:
    """The primary key, the unique constraints and the indexes of one table, on both sides."""

    def __init__(self, comparison: _Comparison, table: Table, found: Table) -> None:
        self.table = table
        self.fold = comparison.fold
        self.has_partial = comparison.dialect is not Dialect.MYSQL
        self.there = {self.fold(column.name) for column in found.columns} | {""}
        self.known = {self.fold(column.name) for column in table.columns}
        self.primary = frozenset(self.names(table.primary_key))
        self.live_primary = self.names(found.primary_key)
        self.indexes = [self.folded(index) for index in table.indexes]
        self.live_indexes = [self.folded(index) for index in found.indexes]
        self.uniques = self.whole_keys(table.uniques, self.indexes)
        self.live_uniques = self.whole_keys(found.uniques, [index for index in self.live_indexes if index.valid])
        if self.live_primary:
            self.live_uniques.setdefault(frozenset(self.live_primary), self.live_primary)

    def names(self, names: Iterable[str]) -> Names:
        return tuple(map(self.fold, names))

    def folded(self, index: Index) -> Index:
        return replace(index, columns=self.names(index.columns), partial=index.partial and self.has_partial)

    def whole_keys(self, uniques: Iterable[Names], indexes: Iterable[Index]) -> dict[frozenset[str], Names]:
        """Return what is unique in the whole table, by columns alone: constraint or index is the same."""
        found = {frozenset(names): names for names in map(self.names, uniques)}
        for index in indexes:
            if _is_whole(index):
                found.setdefault(frozenset(index.columns), index.columns)
        return found

    def compare_primary_key(self) -> Iterator[Difference]:
        if self.primary_key_differs():
            found = ", ".join(self.live_primary) or "none"
            yield self.difference(Kind.PRIMARY_KEY, self.table.primary_key, found=found)

    def primary_key_differs(self) -> bool:
        """Tell whether nothing makes the key's columns unique; a unique index does as well as a primary key."""
        return bool(self.primary) and self.primary <= self.there and self.primary not in self.live_uniques

    def compare_uniques(self) -> Iterator[Difference]:
        for names, columns in self.uniques.items():
            if names not in self.live_uniques and names <= self.there:
                invalid = self.find_invalid(Index(columns=columns, unique=True))
                yield self.difference(Kind.INDEX_INVALID if invalid else Kind.UNIQUE_MISSING, columns)
        expected = {*self.uniques, self.primary} - {frozenset()}
        for names, columns in self.live_uniques.items():
            is_told = names == frozenset(self.live_primary) and self.primary_key_differs()
            if not is_told and names <= self.known and not any(wanted <= names for wanted in expected):
                yield self.difference(Kind.UNIQUE_EXTRA, columns)

    def compare_indexes(self) -> Iterator[Difference]:
        others = [Index(columns=columns, unique=True) for columns in self.live_uniques.values()]
        valid = [*(index for index in self.live_indexes if index.valid), *others]
        names = {index.name for index in self.indexes if index.name}
        told = {frozenset(names) for names in self.uniques}
        for index in self.indexes:
            if _is_whole(index) or not self.there.issuperset(index.columns):
                continue
            if not any(_serves(live, index, names) for live in valid):
                invalid = self.find_invalid(index)
                kind = Kind.UNIQUE_MISSING if index.unique else Kind.INDEX_MISSING
                yield self.difference(Kind.INDEX_INVALID if invalid else kind, index.columns)
                told.add(frozenset(invalid.columns if invalid else index.columns))
        for live in self.live_indexes:
            wanted = replace(live, valid=True, name="")
            is_new = not live.valid and frozenset(live.columns) not in told
            if is_new and not any(_serves(other, wanted, frozenset()) for other in valid):
                yield self.difference(Kind.INDEX_INVALID, live.columns)

    def find_invalid(self, wanted: Index) -> Index | None:
        """Return the index that is there and never used: it is to be made again, not to be made."""
        for live in self.live_indexes:
            is_it = live.columns == wanted.columns or (wanted.name and live.name == wanted.name)
            if not live.valid and live.unique == wanted.unique and is_it:
                return live
        return None

    def difference(self, kind: Kind, columns: Names, *, found: str = "") -> Difference:
        part = ", ".join(name or "(expression)" for name in columns)
        expected = "" if kind is Kind.UNIQUE_EXTRA else part
        found = part if kind is Kind.UNIQUE_EXTRA else found
        title, place = self.table.title, self.table.place
        return Difference(kind=kind, table=title, part=part, expected=expected, found=found, place=place)


def _is_whole(index: Index) -> bool:
    return index.unique and not index.partial and "" not in index.columns


def _serves(live: Index, wanted: Index, names: Collection[str]) -> bool:
    """Tell whether `live` does what `wanted` is for: a longer index serves the columns that it begins with.

    Expressions are not compared; an index with one is found by its name, or by its form if no other has that name.
    """
    if "" in wanted.columns or "" in live.columns:
        is_free = live.name not in names and live.partial == wanted.partial and _is_alike(live.columns, wanted.columns)
        return live.unique == wanted.unique and (is_free or bool(wanted.name and wanted.name == live.name))
    if live.partial and not wanted.partial:
        return False
    if wanted.unique:
        return live.unique and sorted(live.columns) == sorted(wanted.columns)
    return live.columns[: len(wanted.columns)] == wanted.columns


def _is_alike(live: Names, wanted: Names) -> bool:
    """Tell whether two lists of parts agree; `position DESC` is an expression to the code, a column to the server."""
    if len(live) != len(wanted) or not (any(wanted) or "" in live):
        return False
    return all(name in {"", there} for name, there in zip(wanted, live, strict=True))


def _compare_values(
    expected: Sequence[str], found: Sequence[str], title: str, column: str, place: str
) -> Iterator[Difference]:
    """Compare the values of an enum, by themselves: their order decides nothing but sorting."""
    if expected == found:
        return
    prefix = f"{column}." if column else ""
    for kind, values, others in (
        (Kind.ENUM_VALUE_MISSING, expected, found),
        (Kind.ENUM_VALUE_EXTRA, found, expected),
    ):
        for value in values:
            if value not in others:
                yield Difference(
                    kind=kind,
                    table=title,
                    part=f"{prefix}{value}",
                    expected=", ".join(expected),
                    found=", ".join(found),
                    place=place,
                )


def _compare_null(table: Table, column: Column, found: Column) -> Iterator[Difference]:
    """Compare whether a value may be missing. A key's columns are never NULL, whatever SQLite says of them."""
    if column.nullable == found.nullable and (found.is_filled or found.nullable or not column.is_filled):
        return
    kind: Kind | None = None
    if column.nullable != found.nullable and column.name not in table.primary_key and not found.is_generated:
        kind = Kind.NULLABLE if found.nullable else Kind.NOT_NULL
    elif column.is_filled and not (found.is_filled or found.is_generated or found.nullable):
        kind = Kind.DEFAULT_MISSING
    if kind:
        yield Difference(
            kind=kind,
            table=table.title,
            part=column.name,
            expected="a default" if kind is Kind.DEFAULT_MISSING else _null_words(column),
            found="NOT NULL without a default" if kind is Kind.DEFAULT_MISSING else _null_words(found),
            place=column.place or table.place,
        )


def _describe_extra(table: Table, column: Column) -> Difference:
    is_required = not (column.nullable or column.is_filled or column.is_generated)
    return Difference(
        kind=Kind.COLUMN_REQUIRED if is_required else Kind.COLUMN_EXTRA,
        table=table.title,
        part=column.name,
        found=f"{_type_words(column)} {_null_words(column)}",
        place=table.place,
    )


def _null_words(column: Column) -> str:
    return "NULL" if column.nullable else "NOT NULL"


def _type_words(column: Column) -> str:
    return (f"{column.enum}[]" if column.is_array else column.enum) if column.enum else _spell(column)


def _spell(column: Column) -> str:
    is_marked = not column.is_array or "[" in column.type or column.type.lower().endswith("array")
    return column.type if is_marked else f"{column.type}[]"


def _has_choices(*columns: Column) -> bool:
    return all(read_type(column.type, Dialect.MYSQL).family in {"enum", "set"} for column in columns)


def _compile(globs: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(translate(glob.lower()) for glob in globs)) if globs else None


def _keep(name: str) -> str:
    return name
