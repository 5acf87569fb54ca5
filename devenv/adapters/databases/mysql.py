"""MySQL and MariaDB as the schema gate reads them: four queries to information_schema for one database.

Must not know drivers, nor what the schema is held against. Invariants: the session is read-only and has limits, and
every statement is a transaction of its own, so that no lock of ours is ever in the way of a migration.
"""

import re
from collections import defaultdict
from dataclasses import replace
from typing import Any

from devenv.adapters.databases.failures import NO_PERMISSION, NO_TABLE, Limits, explaining
from devenv.domain.database import Database
from devenv.domain.findings import Severity
from devenv.probes.sql_drivers import MysqlSession
from devenv.schema.ir import Column, Dialect, ForeignKey, Index, Schema, Table
from devenv.schema.ports import CannotLook

_TABLES = """
select table_name, table_type in ('VIEW', 'SYSTEM VIEW') from information_schema.tables
where table_schema = database() and table_type <> 'SEQUENCE' order by table_name
"""
_COLUMNS = """
select table_name, column_name, column_type, is_nullable = 'YES', column_default, extra
from information_schema.columns where table_schema = database() order by table_name, ordinal_position
"""
_INDEXES = """
select table_name, index_name, non_unique, column_name
from information_schema.statistics where table_schema = database() order by table_name, index_name, seq_in_index
"""
_REFERENCES = """
select table_name, constraint_name, column_name, referenced_table_schema, referenced_table_name, referenced_column_name
from information_schema.key_column_usage where table_schema = database() and referenced_table_name is not null
order by table_name, constraint_name, ordinal_position
"""
_VALUE = re.compile(r"'((?:[^'\\]|''|\\.)*)'", re.DOTALL)


class MysqlDatabase:
    """A login to MySQL or MariaDB; see `schema.ports.LiveDatabase`."""

    dialect = Dialect.MYSQL

    def __init__(self, database: Database, limits: Limits) -> None:
        if not database.name:
            raise CannotLook(
                f"the URL names no database on {database.socket or f'{database.host}:{database.port}'}",
                code="bad-url",
                severity=Severity.ERROR,
                fix="write the database's name behind host and port: mysql://USER:PASSWORD@HOST:PORT/NAME",
            )
        self._database = database
        self._limits = limits
        with explaining(database, limits, is_login=True):
            self._session = MysqlSession(database, limits.answer_s)
        try:
            self._prepare()
        except BaseException:
            self._session.close()
            raise

    def _prepare(self) -> None:
        ((version, name),) = self.query("select version(), database()")
        number, is_mariadb = str(version).partition("-")[0], "mariadb" in str(version).lower()
        self.version = f"{'MariaDB' if is_mariadb else 'MySQL'} {number}"
        self.default_schema = str(name)
        self.place = f"{replace(self._database, name=self.default_schema).describe()} ({self.version})"
        statement_s, lock_s = self._limits.statement_s, max(1, round(self._limits.lock_s))
        limit = (
            f"max_statement_time = {statement_s}" if is_mariadb else f"max_execution_time = {statement_s * 1000:.0f}"
        )
        self.query(f"set session {limit}, lock_wait_timeout = {lock_s}, innodb_lock_wait_timeout = {lock_s}")
        self.query("set session transaction read only")

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """Run one statement in the read-only session; return its rows. Raises CannotLook."""
        with explaining(self._database, self._limits):
            return self._session.ask(sql) or []

    def has_table(self, name: str, schema: str = "") -> bool:
        """Tell whether the table exists and may be read. Raises CannotLook where the server does not say."""
        try:
            table = f"{_quote(schema or self.default_schema)}.{_quote(name)}"
            self.query(f"select 1 from {table} limit 0")  # noqa: S608 - both names are quoted
        except CannotLook as obstacle:
            if obstacle.code in {NO_TABLE, NO_PERMISSION}:
                return False
            raise
        return True

    def introspect(self) -> Schema:
        """Return everything that the server knows of this database; others on it are not looked at."""
        columns, indexes, references = self._read_columns(), self._read_indexes(), self._read_references()
        tables = []
        for name, is_view in self._rows(_TABLES):
            of_table = indexes[name]
            primary_key = of_table.pop("PRIMARY", None)
            tables.append(
                Table(
                    name=name,
                    columns=tuple(columns[name]),
                    primary_key=primary_key.columns if primary_key else (),
                    indexes=tuple(of_table.values()),
                    foreign_keys=tuple(references[name].values()),
                    is_view=bool(is_view),
                )
            )
        return Schema(
            dialect=self.dialect, source=self.version, default_schema=self.default_schema, tables=tuple(tables)
        )

    def close(self) -> None:
        """Leave; safe to call twice."""
        self._session.close()

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.query(sql)

    def _read_columns(self) -> dict[str, list[Column]]:
        columns: dict[str, list[Column]] = defaultdict(list)
        for table, name, type_, nullable, default, extra in self._rows(_COLUMNS):
            marks = str(extra).lower()
            is_generated = any(mark in marks for mark in ("virtual generated", "stored generated", "persistent"))
            # MariaDB writes the default of a column that has none as the word NULL.
            has_default = default is not None and not (nullable and default == "NULL")
            columns[table].append(
                Column(
                    name=name,
                    type=type_,
                    nullable=bool(nullable),
                    is_filled=has_default or is_generated or "auto_increment" in marks,
                    is_generated=is_generated,
                    values=_read_values(type_),
                )
            )
        return columns

    def _read_indexes(self) -> dict[str, dict[str, Index]]:
        """Return every index by its name; a part that is an expression has no column."""
        indexes: dict[str, dict[str, Index]] = defaultdict(dict)
        for table, name, non_unique, column in self._rows(_INDEXES):
            before = indexes[table].get(name) or Index(name=name, columns=(), unique=not non_unique)
            indexes[table][name] = replace(before, columns=(*before.columns, column or ""))
        return indexes

    def _read_references(self) -> dict[str, dict[str, ForeignKey]]:
        references: dict[str, dict[str, ForeignKey]] = defaultdict(dict)
        for table, name, column, target_schema, target_table, target in self._rows(_REFERENCES):
            schema = "" if target_schema == self.default_schema else target_schema
            before = references[table].get(name) or ForeignKey(
                name=name, columns=(), table=target_table, targets=(), schema=schema
            )
            references[table][name] = replace(
                before, columns=(*before.columns, column), targets=(*before.targets, target)
            )
        return references


def _read_values(type_: str) -> tuple[str, ...]:
    """Return the values of `enum('a','b')`; a quote within one is doubled."""
    if not type_.startswith("enum("):
        return ()
    return tuple(value.replace("''", "'").replace("\\\\", "\\") for value in _VALUE.findall(type_))


def _quote(name: str) -> str:
    escaped = name.replace("`", "``")
    return f"`{escaped}`"
