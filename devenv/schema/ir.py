"""What a database should have, and what it has, in one form: tables, columns, enums, keys, indexes.

Every source (SQLAlchemy, Django, Prisma, a live server) gives a `Schema`; one comparison reads two of them. Pure, must
not know any source. Invariant: names are as the database spells them, and the order of columns is that of the table.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Dialect(StrEnum):
    """The family of a server, as a URL names it; MariaDB counts as MySQL."""

    POSTGRESQL = "postgresql"
    MYSQL = "mysql"
    SQLITE = "sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column. `type` is in the database's own words, arguments included: `character varying(80)`, `INTEGER`.

    `enum` is the name of its enum type (`schema.name` outside the default schema), and `values` are those of an enum
    that is written inline, as in MySQL. `is_filled` says that the database gives a value where none is written
    (default, identity, auto increment, generated). `place` is `file:line` in the code, where it is known.
    """

    name: str
    type: str
    nullable: bool = True
    is_filled: bool = False
    is_array: bool = False
    is_generated: bool = False
    enum: str = ""
    values: tuple[str, ...] = ()
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index; a part that is an expression and no column is ''. An invalid one is never used by the server."""

    columns: tuple[str, ...]
    unique: bool = False
    valid: bool = True
    partial: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """A reference to `table` of `schema` ('' is the default one)."""

    columns: tuple[str, ...]
    table: str
    targets: tuple[str, ...]
    schema: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table or view. `schema` is '' for the default one; `uniques` are the constraints, beside unique indexes.

    `owner` names what made the table by itself, an extension or a partitioned table; such a one is never a difference.
    """

    name: str
    schema: str = ""
    columns: tuple[Column, ...] = ()
    primary_key: tuple[str, ...] = ()
    uniques: tuple[tuple[str, ...], ...] = ()
    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    is_view: bool = False
    owner: str = ""
    place: str = ""

    @property
    def title(self) -> str:
        """Return its name, with the schema where that is not the default one."""
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Enum:
    """An enum type of PostgreSQL, its values in their order."""

    name: str
    values: tuple[str, ...]
    schema: str = ""
    place: str = ""

    @property
    def title(self) -> str:
        """Return its name, with the schema where that is not the default one."""
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """All of it. `default_schema` is what '' stands for (`public`; MySQL: the database; SQLite: `main`).

    `source` says where it comes from, in a few words: `SQLAlchemy app.models:Base`, `PostgreSQL 15.18`.
    """

    dialect: Dialect
    source: str
    default_schema: str = ""
    tables: tuple[Table, ...] = ()
    enums: tuple[Enum, ...] = ()
    extensions: tuple[str, ...] = field(default=())
