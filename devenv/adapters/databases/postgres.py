"""PostgreSQL as the schema gate reads it: the whole schema in one query, each query in a transaction of its own.

Must not know drivers, nor what the schema is held against. Invariants: a transaction is read-only, has limits, and is
over before `query` returns, so that no lock of ours is ever in the way of a migration.
"""

import json
from collections import defaultdict
from dataclasses import replace
from typing import Any

from devenv.adapters.databases.failures import NO_PERMISSION, NO_TABLE, Limits, explaining
from devenv.domain.database import Database
from devenv.domain.findings import Severity
from devenv.probes.sql_drivers import DriverFailure, PostgresSession
from devenv.schema.ir import Column, Dialect, Enum, ForeignKey, Index, Schema, Table
from devenv.schema.ports import CannotLook

# Tables are object ids, and the columns of keys and indexes are numbers: looking them up here is the quicker. A domain
# is read as the type beneath it.
_EVERYTHING = """
with spaces as (
  select oid, nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
), extended as (
  select d.classid, d.objid, e.extname from pg_depend d join pg_extension e on e.oid = d.refobjid
  where d.deptype = 'e' and d.refclassid = 'pg_extension'::regclass
), relations as (
  select c.oid, s.nspname, c.relname, c.relkind, c.relispartition
  from pg_class c join spaces s on s.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'f')
)
select json_build_object(
  'relations', (
    select json_agg(json_build_array(r.oid::int8, r.nspname, r.relname, r.relkind in ('v', 'm'), coalesce(
        x.extname::text, 'partition of ' || (
          select p.relname from pg_inherits h join pg_class p on p.oid = h.inhparent
          where r.relispartition and h.inhrelid = r.oid)))
      order by r.nspname, r.relname)
    from relations r left join extended x on x.classid = 'pg_class'::regclass and x.objid = r.oid),
  'columns', (
    select json_agg(json_build_array(a.attrelid::int8, a.attnum, a.attname,
        case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod)
          else format_type(a.atttypid, a.atttypmod) end,
        not (a.attnotnull or t.typnotnull),
        a.atthasdef or a.attidentity <> '' or t.typdefault is not null,
        t.typcategory = 'A', a.attgenerated <> '', v.nspname, v.typname)
      order by a.attrelid, a.attnum)
    from relations r
    join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    join pg_type t on t.oid = a.atttypid
    left join (
      select y.oid, n.nspname, y.typname from pg_type y join pg_namespace n on n.oid = y.typnamespace
      where y.typtype = 'e'
    ) v on v.oid = case when t.typtype = 'd' then t.typbasetype when t.typcategory = 'A' then t.typelem
      else t.oid end),
  'enums', (
    select json_agg(json_build_array(s.nspname, t.typname, (
        select json_agg(e.enumlabel order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid))
      order by s.nspname, t.typname)
    from pg_type t join spaces s on s.oid = t.typnamespace
    where t.typtype = 'e' and not exists (
      select from extended x where x.classid = 'pg_type'::regclass and x.objid = t.oid)),
  'indexes', (
    select json_agg(json_build_array(i.indrelid::int8, c.relname, i.indkey::text, i.indnkeyatts, i.indisunique,
        i.indisvalid, i.indpred is not null)
      order by i.indrelid, c.relname)
    from pg_index i join relations r on r.oid = i.indrelid join pg_class c on c.oid = i.indexrelid
    where not exists (
      select from pg_constraint k where k.conindid = i.indexrelid and k.conrelid = i.indrelid
        and k.contype in ('p', 'u'))),
  'keys', (
    select json_agg(json_build_array(k.conrelid::int8, k.contype, k.conname, k.conkey, k.confrelid::int8, k.confkey)
      order by k.conrelid, k.conname)
    from pg_constraint k join relations r on r.oid = k.conrelid where k.contype in ('p', 'u', 'f')),
  'extensions', (select json_agg(extname order by extname) from pg_extension)
)::text
"""
_WHERE_AM_I = (
    "select current_database(), current_schema(), current_setting('search_path'), current_setting('server_version')"
)


class PostgresDatabase:
    """A login to PostgreSQL; see `schema.ports.LiveDatabase`."""

    dialect = Dialect.POSTGRESQL

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits
        with explaining(database, limits, is_login=True):
            self._session = PostgresSession(database, limits.answer_s)
        try:
            self._look_around()
        except BaseException:
            self._session.close()
            raise

    def _look_around(self) -> None:
        name, schema, path, version = (str(value or "") for value in self.query(_WHERE_AM_I)[0])
        self._database = replace(self._database, name=name)
        if not schema:
            raise CannotLook(
                f"{self._database.describe()} has no schema that user {self._database.user} may use "
                f"(search_path {path})",
                code="no-schema",
                severity=Severity.ERROR,
                fix=f'create the schema, or: GRANT USAGE ON SCHEMA "{self._database.schema or "public"}" '
                f'TO "{self._database.user}"',
            )
        self.default_schema = schema
        self.version = f"PostgreSQL {version.split()[0]}"
        self.place = f"{replace(self._database, schema=schema).describe()} ({self.version})"

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """Run one statement in a read-only transaction of its own; return its rows. Raises CannotLook."""
        with explaining(self._database, self._limits):
            self._session.ask(self._beginning())
            try:
                # As a statement that may be one only: a COMMIT before another would end the transaction.
                rows = self._session.ask_one(sql)
            except DriverFailure:
                self._roll_back()
                raise
            self._session.ask("rollback")
        return rows or []

    def _roll_back(self) -> None:
        try:
            self._session.ask("rollback")
        except DriverFailure:
            return  # the connection is gone, and what it was lost to is on its way up

    def _beginning(self) -> str:
        limits = self._limits
        begin = (
            f"begin read only; set local statement_timeout = {round(limits.statement_s * 1000)}; "
            f"set local lock_timeout = {round(limits.lock_s * 1000)}"
        )
        return f"{begin}; set local search_path to {_quote(self._database.schema)}" if self._database.schema else begin

    def has_table(self, name: str, schema: str = "") -> bool:
        """Tell whether the table exists and may be read. Raises CannotLook where the server does not say."""
        try:
            self.query(f"select from {_quote(schema or self.default_schema)}.{_quote(name)} limit 0")
        except CannotLook as obstacle:
            if obstacle.code in {NO_TABLE, NO_PERMISSION}:
                return False
            raise
        return True

    def introspect(self) -> Schema:
        """Return everything that the catalogue holds outside the system's own schemas. Raises CannotLook."""
        ((text,),) = self.query(_EVERYTHING)
        found = json.loads(str(text))
        decoder = _Decoder(found, self.default_schema)
        return Schema(
            dialect=self.dialect,
            source=self.version,
            default_schema=self.default_schema,
            tables=decoder.build_tables(),
            enums=decoder.build_enums(),
            extensions=tuple(found["extensions"] or ()),
        )

    def close(self) -> None:
        """Leave; safe to call twice."""
        self._session.close()


class _Decoder:
    """Puts the rows of the catalogue together into tables."""

    def __init__(self, found: dict[str, list[list[Any]] | None], default_schema: str) -> None:
        self._found = {kind: rows or [] for kind, rows in found.items()}
        self._default_schema = default_schema
        self._titles = {oid: (self._shorten(schema), name) for oid, schema, name, *_ in self._found["relations"]}
        self._names = {(oid, number): name for oid, number, name, *_ in self._found["columns"]}

    def build_tables(self) -> tuple[Table, ...]:
        columns, indexes = self._build_columns(), self._build_indexes()
        keys, references = self._build_keys(), self._build_references()
        return tuple(
            Table(
                name=name,
                schema=self._shorten(schema),
                columns=tuple(columns[oid]),
                primary_key=next(iter(keys[oid, "p"]), ()),
                uniques=tuple(keys[oid, "u"]),
                indexes=tuple(indexes[oid]),
                foreign_keys=tuple(references[oid]),
                is_view=is_view,
                owner=owner or "",
            )
            for oid, schema, name, is_view, owner in self._found["relations"]
        )

    def build_enums(self) -> tuple[Enum, ...]:
        return tuple(
            Enum(name=name, values=tuple(values or ()), schema=self._shorten(schema))
            for schema, name, values in self._found["enums"]
        )

    def _build_columns(self) -> dict[int, list[Column]]:
        columns: dict[int, list[Column]] = defaultdict(list)
        for oid, _, name, type_, *flags, enum_schema, enum in self._found["columns"]:
            nullable, is_filled, is_array, is_generated = flags
            schema = self._shorten(enum_schema or self._default_schema)
            columns[oid].append(
                Column(
                    name=name,
                    type=type_,
                    nullable=nullable,
                    is_filled=is_filled,
                    is_array=is_array,
                    is_generated=is_generated,
                    enum=f"{schema}.{enum}" if schema else enum or "",
                )
            )
        return columns

    def _build_indexes(self) -> dict[int, list[Index]]:
        indexes: dict[int, list[Index]] = defaultdict(list)
        for oid, name, numbers, key_count, unique, valid, partial in self._found["indexes"]:
            # What follows the key is only carried along (INCLUDE).
            columns = self._pick(oid, [int(number) for number in numbers.split()[:key_count]])
            indexes[oid].append(Index(name=name, columns=columns, unique=unique, valid=valid, partial=partial))
        return indexes

    def _build_keys(self) -> dict[tuple[int, str], list[tuple[str, ...]]]:
        keys: dict[tuple[int, str], list[tuple[str, ...]]] = defaultdict(list)
        for oid, kind, _, numbers, *_ in self._found["keys"]:
            keys[oid, kind].append(self._pick(oid, numbers))
        return keys

    def _build_references(self) -> dict[int, list[ForeignKey]]:
        references: dict[int, list[ForeignKey]] = defaultdict(list)
        for oid, kind, name, numbers, target, target_numbers in self._found["keys"]:
            if kind == "f" and target in self._titles:
                schema, table = self._titles[target]
                columns, targets = self._pick(oid, numbers), self._pick(target, target_numbers)
                references[oid].append(
                    ForeignKey(name=name, columns=columns, table=table, schema=schema, targets=targets)
                )
        return references

    def _shorten(self, schema: str) -> str:
        return "" if schema == self._default_schema else schema

    def _pick(self, oid: int, numbers: list[int]) -> tuple[str, ...]:
        """Return the names of these columns; an expression has the number 0."""
        return tuple(self._names.get((oid, number), "") for number in numbers)


def _quote(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
