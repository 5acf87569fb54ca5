"""One session through one driver: pg8000, pymysql or sqlite3, and what their failures have in common.

Blocks, so it is called in a thread. Must not know of probes' options, of anyio, nor what a failure means to a check.
Invariants: every connection has a time limit, SQLite files are opened for reading only and nothing is written beside
them, whatever a driver raises leaves as a `DriverFailure`, and no text from here holds a password.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from time import monotonic
from traceback import clear_frames
from typing import Any, Protocol

from devenv.domain.database import Database, dialect_of
from devenv.domain.probe import NotYet
from devenv.probes.reach import name_failure, shorten, unverified_tls

Row = tuple[object, ...]


class Trouble(StrEnum):
    """In which way a database could not be asked."""

    REFUSED = "refused"
    """It answered with an error: `code` is its own, SQLite's name of it, or NO_FILE."""
    UNREACHABLE = "unreachable"
    """No connection could be made."""
    SILENT = "silent"
    """No answer within the time limit."""
    ENDED = "ended"
    """The connection was closed from the other side."""
    INCAPABLE = "incapable"
    """The login needs more than this driver can do."""
    FOREIGN = "foreign"
    """What answers speaks another protocol."""


NO_FILE = "no-file"


class DriverFailure(Exception):
    """What a driver raised, in one form for all of them."""

    def __init__(self, trouble: Trouble, message: str = "", *, code: str = "") -> None:
        super().__init__(message)
        self.trouble = trouble
        self.message = message
        self.code = code


class Session(Protocol):
    """A login. `ask` and `close` raise nothing but DriverFailure."""

    def ask(self, sql: str, *, most: int | None = None) -> list[Row] | None:
        """Run one statement; return its rows, None for one that gives none. More than `most` need not be read."""
        ...

    def close(self) -> None:
        """Leave; safe to call twice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A query that ran: its first row, and whether it was one that gives rows at all."""

    first: Row = ()
    has_result: bool = True


_SUSPECTS = {
    "28P01": "authentication failed",
    "28000": "authentication failed",
    "3D000": "missing database",
    "42501": "permission denied",
    "1044": "permission denied",
    "1045": "authentication failed",
    "1049": "missing database",
    "1130": "host not allowed",
    "1698": "authentication failed",
}
_TITLES = {"postgresql": "PostgreSQL", "mysql": "MySQL", "sqlite": "SQLite"}


def load_driver(url: str) -> None:
    """Import what `open_session` needs for `url`: 130 ms, better while its server still starts."""
    match dialect_of(url):
        case "postgresql":
            import pg8000.native  # noqa: F401, PLC0415
        case "mysql":
            import pymysql  # noqa: F401, PLC0415


def run_query(database: Database, query: str, timeout_s: float) -> Rows | NotYet | None:
    """Log in, run `query`, leave; None where nobody answered at all."""
    try:
        with closing(open_session(database, timeout_s)) as session:
            rows = session.ask(query, most=1)
    except DriverFailure as failure:
        return _judge(failure, database, timeout_s)
    return Rows(first=rows[0] if rows else (), has_result=rows is not None)


def open_session(database: Database, timeout_s: float) -> Session:
    """Log in; no answer may take longer than `timeout_s`. Raises DriverFailure."""
    return _SESSIONS[database.dialect](database, timeout_s)


def _judge(failure: DriverFailure, database: Database, timeout_s: float) -> NotYet | None:
    title = _TITLES[database.dialect]
    place = database.socket or f"{database.host}:{database.port}"
    match failure.trouble:
        case Trouble.REFUSED:
            return _judge_refusal(failure, database)
        case Trouble.SILENT:
            return NotYet(reason=f"{place} accepted the connection but did not answer within {timeout_s:g} s")
        case Trouble.INCAPABLE:
            return NotYet(reason=f"the login needs more than this driver can do: {failure.message}", final=True)
        case Trouble.FOREIGN:
            return NotYet(reason=f"{place} answers, but not as {title} does", suspect=f"not {title}")
        case Trouble.UNREACHABLE | Trouble.ENDED:
            return None


def _judge_refusal(failure: DriverFailure, database: Database) -> NotYet:
    if failure.code == NO_FILE:
        return NotYet(reason=f"there is no file {database.name} yet")
    if database.dialect == "sqlite":
        return NotYet(reason=f"SQLite says of {database.name}: {failure.message}")
    suspect = _suspect(_SUSPECTS.get(failure.code, ""), database)
    return NotYet(reason=f"{_TITLES[database.dialect]} says: {failure.message} ({failure.code})", suspect=suspect)


def _suspect(words: str, database: Database) -> str:
    if not words:
        return ""
    whom = f'"{database.name}"' if words == "missing database" else f"for user {database.user or '(none)'}"
    return f"{words} {whom}"


class PostgresSession:
    """PostgreSQL through pg8000."""

    def __init__(self, database: Database, timeout_s: float) -> None:
        import pg8000.native as driver  # noqa: PLC0415 - 130 ms that only services with a database cost

        with _postgres_failures():
            self._connection = driver.Connection(
                database.user or "postgres",
                host=database.host,
                port=database.port,
                password=database.password,
                database=database.name or None,
                unix_sock=database.socket or None,
                ssl_context=unverified_tls() if database.needs_tls else False,
                timeout=timeout_s,
                application_name="devenv",
            )

    def ask(self, sql: str, *, most: int | None = None) -> list[Row] | None:
        """Run `sql`, which may hold several statements."""
        with _postgres_failures():
            rows = self._connection.run(sql)
            return None if self._connection.columns is None else [tuple(row) for row in rows[:most]]

    def ask_one(self, sql: str) -> list[Row] | None:
        """Run `sql`, which the server refuses where it holds more than one statement."""
        with _postgres_failures():
            done = self._connection.execute_unnamed(sql)
            return None if done.columns is None else [tuple(row) for row in done.rows]

    def close(self) -> None:
        """Leave; a connection that is lost already is no failure any more."""
        import pg8000.native as driver  # noqa: PLC0415 - loaded when the session was opened

        try:
            self._connection.close()
        except (driver.InterfaceError, OSError):
            return


@contextmanager
def _postgres_failures() -> Iterator[None]:
    import pg8000.native as driver  # noqa: PLC0415 - as above

    try:
        yield
    except driver.DatabaseError as error:
        _let_go(error)
        said = error.args[0] if error.args and isinstance(error.args[0], dict) else {"M": str(error)}
        message = shorten(str(said.get("M", "")))
        raise DriverFailure(Trouble.REFUSED, message, code=str(said.get("C", ""))) from error
    except (driver.InterfaceError, OSError) as error:
        _let_go(error)
        raise _sort_postgres(error) from error
    except Exception as error:
        _let_go(error)
        raise _foreign(error) from error


def _sort_postgres(error: Exception) -> DriverFailure:
    """Tell apart what pg8000 calls an InterfaceError: only its words and causes differ."""
    words = str(error)
    cause = next((one for one in _causes(error) if isinstance(one, OSError)), None)
    if isinstance(cause, TimeoutError):
        return DriverFailure(Trouble.SILENT)
    if words in {"network error", "connection is closed"} or cause is error:
        return DriverFailure(Trouble.ENDED, _name(cause) if cause else "")
    if cause is not None:
        return DriverFailure(Trouble.UNREACHABLE, _name(cause))
    if words == "Server refuses SSL":
        return DriverFailure(Trouble.REFUSED, "the server does not speak TLS, which the URL asks for", code="no-tls")
    return DriverFailure(Trouble.INCAPABLE, shorten(words))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and what led to it: closing a connection that broke raises once more."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _let_go(error: Exception) -> None:
    """Close what a failed login leaves open: the drivers' own frames hold the socket for as long as the failure."""
    for cause in _causes(error):
        clear_frames(cause.__traceback__)


def _name(cause: OSError) -> str:
    return re.sub(r"^\[Errno -?\d+\] ", "", name_failure(cause))


class MysqlSession:
    """MySQL and MariaDB through pymysql."""

    def __init__(self, database: Database, timeout_s: float) -> None:
        import pymysql  # noqa: PLC0415 - only services with this database pay for it

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
                autocommit=True,
            )

        with _mysql_failures():
            self._connection = _connect_mysql(connect, needs_tls=database.needs_tls)

    def ask(self, sql: str, *, most: int | None = None) -> list[Row] | None:
        """Run `sql`, which the server refuses where it holds more than one statement."""
        with _mysql_failures(), self._connection.cursor() as cursor:
            cursor.execute(sql)
            return None if cursor.description is None else [tuple(row) for row in cursor.fetchall()[:most]]

    def close(self) -> None:
        """Leave; a connection that is lost already is no failure any more."""
        if self._connection.open:
            self._connection.close()


def _connect_mysql(connect: Callable[..., Any], *, needs_tls: bool) -> Any:
    """Log in without TLS, and with it where only that lets a password through (MySQL 8's own method)."""
    if needs_tls:
        return connect(tls=True)
    try:
        # Asked for TLS "if possible", the driver reads all of the machine's certificates on every attempt.
        return connect(tls=False)
    except RuntimeError:
        return connect(tls=True)


_MYSQL_UNREACHABLE = frozenset({2002, 2003, 2005})
_MYSQL_ENDED = frozenset({0, 2006, 2013, 2055})


@contextmanager
def _mysql_failures() -> Iterator[None]:
    import pymysql  # noqa: PLC0415 - as above

    try:
        yield
    except pymysql.MySQLError as error:
        _let_go(error)
        raise _sort_mysql(error) from error
    except RuntimeError as error:
        raise DriverFailure(Trouble.INCAPABLE, shorten(str(error))) from error
    except Exception as error:
        raise _foreign(error) from error


def _sort_mysql(error: Exception) -> DriverFailure:
    code, message = (*error.args, "", "")[:2]
    if code in _MYSQL_UNREACHABLE | _MYSQL_ENDED:
        if "timed out" in str(message):
            return DriverFailure(Trouble.SILENT)
        cause = getattr(error, "original_exception", None)
        words = _name(cause) if isinstance(cause, OSError) else shorten(str(message))
        return DriverFailure(Trouble.UNREACHABLE if code in _MYSQL_UNREACHABLE else Trouble.ENDED, words)
    if not isinstance(code, int):
        return _foreign(error)
    return DriverFailure(Trouble.REFUSED, shorten(str(message)), code=str(code))


class SqliteSession:
    """A SQLite file, for reading only, through the standard library."""

    def __init__(self, database: Database, timeout_s: float) -> None:
        import sqlite3  # noqa: PLC0415 - as above

        path = Path(database.name)
        if not _may_be_there(path):
            raise DriverFailure(Trouble.REFUSED, "there is no such file", code=NO_FILE)
        self._timeout_s = timeout_s
        with _sqlite_failures():
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?{_sqlite_mode(path)}",
                uri=True,
                timeout=timeout_s / 2,
                check_same_thread=False,  # one thread at a time, but not always the same
            )
            # ATTACH and VACUUM INTO make files even here.
            self._connection.set_authorizer(
                lambda action, *_: sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK
            )

    def ask(self, sql: str, *, most: int | None = None) -> list[Row] | None:
        """Run one statement, for as long as an answer may take."""
        deadline = monotonic() + self._timeout_s
        with _sqlite_failures():
            self._connection.set_progress_handler(lambda: monotonic() > deadline, 100_000)
            cursor = self._connection.execute(sql)
            rows = cursor.fetchall() if most is None else cursor.fetchmany(most)
            return None if cursor.description is None else rows

    def close(self) -> None:
        """Leave."""
        self._connection.close()


def _may_be_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return True  # in a folder that is closed to us, as SQLite will say


def _sqlite_mode(path: Path) -> str:
    """Return how to read the file without a trace.

    One that keeps a write-ahead log gets its two companions back from any reader, even from a read-only one, which
    cannot remove them again. Without a log nobody has it open, and the file itself is all there is.
    """
    try:
        with path.open("rb") as file:
            has_log = file.read(19)[18:] == b"\x02"
    except OSError:
        return "mode=ro"  # SQLite says why
    return "mode=ro&immutable=1" if has_log and not Path(f"{path}-wal").exists() else "mode=ro"


@contextmanager
def _sqlite_failures() -> Iterator[None]:
    import sqlite3  # noqa: PLC0415 - as above

    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorname", "")
        raise DriverFailure(Trouble.REFUSED, shorten(str(error)), code=code) from error


def _foreign(error: Exception) -> DriverFailure:
    """Return the failure for whatever a driver's parser stumbled over: garbage raises anything."""
    return DriverFailure(Trouble.FOREIGN, shorten(f"{type(error).__name__}: {error}"))


_SESSIONS: dict[str, Callable[[Database, float], Session]] = {
    "postgresql": PostgresSession,
    "mysql": MysqlSession,
    "sqlite": SqliteSession,
}
