"""What a failed session means to a check: the sentence, its code, how grave it is, and what mends it.

Owns the servers' error codes. Must not know how anything is asked. Invariant: every sentence names the database, none
shows a password, and what the application would meet as well is an ERROR.
"""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from devenv.domain.database import Database
from devenv.domain.findings import Severity
from devenv.probes.sql_drivers import NO_FILE, DriverFailure, Trouble
from devenv.schema.ports import CannotLook


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a statement may run, and how long it may wait for a lock."""

    statement_s: float = 5.0
    lock_s: float = 1.0

    @property
    def answer_s(self) -> float:
        """Return how long an answer may take: the server's own limit, which has words, comes first."""
        return self.statement_s * 1.2


NO_TABLE = "no-table"
NO_PERMISSION = "no-permission"

_CODES: Mapping[str, str] = {
    # PostgreSQL's SQLSTATEs
    "28P01": "refused", "28000": "refused", "no-tls": "refused",
    "3D000": "no-database",
    "42501": NO_PERMISSION,
    "42P01": NO_TABLE, "3F000": NO_TABLE,
    "57014": "timeout", "55P03": "timeout",
    "57P01": "dropped", "57P02": "dropped", "57P03": "unreachable", "57P05": "dropped", "25P03": "dropped",
    "53300": "unreachable",
    # MySQL's and MariaDB's numbers
    "1045": "refused", "1130": "refused", "1698": "refused", "2026": "refused", "1044": NO_PERMISSION,
    "1049": "no-database",
    "1142": NO_PERMISSION, "1143": NO_PERMISSION, "1227": NO_PERMISSION, "1370": NO_PERMISSION,
    "1146": NO_TABLE,
    "1205": "timeout", "1969": "timeout", "3024": "timeout",
    "1927": "dropped", "1053": "dropped", "1040": "unreachable", "1203": "unreachable",
    # SQLite's names, without what follows their second word
    NO_FILE: "no-database",
    "SQLITE_NOTADB": "broken", "SQLITE_CORRUPT": "broken", "SQLITE_CANTOPEN": NO_PERMISSION,
    "SQLITE_BUSY": "timeout", "SQLITE_LOCKED": "timeout", "SQLITE_INTERRUPT": "timeout",
}  # fmt: skip

# What the same code means while logging in: the application does not get further either.
_AT_LOGIN: Mapping[str, str] = {NO_PERMISSION: "refused", "dropped": "unreachable"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meaning:
    """How one code is told: `reason` and `fix` are templates, `severity` what it is wherever it is met."""

    reason: str
    fix: str = ""
    severity: Severity = Severity.UNKNOWN


_MEANINGS: Mapping[str, _Meaning] = {
    "unreachable": _Meaning(
        reason="{where} cannot be reached: {said}",
        fix="start the database, or correct host and port in its URL",
        severity=Severity.ERROR,
    ),
    "silent": _Meaning(reason="{where} hangs: {said}", fix="restart the database"),
    "refused": _Meaning(
        reason="{where} refuses user {user}: {said}",
        fix="correct user and password in the URL",
        severity=Severity.ERROR,
    ),
    "login-method": _Meaning(
        reason="the login to {where} needs more than devenv can do: {said}",
        fix="let user {user} log in with a password",
    ),
    "no-database": _Meaning(reason="{where} does not exist: {said}", fix="{creation}", severity=Severity.ERROR),
    "broken": _Meaning(
        reason="{where} is broken: {said}",
        fix="restore the file: devenv snapshot restore",
        severity=Severity.ERROR,
    ),
    "dropped": _Meaning(
        reason="{where} dropped the connection while it was read: {said}", fix="read the server's log, then check again"
    ),
    "timeout": _Meaning(
        reason="{where} was too slow (at most {statement_s:g} s, for a lock {lock_s:g} s): {said}",
        fix="end what holds the lock, such as a migration under way, then check again",
    ),
    NO_PERMISSION: _Meaning(reason="{where} may not be read by user {user}: {said}", fix="{grant}"),
    NO_TABLE: _Meaning(reason="{where} lacks what was asked for: {said}"),
    "failed": _Meaning(reason="{where} answered with an error: {said}"),
}


@contextmanager
def explaining(database: Database, limits: Limits, *, is_login: bool = False) -> Iterator[None]:
    """Turn a DriverFailure within into the CannotLook that it means."""
    try:
        yield
    except DriverFailure as failure:
        raise _explain(failure, database, limits, is_login=is_login) from failure


def _explain(failure: DriverFailure, database: Database, limits: Limits, *, is_login: bool) -> CannotLook:
    code, said = _read(failure, database, limits, is_login=is_login)
    meaning = _MEANINGS[code]
    if code == "silent" and is_login:
        meaning = replace(meaning, severity=Severity.ERROR)
    if "no encryption" in said or "SSL off" in said:  # a driver that tries TLS by itself may get in
        meaning = replace(meaning, severity=Severity.UNKNOWN, fix="add sslmode=require to the URL")
    words = {
        "where": database.describe(),
        "said": said,
        "user": _user(database),
        "statement_s": limits.statement_s,
        "lock_s": limits.lock_s,
        "creation": _creation(database),
        "grant": _grant(database),
    }
    return CannotLook(
        meaning.reason.format(**words), code=code, severity=meaning.severity, fix=meaning.fix.format(**words)
    )


def _read(failure: DriverFailure, database: Database, limits: Limits, *, is_login: bool) -> tuple[str, str]:
    """Return the code, and what was seen."""
    match failure.trouble:
        case Trouble.REFUSED:
            is_numbered = failure.code not in {"", NO_FILE}
            said = f"{failure.message} ({failure.code})" if is_numbered else failure.message
            return _read_code(failure, is_login=is_login), said
        case Trouble.UNREACHABLE:
            return "unreachable", failure.message
        case Trouble.ENDED:
            closes = "unreachable", "it accepts connections but closes them before the login"
            return closes if is_login else ("dropped", failure.message or "closed from the other side")
        case Trouble.SILENT:
            return "silent", f"no answer within {limits.answer_s:g} s"
        case Trouble.FOREIGN:
            return "unreachable", f"what answers there is no {database.dialect} server ({failure.message})"
        case Trouble.INCAPABLE:
            return "login-method" if is_login else "failed", failure.message


def _read_code(failure: DriverFailure, *, is_login: bool) -> str:
    if failure.message.startswith("no such table"):  # SQLite has no code for it
        return NO_TABLE
    code = _CODES.get("_".join(failure.code.split("_")[:2]), "failed")
    return _AT_LOGIN.get(code, code) if is_login else code


def _creation(database: Database) -> str:
    name = shlex.quote(database.name)
    match database.dialect:
        case "postgresql":
            return f"createdb -h {database.host} -p {database.port} -U {_user(database)} {name}"
        case "mysql":
            return f"mysqladmin -h {database.host} -P {database.port} -u {_user(database)} -p create {name}"
        case _:
            return "run the migrations, which create it; or correct the path in the URL"


def _grant(database: Database) -> str:
    match database.dialect:
        case "postgresql":
            schema, user = f'SCHEMA "{database.schema or "public"}"', f'"{_user(database)}"'
            return f"GRANT USAGE ON {schema} TO {user}; GRANT SELECT ON ALL TABLES IN {schema} TO {user}"
        case "mysql":
            return f"GRANT SELECT ON `{database.name}`.* TO '{_user(database)}'"
        case _:
            return f"chmod u+r {shlex.quote(database.name)}"


def _user(database: Database) -> str:
    """Return who logs in, for SQLite whoever runs this."""
    default = {"mysql": "root", "postgresql": "postgres"}.get(database.dialect, "(you)")
    return database.user or default
