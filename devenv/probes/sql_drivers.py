"""One query through one driver: pg8000, pymysql or sqlite3, and what their failures mean.

Runs in a thread, and must not know of probes' options or of anyio. Invariants: every connection has a time limit and
is closed, SQLite files are opened for reading only, and no text from here holds a password.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devenv.domain.database import Database, dialect_of
from devenv.domain.probe import NotYet
from devenv.probes.reach import shorten, unverified_tls


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A query that ran: its first row, and whether it was one that gives rows at all."""

    first: tuple[object, ...] = ()
    has_result: bool = True


_POSTGRES_SUSPECTS = {
    "28P01": "authentication failed",
    "28000": "authentication failed",
    "3D000": "missing database",
    "42501": "permission denied",
}
_MYSQL_SUSPECTS = {
    1044: "permission denied",
    1045: "authentication failed",
    1049: "missing database",
    1130: "host not allowed",
    1698: "authentication failed",
}
_MYSQL_SILENCE = frozenset({2002, 2003, 2006, 2013})


def load_driver(url: str) -> None:
    """Import what `run_query` needs for `url`: 130 ms, better while its server still starts."""
    match dialect_of(url):
        case "postgresql":
            import pg8000.native  # noqa: F401, PLC0415
        case "mysql":
            import pymysql  # noqa: F401, PLC0415


def run_query(database: Database, query: str, timeout_s: float) -> Rows | NotYet | None:
    """Log in, run `query`, leave; None where nobody answered at all."""
    return _DRIVERS[database.dialect](database, query, timeout_s)


def _ask_postgres(database: Database, query: str, timeout_s: float) -> Rows | NotYet | None:
    import pg8000.native as driver  # noqa: PLC0415 - 130 ms that only services with this probe cost

    try:
        connection = driver.Connection(
            database.user or "postgres",
            host=database.host,
            port=database.port,
            password=database.password or None,
            database=database.name or None,
            unix_sock=database.socket or None,
            ssl_context=unverified_tls() if database.needs_tls else False,
            timeout=timeout_s,
            application_name="devenv",
        )
        with closing(connection):
            rows = connection.run(query)
            return Rows(first=tuple(rows[0]) if rows else (), has_result=connection.columns is not None)
    except driver.DatabaseError as error:
        return _judge_postgres(error.args[0] if error.args else {}, database)
    except (driver.InterfaceError, OSError) as error:
        return _judge_silence(error, database, timeout_s)


def _judge_postgres(said: Any, database: Database) -> NotYet:
    fields = said if isinstance(said, dict) else {"M": str(said)}
    code, message = str(fields.get("C", "")), shorten(str(fields.get("M", "")))
    suspect = _suspect(_POSTGRES_SUSPECTS.get(code, ""), database)
    return NotYet(reason=f"PostgreSQL says: {message} ({code})", suspect=suspect)


def _ask_mysql(database: Database, query: str, timeout_s: float) -> Rows | NotYet | None:
    import pymysql  # noqa: PLC0415 - only services with this probe pay for it

    def connect(*, tls: bool) -> Any:
        return pymysql.connect(
            host=database.host,
            port=database.port,
            user=database.user or "root",
            password=database.password,
            database=database.name or None,
            unix_socket=database.socket or None,
            connect_timeout=max(1, round(timeout_s)),
            read_timeout=timeout_s,
            write_timeout=timeout_s,
            ssl=unverified_tls() if tls else None,
            ssl_disabled=not tls,
        )

    try:
        connection = _connect_mysql(connect, needs_tls=database.needs_tls)
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(query)
            return Rows(first=tuple(cursor.fetchone() or ()), has_result=cursor.description is not None)
    except pymysql.MySQLError as error:
        return _judge_mysql(error.args, database, timeout_s)
    except RuntimeError as error:
        return NotYet(reason=f"the login needs more than this driver can do: {shorten(str(error))}", final=True)


def _connect_mysql(connect: Callable[..., Any], *, needs_tls: bool) -> Any:
    """Log in without TLS, and with it where only that lets a password through (MySQL 8's own method)."""
    if needs_tls:
        return connect(tls=True)
    try:
        # Asked for TLS "if possible", the driver reads all of the machine's certificates on every attempt.
        return connect(tls=False)
    except RuntimeError:
        return connect(tls=True)


def _judge_mysql(arguments: tuple[Any, ...], database: Database, timeout_s: float) -> NotYet | None:
    code, message = (*arguments, "", "")[:2]
    if code in _MYSQL_SILENCE:
        return _judge_silence(TimeoutError() if "timed out" in str(message) else OSError(), database, timeout_s)
    suspect = _suspect(_MYSQL_SUSPECTS.get(code, ""), database)
    return NotYet(reason=f"MySQL says: {shorten(str(message))} ({code})", suspect=suspect)


def _ask_sqlite(database: Database, query: str, timeout_s: float) -> Rows | NotYet | None:
    import sqlite3  # noqa: PLC0415 - as above

    path = Path(database.name)
    if not path.exists():
        return NotYet(reason=f"there is no file {path} yet")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=timeout_s / 2)
        with closing(connection):
            cursor = connection.execute(query)
            return Rows(first=tuple(cursor.fetchone() or ()), has_result=cursor.description is not None)
    except sqlite3.Error as error:
        return NotYet(reason=f"SQLite says of {path}: {error}")


def _judge_silence(error: Exception, database: Database, timeout_s: float) -> NotYet | None:
    causes = (error, error.__cause__, error.__context__)
    if any(isinstance(cause, TimeoutError) for cause in causes):
        place = database.socket or f"{database.host}:{database.port}"
        return NotYet(reason=f"{place} accepted the connection but did not answer within {timeout_s:g} s")
    return None


def _suspect(words: str, database: Database) -> str:
    if not words:
        return ""
    whom = f'"{database.name}"' if words == "missing database" else f"for user {database.user or '(none)'}"
    return f"{words} {whom}"


_DRIVERS: dict[str, Callable[[Database, str, float], Rows | NotYet | None]] = {
    "postgresql": _ask_postgres,
    "mysql": _ask_mysql,
    "sqlite": _ask_sqlite,
}
