"""Opens a database by its URL, as the schema gate needs it.

Must not know a dialect's ways: those are in the modules beside. Invariant: what cannot be opened is a CannotLook.
"""

from collections.abc import Callable

from devenv.adapters.databases.failures import Limits
from devenv.adapters.databases.mysql import MysqlDatabase
from devenv.adapters.databases.postgres import PostgresDatabase
from devenv.adapters.databases.sqlite import SqliteDatabase
from devenv.domain.database import Database, parse_url
from devenv.domain.findings import Severity
from devenv.schema.ports import CannotLook, LiveDatabase

_DIALECTS: dict[str, Callable[[Database, Limits], LiveDatabase]] = {
    "postgresql": PostgresDatabase,
    "mysql": MysqlDatabase,
    "sqlite": SqliteDatabase,
}
_STANDARD = Limits()


def open_database(url: str, *, folder: str, limits: Limits = _STANDARD) -> LiveDatabase:
    """Log in, read-only; blocks. `folder` is where relative SQLite paths begin. Raises CannotLook."""
    try:
        database = parse_url(url, folder)
    except ValueError as error:
        raise CannotLook(
            f"the database URL cannot be read: {error}",
            code="bad-url",
            severity=Severity.ERROR,
            fix="write it as postgresql://USER:PASSWORD@HOST:PORT/NAME, mysql://… or sqlite:///FILE",
        ) from error
    return _DIALECTS[database.dialect](database, limits)
