"""SQLite files as the schema gate reads them, through the pragmas that can be queried like tables.

Must not know drivers, nor what the schema is held against. Invariants: a file that is not there stays so, and one that
is read stays as it was, without anything new beside it.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from devenv.adapters.databases.failures import NO_TABLE, Limits, explaining
from devenv.domain.database import Database
from devenv.probes.sql_drivers import SqliteSession
from devenv.schema.ir import Column, Dialect, ForeignKey, Index, Schema, Table
from devenv.schema.ports import CannotLook

_TABLES = """
select name, type = 'view', coalesce(sql like 'create virtual%', 0) from sqlite_master
where type in ('table', 'view') and name not like 'sqlite\\_%' escape '\\' order by name
"""
_COLUMNS = """
select m.name, c.name, c.type, c."notnull", c.dflt_value is not null, c.pk, c.hidden
from sqlite_master m, pragma_table_xinfo(m.name) c where {which} and c.hidden <> 1 order by m.name, c.cid
"""
_PLAIN_TABLES = "m.type = 'table' and m.sql not like 'create virtual%'"
_INDEXES = """
select m.name, l.name, l."unique", l.origin, l.partial, i.name
from sqlite_master m, pragma_index_list(m.name) l, pragma_index_info(l.name) i
where m.type = 'table' order by m.name, l.name, i.seqno
"""
_REFERENCES = """
select m.name, f.id, f."table", f."from", f."to"
from sqlite_master m, pragma_foreign_key_list(m.name) f where m.type = 'table' order by m.name, f.id, f.seq
"""
_SHADOWS = frozenset(
    {"data", "idx", "content", "docsize", "config", "segments", "segdir", "stat", "node", "parent", "rowid"}
)


class SqliteDatabase:
    """An open SQLite file; see `schema.ports.LiveDatabase`."""

    dialect = Dialect.SQLITE
    default_schema = "main"

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits
        with explaining(database, limits):
            self._session = SqliteSession(database, limits.answer_s)
        try:
            self.query(f"pragma busy_timeout = {round(limits.lock_s * 1000)}")
            # The file is not read before the first question to it.
            ((version, _),) = self.query("select sqlite_version(), (select count(*) from sqlite_master)")
        except BaseException:
            self._session.close()
            raise
        self.version = f"SQLite {version}"
        self.place = f"{database.describe()} ({self.version})"

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """Run one statement; return its rows. Raises CannotLook."""
        with explaining(self._database, self._limits):
            return self._session.ask(sql) or []

    def has_table(self, name: str, schema: str = "") -> bool:
        """Tell whether the table exists and may be read. Raises CannotLook where the file does not say."""
        try:
            table = f"{_quote(schema or self.default_schema)}.{_quote(name)}"
            self.query(f"select 1 from {table} limit 0")  # noqa: S608 - both names are quoted
        except CannotLook as obstacle:
            if obstacle.code == NO_TABLE:
                return False
            raise
        return True

    def introspect(self) -> Schema:
        """Return everything that the file holds. Raises CannotLook."""
        found = self._rows(_TABLES)
        alone = [
            self._read_alone(name, is_view=bool(is_view))
            for name, is_view, is_virtual in found
            if is_view or is_virtual
        ]
        return Schema(
            dialect=self.dialect,
            source=self.version,
            default_schema=self.default_schema,
            tables=(*self._read_tables(found), *alone),
        )

    def close(self) -> None:
        """Leave; safe to call twice."""
        self._session.close()

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.query(sql)

    def _read_tables(self, found: list[tuple[Any, ...]]) -> list[Table]:
        virtual = [name for name, _, is_virtual in found if is_virtual]
        raw_columns: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for table, *column in self._rows(_COLUMNS.format(which=_PLAIN_TABLES)):
            raw_columns[table].append(tuple(column))
        primary_keys = {table: _read_primary_key(columns) for table, columns in raw_columns.items()}
        indexes = self._read_indexes()
        references = self._read_references(primary_keys)
        tables = []
        for name, is_view, is_virtual in found:
            if is_view or is_virtual:
                continue
            by_origin = indexes[name]
            # The only key without an index is the number by which SQLite finds its rows.
            is_row_number = not by_origin["pk"]
            tables.append(
                Table(
                    name=name,
                    columns=tuple(_read_column(column, is_row_number=is_row_number) for column in raw_columns[name]),
                    primary_key=primary_keys.get(name, ()),
                    uniques=tuple(index.columns for index in by_origin["u"]),
                    indexes=tuple(by_origin["c"]),
                    foreign_keys=references[name],
                    owner=_find_owner(name, virtual),
                )
            )
        return tables

    def _read_alone(self, name: str, *, is_view: bool) -> Table:
        """Read a view or a virtual table: one that does not work would take all others with it."""
        quoted = name.replace("'", "''")
        try:
            columns, owner = self._rows(_COLUMNS.format(which=f"m.name = '{quoted}'")), ""
        except CannotLook as obstacle:
            if obstacle.code not in {NO_TABLE, "failed"}:
                raise
            # The view of a table that is gone, or a table of a module that only the application loads.
            columns, owner = [], "" if is_view else "a module that is not loaded here"
        return Table(
            name=name,
            is_view=is_view,
            columns=tuple(_read_column(column, is_row_number=False) for _, *column in columns),
            owner=owner,
        )

    def _read_indexes(self) -> dict[str, dict[str, list[Index]]]:
        """Return the indexes of each table by their origin: `pk`, `u` for a constraint, `c` for CREATE INDEX."""
        columns: dict[tuple[Any, ...], list[str]] = defaultdict(list)
        for *of_index, column in self._rows(_INDEXES):
            columns[tuple(of_index)].append(column or "")
        indexes: dict[str, dict[str, list[Index]]] = defaultdict(lambda: defaultdict(list))
        for (table, name, unique, origin, partial), parts in columns.items():
            index = Index(name=name, columns=tuple(parts), unique=bool(unique), partial=bool(partial))
            indexes[table][origin].append(index)
        return indexes

    def _read_references(self, primary_keys: dict[str, tuple[str, ...]]) -> dict[str, tuple[ForeignKey, ...]]:
        parts: dict[tuple[str, int, str], list[tuple[str, str | None]]] = defaultdict(list)
        for table, number, target_table, column, target in self._rows(_REFERENCES):
            parts[table, number, target_table].append((column, target))
        references: dict[str, tuple[ForeignKey, ...]] = defaultdict(tuple)
        for (table, _, target_table), pairs in parts.items():
            targets = tuple(target for _, target in pairs if target is not None)
            reference = ForeignKey(
                columns=tuple(column for column, _ in pairs),
                table=target_table,
                targets=targets or primary_keys.get(target_table, ()),
            )
            references[table] += (reference,)
        return references


def _find_owner(name: str, virtual: list[str]) -> str:
    """Return whose shadow a table is: full text and R-tree indexes keep themselves in ordinary tables."""
    before, _, kind = name.rpartition("_")
    return f"virtual table {before}" if before in virtual and kind in _SHADOWS else ""


def _read_primary_key(columns: list[tuple[Any, ...]]) -> tuple[str, ...]:
    ranked = sorted((rank, name) for name, _, _, _, rank, _ in columns if rank)
    return tuple(name for _, name in ranked)


def _read_column(found: Sequence[Any], *, is_row_number: bool) -> Column:
    name, type_, not_null, has_default, rank, hidden = found
    is_number = is_row_number and rank == 1
    is_generated = hidden in {2, 3}
    return Column(
        name=name,
        type=type_,
        nullable=not (not_null or is_number),
        is_filled=bool(has_default) or is_generated or is_number,
        is_generated=is_generated,
    )


def _quote(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
