"""What the schema gate needs from outside, as Protocols of a few methods each.

Adapters implement them, and import this module. Invariant: nothing here names a library; whatever keeps a source from
being read is a `CannotLook`, never another exception.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from devenv.domain.findings import Severity
from devenv.domain.subject import CodePlace
from devenv.schema.ir import Dialect, Schema


class CannotLook(Exception):
    """A source could not be read: `reason` is one sentence with the values seen, `fix` a command.

    `severity` is UNKNOWN where the check itself is at fault (models that cannot be imported, no permission on the
    catalogue), ERROR where the code would fail in the same way (the database refuses the application's login).
    `code` is a short word for ids and tests, such as `unreachable`, `refused`, `no-database`, `no-permission`.
    """

    def __init__(
        self,
        reason: str,
        *,
        code: str,
        fix: str = "",
        severity: Severity = Severity.UNKNOWN,
        details: Sequence[str] = (),
        place: str = "",
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.fix = fix
        self.severity = severity
        self.details = tuple(details)
        self.place = place


class LiveDatabase(Protocol):
    """An open connection. Read-only, with a limit on every statement and on every lock that it would wait for."""

    dialect: Dialect
    version: str
    """The server's own: `PostgreSQL 15.18`, `MariaDB 10.11.6`, `SQLite 3.40.1`."""
    default_schema: str
    place: str
    """`database app, schema public at 127.0.0.1:5432 (PostgreSQL 15.18)`, or the file; never a password."""

    def introspect(self) -> Schema:
        """Return everything that the server knows of tables, enums, keys and indexes. Raises CannotLook."""
        ...

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """Run a query that only reads; return its rows. Raises CannotLook."""
        ...

    def has_table(self, name: str, schema: str = "") -> bool:
        """Tell whether the table exists and may be read; `schema` '' is the default one."""
        ...

    def close(self) -> None:
        """Leave; safe to call twice."""
        ...


class OpenDatabase(Protocol):
    """Opens a URL: `open(url, folder=...)`."""

    def __call__(self, url: str, *, folder: str) -> LiveDatabase:
        """Log in, read-only. `folder` is where relative SQLite paths begin. Raises CannotLook."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelQuestion:
    """Which models to read in the service's own interpreter.

    `framework` is `sqlalchemy` or `django`. `dialect` None is that of the project's own database settings (PostgreSQL
    where those name none); the answer's schema says which one it was. `reference` is `module:attribute` (a declarative
    base, a MetaData, a Flask `db`), or '' to learn it from `alembic_ini` or `manage_py` (absolute paths).
    """

    place: CodePlace
    framework: str
    dialect: Dialect | None
    reference: str = ""
    alembic_ini: str = ""
    manage_py: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
    """The models as a Schema, and what their own configuration says of migrations and databases.

    `version_table` and `version_schema` are Alembic's; `database_url` is what the project itself connects to where it
    says so (Django settings, `sqlalchemy.url`), used only where nothing else names a database.
    """

    schema: Schema
    version_table: str = "alembic_version"
    version_schema: str = ""
    ignored_tables: tuple[str, ...] = ()
    """Tables that the project's own `include_object`/`include_name` leaves out, or unmanaged models."""
    database_url: str = ""
    warnings: tuple[str, ...] = ()
    took_s: float = 0.0
    is_cached: bool = False


class ReadModels(Protocol):
    """Reads models in the service's own interpreter."""

    def __call__(self, question: ModelQuestion) -> ModelAnswer:
        """Run the probe, within its deadline. Raises CannotLook (models not importable, no interpreter, hung)."""
        ...
